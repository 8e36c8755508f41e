"""What a request is called, and how its fields and values are said in Spanish: pages, mails and documents alike.

An *item* is one of the payload's: a mapping with asset, field, old and new.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from factureya.core.words import MONTHS_LONG

Item = Mapping[str, str]

FIELDS = {
    "rfc": "RFC",
    "legal_name": "Razón social",
    "fiscal_address": "Domicilio fiscal",
    "phone": "Teléfono",
    "registered_email": "Correo registrado",
    "status": "Servicio",
    "representative_name": "Representante",
    "representative_email": "Correo del representante",
    "representative_rfc": "RFC del representante",
    "representative_power": "Carácter",
    "representative_instrument": "Instrumento del poder",
    "representative_valid_from": "Poder vigente desde",
    "representative_valid_until": "Poder vigente hasta",
    "full_name": "Nombre",
    "email": "Correo",
    "position": "Puesto",
    "contact": "Acceso de",
    "password": "Clave de",
}
VALUES = {
    "status": {"active": "Activo", "suspended": "Suspendido"},
    "representative_power": {
        "legal_representative": "Representante legal", "attorney": "Apoderado",
    },
}  # fmt: skip
DATES = {"representative_valid_from", "representative_valid_until"}
# From these the customer is recognised or acts: a false change gives the account away.
RISKY_FIELDS = frozenset(
    {"registered_email", *(f for f in FIELDS if f.startswith("representative"))}
)


def label(field: str) -> str:
    """«Domicilio fiscal» for a field's code; an unknown one is shown as it is."""
    return FIELDS.get(field, field)


def value(field: str, text: str) -> str:
    """What a value means to a person: codes in words, dates with their month, the rest as it is."""
    if field in DATES:
        return day(text) or "Sin término"
    return VALUES.get(field, {}).get(text, text)


def title(form: str, kind: str, items: Sequence[Item]) -> str:
    """«Cambio de domicilio fiscal, teléfono y correo registrado», «Alta de Rosa Paredes», «Baja del servicio»."""
    by_field = {item["field"]: item for item in items}
    if form == "change":
        return "Baja del servicio" if kind == "baja" else f"Cambio de {_enumerated(items)}"
    if kind == "alta":
        return f"Alta de {by_field['full_name']['new']}" if "full_name" in by_field else "Alta"
    name, field = (
        ("Baja de acceso", "contact") if kind == "baja" else ("Cambio de clave", "password")
    )
    return f"{name} de {by_field[field]['old']}" if field in by_field else name


def day(iso: str) -> str:
    """«1 de diciembre de 2026» for an ISO date; empty for none."""
    if not iso:
        return ""
    at = date.fromisoformat(iso)
    return f"{at.day} de {MONTHS_LONG[at.month - 1]} de {at.year}"


def _enumerated(items: Sequence[Item]) -> str:
    """The fields, in their order; those of the representative are one thing."""
    names: list[str] = []
    for item in items:
        is_power = item["asset"] == "representative"
        name = "representante" if is_power else _in_a_sentence(label(item["field"]))
        if name not in names:
            names.append(name)
    if not names:
        return "información"
    return " y ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _in_a_sentence(name: str) -> str:
    return name if name.isupper() else name[0].lower() + name[1:]
