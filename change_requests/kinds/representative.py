"""The legal representative as one sensitive field: its parts, their checks, and how the change is applied (M8, M19).

A representative is one text in a payload, as `accounts.models.representatives.compose_line` writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django import forms
from django.utils import timezone

from accounts import operations as accounts
from accounts.models import Contact, Customer, Representative, User
from accounts.models.representatives import compose_line, decompose_line
from change_requests.kinds import people
from change_requests.kinds.inputs import Choice, Day, Line, Mail, PdfField
from change_requests.kinds.values import Errors, Item, WrongValue, clean_mail, clean_rfc, make_item, parse_day, show_day
from change_requests.models import Evidence, FormalRequest
from factureya.core import clock

CODE = "representative"  # of the field and of its asset
PREFIX = "representative_"  # of its parts in a draft and in the wizard's form
REPLACES = f"{PREFIX}replaces"  # whom the new representative replaces, by mail address
POWERS: dict[str, str] = {str(code): str(label) for code, label in Representative.Power.choices}
UPPER_CASE = {"class": "fy-mono", "autocapitalize": "characters", "spellcheck": "false"}
SAME_AS_TODAY = "Es igual al de hoy; si no cambia, quítelo de la solicitud."


@dataclass(frozen=True)
class Part:
    """A part of the representative: its column, its input in the wizard and its field in the PDF form."""

    column: str
    code: str  # without PREFIX
    input: forms.Field
    pdf: PdfField
    max_length: int = 0  # 0: measured by the check of the part

    @property
    def name(self) -> str:
        return PREFIX + self.code


PARTS = (
    Part(
        "name",
        "name",
        Line(label="Nombre", missing="Escriba el nombre del representante", most=150),
        PdfField("new_representative_name", "Nombre completo", max_length=150),
        max_length=150,
    ),
    Part(
        "rfc",
        "rfc",
        Line(label="RFC del representante", missing="Escriba el RFC del representante", most=20, attrs=UPPER_CASE),
        PdfField("new_representative_rfc", "RFC", "13 caracteres", max_length=13),
    ),
    Part(
        "email",
        "email",
        Mail(
            label="Correo del representante",
            help_text="El de una persona que ya tiene acceso al portal; si no lo tiene, pida antes su alta.",
            missing="Escriba el correo del representante",
        ),
        PdfField("new_representative_email", "Su correo", max_length=254),
    ),
    Part(
        "power_kind",
        "power",
        Choice(
            label="Carácter",
            choices=[("", "Elija una opción"), *POWERS.items()],
            is_list=True,
            missing="Elija si es representante legal o apoderado",
        ),
        PdfField("new_representative_power", "Carácter", choices=tuple(POWERS.values())),
    ),
    Part(
        "instrument",
        "instrument",
        Line(
            label="Escritura o poder",
            help_text="Número, fecha y notaría. Adjúntelo como evidencia en el paso siguiente.",
            missing="Escriba los datos de la escritura o del poder",
            most=200,
        ),
        PdfField("new_representative_instrument", "Escritura o poder", "Número, fecha y notaría", max_length=200),
        max_length=200,
    ),
    Part(
        "valid_from",
        "valid_from",
        Day(label="Facultades desde", missing="Escriba desde qué día tiene facultades"),
        PdfField("new_representative_valid_from", "Vigente desde", "Día, mes y año", max_length=10),
    ),
    Part(
        "valid_until",
        "valid_until",
        Day(label="Facultades hasta (opcional)", required=False),
        PdfField(
            "new_representative_valid_until", "Hasta (opcional)", "Día, mes y año; en blanco si no vence", max_length=10
        ),
    ),
)
_NAME, _RFC, _EMAIL, *_OTHERS = PARTS
INPUTS: dict[str, forms.Field] = {
    REPLACES: Choice(
        label="¿A quién sustituye?", required=False, is_list=True, missing="Elija de la lista a quién sustituye"
    ),
    **{part.name: part.input for part in (_NAME, _EMAIL, _RFC, *_OTHERS)},  # the page asks for the mail first
}


def find_changes(request: FormalRequest, answers: Mapping[str, str], errors: Errors) -> list[Item]:
    """Return one item (change): the company gets a new representative, who replaces another or is added.

    The item's values are lines: a representative's data (parts) in one text. `answers` are the new parts by name. A
    part that is missing in them stays as it is for the replaced representative. What is wrong is added to `errors`:
    also that the new representative has no account in the company, or represents it already.
    """
    replaced = _find_replaced(request, answers, errors)
    old_line = replaced.line if replaced else ""
    old = decompose_line(old_line)
    new = {part.column: answers.get(part.name, old[part.column]) for part in PARTS}
    new["email"] = new["email"].lower()
    _check_parts(new, errors)
    _check_dates(new, errors)
    line = compose_line(**new)
    if replaced and line == old_line:
        errors[PREFIX + "name"] = SAME_AS_TODAY
    elif old["email"] != new["email"] and not people.may_be_added(request.customer, new["email"]):
        errors[PREFIX + "email"] = "Esa persona ya representa a la empresa."
    elif people.find_person(request.customer, new["email"]) is None:
        errors.setdefault(
            PREFIX + "email",
            "Esa persona no tiene cuenta en su empresa; dele primero acceso con una Solicitud de Control de Acceso.",
        )
    return [make_item(CODE, CODE, old_line, line)]


def find_value_today(customer: Customer, item: Item) -> str:
    """Return the item's old value if it is still true, else another text: then nothing is executed.

    The value is a representative's data in one text (line); it is "" if nobody is replaced. The other text says that
    the new one has no account, or represents the company already; it is "" if nobody has the old line any more.
    """
    new_email = decompose_line(item["new"])["email"]
    if item["new"] and people.find_person(customer, new_email) is None:
        return "(sin cuenta)"
    if not item["old"]:
        return "" if people.may_be_added(customer, new_email) else "(ya está)"
    has_old_line = any(person.line == item["old"] for person in people.find_open_representatives(customer))
    return item["old"] if has_old_line else ""


def _find_replaced(request: FormalRequest, answers: Mapping[str, str], errors: Errors) -> Representative | None:
    """Return the representative whom the draft replaces, by the mail address in its answers.

    Without that answer it is the requester. None if the address is empty (nobody is replaced) or unknown (an error).
    """
    representatives = people.find_open_representatives(request.customer)
    email = answers.get(REPLACES)
    if email == "":
        return None
    if email is None:
        return representatives.filter(user=request.requester_id).first()
    representative = representatives.filter(email=email.lower()).first()
    if representative is None:
        errors[REPLACES] = "Elija al representante a quien sustituye."
    return representative


def _check_parts(new: dict[str, str], errors: Errors) -> None:
    """Add to `errors` what is wrong with the new representative's parts, except the dates. Tidy `new["rfc"]`.

    No part may have a bar (|), because bars separate the parts in a line.
    """
    if not new["name"]:
        errors[PREFIX + "name"] = "Escriba el nombre del representante."
    try:
        new["rfc"] = clean_rfc(new["rfc"])
    except WrongValue as problem:
        errors[PREFIX + "rfc"] = str(problem)
    try:
        clean_mail(new["email"])
    except WrongValue as problem:
        errors[PREFIX + "email"] = str(problem)
    if new["power_kind"] not in POWERS:
        errors[PREFIX + "power"] = "Elija si es representante legal o apoderado."
    if not new["instrument"] or "|" in "".join(new.values()):
        errors[PREFIX + "instrument"] = "Escriba el instrumento del poder, sin barras."
    for part in PARTS:
        if part.max_length and len(new[part.column]) > part.max_length:
            errors[part.name] = f"Tiene más de {part.max_length} caracteres; acórtelo."


def _check_dates(new: Mapping[str, str], errors: Errors) -> None:
    """Add to `errors` what is wrong with the dates of the new representative's powers.

    The first day is required. The last day may be empty; else it must not be before the first day or before today.
    """
    days: dict[str, date | None] = {}
    for column in ("valid_from", "valid_until"):
        try:
            days[column] = parse_day(new[column]) if new[column] else None
        except WrongValue as problem:
            errors[PREFIX + column] = str(problem)
    start, end = days.get("valid_from"), days.get("valid_until")
    if start is None:
        errors.setdefault(PREFIX + "valid_from", "Escriba desde cuándo vale el poder.")
    elif end is not None and end < max(start, timezone.localdate(clock.now())):
        errors[PREFIX + "valid_until"] = "El poder ya terminó; pida el registro de uno vigente."


def show(line: str) -> str:
    """Return a representative's line as people read it: below each other name, RFC and mail, power, document, dates."""
    if not line:
        return ""
    parts = decompose_line(line)
    until = show_day(parts["valid_until"])
    lines = (
        parts["name"],
        " · ".join(filter(None, [parts["rfc"] and f"RFC {parts['rfc']}", parts["email"]])),
        POWERS.get(parts["power_kind"], parts["power_kind"]),
        parts["instrument"],
        f"Vigente desde el {show_day(parts['valid_from'])}" + (f" hasta el {until}" if until else ", sin término"),
    )
    return "\n".join(filter(None, lines))


