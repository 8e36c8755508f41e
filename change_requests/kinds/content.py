"""What a draft asks for, checked field by field and made into the items of a payload (M7, M19).

An item is {"asset", "field", "old", "new"}; old is today's value. Everything that is wrong is told at once, by field.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import mail_sender, rfc
from accounts.models import Contact, Customer, Representative, User
from accounts.models.representatives import compose, decompose
from change_requests import payload
from change_requests.models import FormalRequest, RequestRevision
from factureya.core import clock
from factureya.core.mail import own_links
from factureya.core.models import Attachment

Item = dict[str, str]
Errors = dict[str, str]
Form, Kind = FormalRequest.Form, FormalRequest.Kind

REASON_MIN: dict[str, int] = {Form.ACCESS: 10, Form.CHANGE: 20}
MAX = {
    "legal_name": 254,
    "fiscal_address": 300,
    "phone": 30,
    "full_name": 150,
    "position": 100,
    "reason": 2000,
    "email": 254,
    "representative_name": 150,
    "representative_instrument": 200,
}
ASSET_OF = {
    "rfc": "identity",
    "legal_name": "identity",
    "fiscal_address": "location",
    "phone": "location",
    "registered_email": "registered_email",
}
PART = "representative_"
PARTS = {
    "name": "name",
    "rfc": "rfc",
    "email": "email",
    "power": "power_kind",
    "instrument": "instrument",
    "valid_from": "valid_from",
    "valid_until": "valid_until",
}
NEEDS_EVIDENCE = {"identity", "representative"}


def clean(text: object) -> str:
    """One line, no spaces at the ends or doubled, one form of each character."""
    return unicodedata.normalize("NFC", " ".join(str(text or "").split()))


def clean_text(text: object) -> str:
    """Lines kept, the spaces at their ends not; one form of each character, and no link of ours (M16)."""
    written = own_links.cut(str(text or ""))
    lines = [" ".join(line.split()) for line in written.strip().splitlines()]
    return unicodedata.normalize("NFC", "\n".join(lines).strip())


def draft_digest(request: FormalRequest, files: Iterable[Attachment]) -> str:
    """What somebody who reviews a draft has seen: its answers and its files, as one hash."""
    answers = {key: request.draft.get(key) for key in ("items", "person", "reason", "effective_date")}
    return payload.digest(payload.canonical({**answers, "files": sorted(file.sha256 for file in files)}))


def problems(request: FormalRequest, *, evidence: int) -> Errors:
    """What keeps the draft from being sent, by field; empty when nothing does."""
    errors: Errors = {}
    items_of(request, errors)
    draft = request.draft
    reason = clean(draft.get("reason"))
    if len(reason) < REASON_MIN[request.form]:
        errors["reason"] = (
            f"Escriba el motivo con al menos {REASON_MIN[request.form]} caracteres: lo leen quienes deciden."
        )
    elif len(reason) > MAX["reason"]:
        errors["reason"] = f"El motivo tiene más de {MAX['reason']} caracteres; acórtelo."
    _check_day(draft.get("effective_date") or "", errors)
    if not evidence and NEEDS_EVIDENCE & {item["asset"] for item in items_of(request, {})}:
        errors["evidence"] = "Adjunte el documento que lo comprueba: constancia fiscal o poder."
    return errors


def items_of(request: FormalRequest, errors: Errors) -> list[Item]:
    """The items that the draft asks for, sorted; what is wrong is added to `errors`."""
    make: dict[tuple[str, str], Callable[[FormalRequest, Errors], list[Item]]] = {
        (Form.ACCESS, Kind.ALTA): _newcomer,
        (Form.ACCESS, Kind.BAJA): _leaver,
        (Form.ACCESS, Kind.CLAVE): _forgetful,
        (Form.CHANGE, Kind.CHANGE): _changes,
        (Form.CHANGE, Kind.BAJA): _service,
    }
    items = make[request.form, request.kind](request, errors)
    return sorted(items, key=lambda item: (item["asset"], item["field"]))


def today_of(customer: Customer, request: FormalRequest, item: Mapping[str, str]) -> str:
    """What the item's value is today, to be compared with its old one: any difference is drift."""
    if item["asset"] == "access":
        return _access_today(customer, item)
    if item["field"] != "representative":
        return str(getattr(customer, item["field"]))
    if item["new"] and person_of(customer, decompose(item["new"])["email"]) is None:
        return "(sin cuenta)"
    if not item["old"]:
        return "" if _may_be_added(customer, decompose(item["new"])["email"]) else "(ya está)"
    rows = Representative.objects.filter(customer=customer, revoked_at__isnull=True)
    return next((row.line for row in rows if row.line == item["old"]), "")


