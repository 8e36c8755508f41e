"""The state of a request in a word and a colour, what is late, and until when; for its page and for rows of a list."""

from dataclasses import dataclass

from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.templatetags.fy import when

Status = FormalRequest.Status
CHIPS = {
    Status.DRAFT: "closed",
    Status.SUBMITTED: "waiting",
    Status.VERIFYING: "open",
    Status.IN_APPROVAL: "open",
    Status.APPROVED: "open",
    Status.EXECUTED: "ok",
    Status.CLOSED: "closed",
    Status.RETURNED: "waiting",
    Status.REJECTED: "bad",
    Status.CANCELLED: "closed",
    Status.EXPIRED: "bad",
    Status.FAILED: "bad",
    Status.REVERTED: "closed",
}
WITH_US = (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED)
DONE = (Status.EXECUTED, Status.CLOSED, Status.REVERTED)


@dataclass(frozen=True)
class Chip:
    """The state in a word and a colour (`core.templatetags.fy.state_class`)."""

    status: str
    label: str


def chip(formal: FormalRequest) -> Chip:
    """The state of a request, for a row of a list."""
    return Chip(CHIPS[Status(formal.status)], formal.status_label)


def marks(formal: FormalRequest) -> list[str]:
    """What is wrong, in red: suspended, overdue, done under a waiver and not yet checked (M25)."""
    found = []
    if formal.suspended_at is not None:
        found.append("Suspendida: «no fui yo»")
    if formal.alarmed_at is not None:
        found.append("«No fui yo» después de aplicarse")
    if is_overdue(formal):
        found.append("Vencida")
    waiver = formal.waiver
    if waiver is not None and formal.status in DONE and waiver.checked_at is None:
        late = waiver.check_due is not None and waiver.check_due < clock.now()
        found.append("Revisión vencida" if late else "Falta revisión independiente")
    return found


def is_overdue(formal: FormalRequest) -> bool:
    """Whether somebody of ours owes an act since before now."""
    return (
        formal.status in WITH_US
        and formal.due_minutes_left is None
        and formal.due_at is not None
        and formal.due_at < clock.now()
    )


def due_words(formal: FormalRequest) -> str:
    """« · vence mañana, 16:20», or that the deadline is stopped; empty when nobody owes anything."""
    if formal.due_minutes_left is not None:
        return " · el plazo está detenido hasta que el cliente responda"
    if formal.due_at is None or formal.status not in (*WITH_US, Status.SUBMITTED, Status.RETURNED):
        return ""
    return f" · {'venció' if formal.due_at < clock.now() else 'vence'} {when(formal.due_at)}"