def show_name(line: str) -> str:
    """Return the representative's name alone."""
    return decompose_line(line)["name"]


def find_mail(line: str) -> str:
    """Return the representative's mail address."""
    return decompose_line(line)["email"]


def replace(request: FormalRequest, old: str, new: str, actor: User) -> None:
    """Revoke the company's representative with the line `old`, and register the one with the line `new`.

    Either line may be empty. The roles of both people in the portal change, which ends their sessions. If it is one
    person, whose data change, his role and sessions stay.
    """
    leaving = _revoke(request, old, actor) if old else None
    coming = _register(request, new) if new else None
    leaver_pk = leaving.user_id if leaving else None
    newcomer_pk = coming.user_id if coming else None
    if leaver_pk is not None and leaver_pk != newcomer_pk:
        _change_role(leaver_pk, Contact.Role.CONTACT, request, actor)
    if newcomer_pk is not None and newcomer_pk != leaver_pk:
        _change_role(newcomer_pk, Contact.Role.REPRESENTATIVE, request, actor)


def _revoke(request: FormalRequest, line: str, actor: User) -> Representative:
    """Revoke the powers of the company's representative who has this line, and return his row."""
    representatives = people.find_open_representatives(request.customer).select_for_update()
    leaving = next(person for person in representatives if person.line == line)
    leaving.revoked_at, leaving.revoked_by = clock.now(), actor
    leaving.save(update_fields=["revoked_at", "revoked_by"])
    return leaving


def _register(request: FormalRequest, line: str) -> Representative:
    """Insert the representative with this line, and return the row. It says who verified the request, and when.

    The first file of evidence is stored as the document of the powers.
    """
    values = decompose_line(line)
    files = Evidence.objects.filter(request=request, revision_no__isnull=False, dropped_at__isnull=True)
    document = files.order_by("pk").first()
    # By the constraint request_in_approval_was_verified neither is NULL.
    assert request.verified_by is not None
    assert request.verified_at is not None
    start, end = values.pop("valid_from"), values.pop("valid_until")
    return Representative.objects.create(
        **values,
        valid_from=date.fromisoformat(start),
        valid_until=date.fromisoformat(end) if end else None,
        customer=request.customer,
        user=people.find_person(request.customer, values["email"]),
        document=document.attachment if document else None,
        verified_by=request.verified_by,
        verified_at=request.verified_at,
    )


def _change_role(pk: int, role: str, request: FormalRequest, actor: User) -> None:
    """Make the person a representative, or a simple contact, of the company."""
    accounts.change_role_by_request(pk, role=role, folio=request.folio, actor=actor)