def found_of(customer: Customer, request: FormalRequest, item: Mapping[str, str]) -> str:
    """As `today_of`, and whether the new value can still be written; what an execution asks."""
    if item["field"] == "rfc" and _is_anothers(customer, item["new"]):
        return "(es de otra empresa)"
    return today_of(customer, request, item)


def revision_of(request: FormalRequest) -> RequestRevision:
    """The current revision, which is what is decided and executed; read once for each instance of the request."""
    kept: RequestRevision | None = request.__dict__.get("kept_revision")
    if kept is None or kept.no != request.revision_no:
        kept = request.__dict__["kept_revision"] = request.revisions.get(no=request.revision_no)
    return kept


def payload_of(request: FormalRequest) -> dict[str, Any]:
    """The content of the current revision as a dictionary."""
    payload: dict[str, Any] = json.loads(revision_of(request).payload)
    return payload


def person_of(customer: Customer, email: str) -> User | None:
    """The company's active person with this address."""
    return _active(customer, email).first()


def _active(customer: Customer, email: str) -> QuerySet[User]:
    return User.objects.filter(is_active=True, contact__customer=customer, email=email.lower())


# -- Private -----------------------------------------------------------------------------------------


def _check_day(text: str, errors: Errors) -> None:
    if not text:
        return
    today = timezone.localdate(clock.now())
    try:
        day = date.fromisoformat(text)
    except ValueError:
        errors["effective_date"] = "Escriba una fecha que exista."
        return
    if not today <= day <= today + timedelta(days=365):
        errors["effective_date"] = "La fecha va de hoy a un año más."


def _newcomer(request: FormalRequest, errors: Errors) -> list[Item]:
    """ALTA: who comes in, with a mail that is nobody's in the company."""
    person = request.draft.get("person") or {}
    name, email = clean(person.get("full_name")), clean(person.get("email")).lower()
    if not name or len(name) > MAX["full_name"]:
        errors["full_name"] = "Escriba el nombre de la persona, de 150 caracteres a lo más."
    _check_mail(email, "email", errors)
    if "email" not in errors and Contact.objects.filter(customer=request.customer_id, user__email=email).exists():
        errors["email"] = "Esa persona ya está en su empresa."
    values = {
        "full_name": name,
        "email": email,
        "phone": clean(person.get("phone"))[: MAX["phone"]],
        "position": clean(person.get("position"))[: MAX["position"]],
    }
    return [_item("access", field, "", new) for field, new in values.items() if new]


def _leaver(request: FormalRequest, errors: Errors) -> list[Item]:
    """BAJA: somebody of the company who neither asks for it nor holds powers."""
    person = _colleague(request, errors)
    if person is None:
        return []
    if person.pk == request.requester_id:
        errors["user"] = "Nadie pide su propia baja; la pide otro representante."
    elif _holds_powers(request.customer, person):
        errors["user"] = "Esa persona tiene poderes. Primero cambie al representante con una solicitud de cambio."
    return [_item("access", "contact", person.email, "")]


