"""The lock every operation holds, how a request moves, and when what it waits for is due."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from change_requests.models import FormalRequest, RequestedAsset
from change_requests.operations.errors import Invalid, NotAllowed, WrongStatus
from change_requests.policy import Refusal
from factureya.core import audit
from factureya.core.calendar import attention_hours
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Event

MAX_TEXT = 10_000  # characters that a person writes at most
MAX_OUTCOME: int = FormalRequest._meta.get_field("outcome_reason").max_length or 0
Status, Form, Kind = FormalRequest.Status, FormalRequest.Form, FormalRequest.Kind
# Nothing more will be applied: other requests may touch the same assets.
ENDED = frozenset(
    {
        Status.EXECUTED,
        Status.CLOSED,
        Status.REJECTED,
        Status.CANCELLED,
        Status.EXPIRED,
        Status.FAILED,
        Status.REVERTED,
    }
)


@contextmanager
def locked(pk: int, *statuses: str, suspended: bool = False) -> Iterator[FormalRequest]:
    """The request, locked and re-read, in one of `statuses`; what has expired by the clock is refused (at use).

    A request that was stopped by «no fui yo» is refused, unless `suspended` says that the verb applies to it too.
    Raises WrongStatus.
    """
    with transaction.atomic():
        # Lock first, read after: on PostgreSQL a join in the locking statement is as old as the statement.
        FormalRequest.objects.select_for_update().only("pk").get(pk=pk)
        related = ("customer", "requester", "representative", "implementer", "waiver", "revert_of")
        request = FormalRequest.objects.select_related(*related).get(pk=pk)
        if request.status not in statuses:
            raise WrongStatus(f"La solicitud está {request.status_label.lower()}; esa acción ya no corresponde.")
        if request.suspended_at is not None and not suspended:
            raise WrongStatus(
                "La solicitud está detenida por «no fui yo»; la reanuda el Responsable de Seguridad Informática."
            )
        yield request


def current(actor: User) -> User:
    """The actor as the database says now: offices, company and account may have changed since he was loaded."""
    return User.objects.select_related("contact__customer").get(pk=actor.pk)


def refuse(refusal: Refusal | None) -> None:
    """Raise what the policy says against it: NotAllowed for the person, WrongStatus for the request."""
    if refusal is not None:
        raise (WrongStatus if refusal.is_status else NotAllowed)(refusal.text)


def move(
    request: FormalRequest,
    status: str,
    verb: str,
    *,
    actor: User | None,
    due_at: datetime | None,
    saved: tuple[str, ...] = (),
    **data: Any,
) -> Event:
    """Write the status with whose turn it is from now on and until when; one event. `saved` names other columns."""
    before, request.status = request.status, status
    start_turn(request, due_at)
    request.save(update_fields=["status", *TURN, *saved])
    if status in ENDED:
        RequestedAsset.objects.filter(request=request, open=True).update(open=False)
    return audit.record(
        verb,
        request,
        actor=actor,
        before=before,
        after=status,
        revision=request.revision_no,
        **data,
    )


TURN = ("turn_since", "due_at", "due_minutes_left", "reminded")


def start_turn(request: FormalRequest, due_at: datetime | None) -> None:
    """Somebody else's turn begins now; the columns are set, not saved."""
    request.turn_since = now() if due_at else None
    request.due_at, request.due_minutes_left, request.reminded = due_at, None, 0


def stop_clock(request: FormalRequest, at: datetime) -> None:
    """The deadline stops: what was left of it is kept in business minutes (0 when it was overdue)."""
    if request.due_at is not None:
        left = attention_hours().hours_between(at, request.due_at)
        request.due_minutes_left, request.due_at = round(left * 60), None


def restart_clock(request: FormalRequest, at: datetime) -> None:
    """The deadline goes on with the business time that was left."""
    if request.due_minutes_left is not None:
        request.due_at = attention_hours().add_hours(at, request.due_minutes_left / 60)
        request.due_minutes_left = None


def in_business_days(days: int, at: datetime | None = None) -> datetime:
    """The same local time that many business days later; outside attention hours from the next opening."""
    return attention_hours().add_days(at or now(), days)


def confirm_deadline() -> datetime:
    """Until when a submitted request can be confirmed from the registered mail."""
    return now() + timedelta(hours=settings.REQUEST_CONFIRM_HOURS)


def text_of(text: str, *, at_least: int, what: str, field: str, at_most: int = MAX_TEXT) -> str:
    """Return what a person must have written: paragraphs kept, ends cut, links of ours cut out (M16).

    Raises Invalid when its length is wrong.
    """
    lines = own_links.cut(text).strip().splitlines()
    cleaned = "\n".join(" ".join(line.split()) for line in lines).strip()
    if len(cleaned) < at_least:
        raise Invalid({field: f"Escriba {what}, de al menos {at_least} caracteres."})
    if len(cleaned) > at_most:
        raise Invalid({field: f"Son hasta {at_most} caracteres y escribió {len(cleaned)}. Acorte el texto."})
    return cleaned


def outcome_of(reason: str) -> str:
    """Return the written reason why a request ends, which one column holds. Raises Invalid as `text_of`."""
    return text_of(reason, at_least=10, what="el motivo", field="reason", at_most=MAX_OUTCOME)
