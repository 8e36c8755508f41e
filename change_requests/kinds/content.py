"""What a draft asks for, checked and made into the items of a payload; and the content of a sent version (M7, M19).

An item is {"asset", "field", "old", "new"}; old is the value of today. Everything that is wrong is told at once.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from change_requests import payload
from change_requests.kinds.fields import ASSETS_WITH_EVIDENCE
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import MAX_REASON, Errors, Item, WrongValue, clean_line, parse_day
from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.models import Attachment

MAX_DAYS_AHEAD = 365  # of an effective date


def hash_draft(request: FormalRequest, files: Iterable[Attachment]) -> str:
    """Return one hash of the draft's answers and files: if it changed since a person reviewed them, nothing is sent."""
    answers = {key: request.draft.get(key) for key in ("items", "person", "reason", "effective_date")}
    return payload.hash_bytes(payload.write_canonical({**answers, "files": sorted(file.sha256 for file in files)}))


def find_problems(request: FormalRequest, *, evidence: int) -> Errors:
    """Return why the draft cannot be sent: a Spanish text by field. `evidence` is the number of its files."""
    errors: Errors = {}
    items = find_items(request, errors)
    reason, min_length = clean_line(request.draft.get("reason")), find_kind(request).min_reason
    if len(reason) < min_length:
        errors["reason"] = f"Escriba el motivo con al menos {min_length} caracteres: lo leen quienes deciden."
    elif len(reason) > MAX_REASON:
        errors["reason"] = f"El motivo tiene más de {MAX_REASON} caracteres; acórtelo."
    _check_effective_date(request.draft.get("effective_date") or "", errors)
    if not evidence and ASSETS_WITH_EVIDENCE & {item["asset"] for item in items}:
        errors["evidence"] = "Adjunte el documento que lo comprueba: constancia fiscal o poder."
    return errors


def find_items(request: FormalRequest, errors: Errors) -> list[Item]:
    """Return the changes that the draft asks for, as sorted items; what is wrong with them is added to `errors`."""
    items = find_kind(request).find_items(request, errors)
    return sorted(items, key=lambda item: (item["asset"], item["field"]))


def find_value_today(request: FormalRequest, item: Item) -> str:
    """Return today's value, to be compared with the item's old value: if they differ (drift), nothing is applied."""
    return find_kind(request).find_value_today(request.customer, item)


def _check_effective_date(text: str, errors: Errors) -> None:
    """Add an error if the effective date is not a date from today to a year from today. It may be empty."""
    today = timezone.localdate(clock.now())
    try:
        if text and not today <= parse_day(text) <= today + timedelta(days=MAX_DAYS_AHEAD):
            errors["effective_date"] = "La fecha va de hoy a un año más."
    except WrongValue as problem:
        errors["effective_date"] = str(problem)