def _forgetful(request: FormalRequest, errors: Errors) -> list[Item]:
    """CLAVE: somebody of the company."""
    person = _colleague(request, errors)
    return [_item("access", "password", person.email, "")] if person else []


def _colleague(request: FormalRequest, errors: Errors) -> User | None:
    pk = (request.draft.get("person") or {}).get("user")
    people = User.objects.filter(is_active=True, contact__customer=request.customer_id)
    person = people.filter(pk=pk).first() if str(pk).isdigit() else None
    if person is None:
        errors["user"] = "Elija a la persona de su empresa."
    return person


def _service(request: FormalRequest, errors: Errors) -> list[Item]:
    """BAJA of the service."""
    status = request.customer.status
    if status == Customer.Status.SUSPENDED:
        errors["status"] = "El servicio ya está suspendido."
    return [_item("service", "status", status, Customer.Status.SUSPENDED)]


def _changes(request: FormalRequest, errors: Errors) -> list[Item]:
    """CAMBIO: the listed fields that really change (M19)."""
    asked = {field: clean(new) for field, new in (request.draft.get("items") or {}).items()}
    parts = {f: new for f, new in asked.items() if f.startswith(PART)}
    plain = {f: new for f, new in asked.items() if not f.startswith(PART)}
    items = [item for field, new in plain.items() if (item := _change(request, field, new, errors))]
    if parts:
        items += _representative(request, parts, errors)
    if not asked:
        errors["items"] = "Elija al menos un dato que cambie."
    return items


def _change(request: FormalRequest, field: str, new: str, errors: Errors) -> Item | None:
    customer = request.customer
    if field not in ASSET_OF:
        errors[field] = "Ese dato no se cambia con esta solicitud."
        return None
    new = _CLEANERS.get(field, lambda text, _errors: text)(new, errors)
    old = str(getattr(customer, field))
    if not new:
        errors.setdefault(field, "Escriba el dato nuevo.")
    elif len(new) > MAX.get(field, 254):
        errors[field] = f"Tiene más de {MAX.get(field, 254)} caracteres; acórtelo."
    elif new == old:
        errors[field] = "Es igual al de hoy; si no cambia, quítelo de la solicitud."
    elif field == "rfc" and _is_anothers(customer, new):
        errors[field] = "Ese RFC ya es de una empresa verificada."
    return _item(ASSET_OF[field], field, old, new)


def _is_anothers(customer: Customer, rfc_: str) -> bool:
    return Customer.objects.verified_with(rfc_).exclude(pk=customer.pk).exists()


def _clean_rfc(text: str, errors: Errors, field: str = "rfc") -> str:
    try:
        return rfc.parse(text).value
    except rfc.BadRFC as problem:
        errors[field] = str(problem)
        return text


def _clean_mail(text: str, errors: Errors) -> str:
    _check_mail(text.lower(), "registered_email", errors)
    return text.lower()


def _check_mail(email: str, field: str, errors: Errors) -> None:
    try:
        validate_email(email)
    except ValidationError:
        errors[field] = "Escriba un correo como nombre@empresa.com."
        return
    if len(email) > MAX["email"]:
        errors[field] = f"Un correo tiene hasta {MAX['email']} caracteres."
        return
    if mail_sender.is_own_address(email):  # of anybody else's address nothing is disclosed here
        errors[field] = "Ese correo no se puede usar."


_CLEANERS: dict[str, Callable[[str, Errors], str]] = {
    "rfc": _clean_rfc,
    "registered_email": _clean_mail,
}


