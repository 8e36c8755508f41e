"""What a request is called, and how its fields and values are said in Spanish: pages, mails and documents alike.

An *item* is one of the payload's: a mapping with asset, field, old and new.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from accounts.models.representatives import decompose
from factureya.core.words import MONTHS_LONG

Item = Mapping[str, str]

FIELDS = {
    "rfc": "RFC",
    "legal_name": "Razón social",
    "fiscal_address": "Domicilio fiscal",
    "phone": "Teléfono",
    "registered_email": "Correo registrado",
    "representative": "Representante legal",
    "status": "Estado del servicio",
    "full_name": "Nombre completo",
    "email": "Correo",
    "position": "Puesto",
    "contact": "Acceso de la persona",
    "password": "Clave de acceso",
}
STATES = {"active": "Activo", "suspended": "Suspendido"}
POWERS = {"legal_representative": "Representante legal", "attorney": "Apoderado"}
# From these the customer is recognised or acts: a false change gives the account away.
RISKY_FIELDS = frozenset({"registered_email", "representative"})


def label(field: str) -> str:
    """«Domicilio fiscal» for a field's code; an unknown one is shown as it is."""
    return FIELDS.get(field, field)


def value(field: str, text: str) -> str:
    """What a value means to a person: codes in words, a representative line by line, the rest as it is."""
    if field == "status":
        return STATES.get(text, text)
    if field == "representative" and text:
        return _representative(decompose(text))
    return text


def title(form: str, kind: str, items: Sequence[Item]) -> str:
    """«Cambio de domicilio fiscal, teléfono y correo registrado», «Alta de Rosa Paredes», «Baja del servicio»."""
    by_field = {item["field"]: item for item in items}
    if form == "change":
        return "Baja del servicio" if kind == "baja" else f"Cambio de {_enumerated(items)}"
    if kind == "alta":
        return f"Alta de {by_field['full_name']['new']}" if "full_name" in by_field else "Alta"
    name, field = ("Baja de acceso", "contact") if kind == "baja" else ("Cambio de clave", "password")
    return f"{name} de {by_field[field]['old']}" if field in by_field else name


def day(iso: str) -> str:
    """«1 de diciembre de 2026» for an ISO date; empty for none."""
    if not iso:
        return ""
    at = date.fromisoformat(iso)
    return f"{at.day} de {MONTHS_LONG[at.month - 1]} de {at.year}"


def _enumerated(items: Sequence[Item]) -> str:
    names = [_in_a_sentence(label(item["field"])) for item in items] or ["información"]
    return " y ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _representative(parts: Mapping[str, str]) -> str:
    """Five lines: who, RFC and mail, in what capacity, by which instrument, and for how long."""
    until = day(parts["valid_until"])
    lines = (
        parts["name"],
        " · ".join(filter(None, [parts["rfc"] and f"RFC {parts['rfc']}", parts["email"]])),
        POWERS.get(parts["power_kind"], parts["power_kind"]),
        parts["instrument"],
        f"Vigente desde el {day(parts['valid_from'])}" + (f" hasta el {until}" if until else ", sin término"),
    )
    return "\n".join(filter(None, lines))


def _in_a_sentence(name: str) -> str:
    return name if name.isupper() else name[0].lower() + name[1:]