def _representative(request: FormalRequest, parts: dict[str, str], errors: Errors) -> list[Item]:
    """The representative as one line: the one that goes (or none) and the one that comes."""
    replaced = _replaced(request, parts, errors)
    old = decompose(replaced.line if replaced else "")
    new = {key: parts.get(PART + part, old[key]) for part, key in PARTS.items()}
    if not new["name"]:
        errors[PART + "name"] = "Escriba el nombre del representante."
    new["rfc"] = _clean_rfc(new["rfc"], errors, PART + "rfc")
    new["email"] = new["email"].lower()
    _check_mail(new["email"], PART + "email", errors)
    if new["power_kind"] not in Representative.Power.values:
        errors[PART + "power"] = "Elija si es representante legal o apoderado."
    if not new["instrument"] or "|" in "".join(new.values()):
        errors[PART + "instrument"] = "Escriba el instrumento del poder, sin barras."
    _check_lengths(new, errors)
    _check_powers(new, errors)
    line = compose(**new)
    if replaced and line == replaced.line:
        errors[PART + "name"] = "Es igual al de hoy; si no cambia, quítelo de la solicitud."
    elif old["email"] != new["email"] and not _may_be_added(request.customer, new["email"]):
        errors[PART + "email"] = "Esa persona ya representa a la empresa."
    elif person_of(request.customer, new["email"]) is None:
        errors.setdefault(
            PART + "email",
            "Esa persona no tiene cuenta en su empresa; dele primero acceso con una Solicitud de Control de Acceso.",
        )
    return [_item("representative", "representative", replaced.line if replaced else "", line)]


def _replaced(request: FormalRequest, parts: dict[str, str], errors: Errors) -> Representative | None:
    """Whose place the new one takes: the requester's, unless another is named; nobody's when it is empty."""
    open_ones = Representative.objects.filter(customer=request.customer_id, revoked_at__isnull=True)
    named = parts.get(PART + "replaces")
    if named == "":
        return None
    if named is None:
        return open_ones.filter(user=request.requester_id).first()
    found = open_ones.filter(email=named.lower()).first()
    if found is None:
        errors[PART + "replaces"] = "Elija al representante a quien sustituye."
    return found


def _check_lengths(new: dict[str, str], errors: Errors) -> None:
    for part in ("name", "instrument"):
        if len(new[part]) > (most := MAX[PART + part]):
            errors[PART + part] = f"Tiene más de {most} caracteres; acórtelo."


def _check_powers(new: dict[str, str], errors: Errors) -> None:
    days = {}
    for key in ("valid_from", "valid_until"):
        try:
            days[key] = date.fromisoformat(new[key]) if new[key] else None
        except ValueError:
            errors[PART + key] = "Escriba una fecha que exista."
    start, end = days.get("valid_from"), days.get("valid_until")
    if start is None:
        errors.setdefault(PART + "valid_from", "Escriba desde cuándo vale el poder.")
    elif end is not None and end < max(start, timezone.localdate(clock.now())):
        errors[PART + "valid_until"] = "El poder ya terminó; pida el registro de uno vigente."


def _may_be_added(customer: Customer, email: str) -> bool:
    open_ones = Representative.objects.filter(customer=customer, revoked_at__isnull=True)
    return not open_ones.filter(email=email).exists()


def _holds_powers(customer: Customer, person: User) -> bool:
    held = Representative.objects.filter(customer=customer, user=person)
    return held.in_force().exists()


def _access_today(customer: Customer, item: Mapping[str, str]) -> str:
    """For an ALTA nothing, as long as nobody of the company has the mail; else the person's mail."""
    if item["field"] in ("contact", "password"):
        powers = Representative.objects.filter(customer=customer, user=OuterRef("pk")).in_force()
        people = _active(customer, item["old"]).annotate(has_powers=Exists(powers))
        email, has_powers = people.values_list("email", "has_powers").first() or ("", False)
        # Powers since it was asked: such a person does not leave by a BAJA.
        return "(tiene poderes)" if has_powers and item["field"] == "contact" else email
    if item["field"] != "email":
        return ""
    inside = Contact.objects.filter(customer=customer, user__email=item["new"]).exists()
    return "(ya está)" if inside else ""


def _item(asset: str, field: str, old: str, new: str) -> Item:
    return {"asset": asset, "field": field, "old": str(old), "new": str(new)}
