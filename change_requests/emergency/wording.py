"""Put emergencies into words: states with a colour, minutes, dates, and why one ended (M22, M23, M27)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from change_requests.emergency.models import EmergencyAccount, EmergencyGrant
from change_requests.kinds.fields import find_row
from factureya.core.calendar import MONTHS_LONG
from factureya.core.templatetags.fy import until, when

Status, State = EmergencyGrant.Status, EmergencyAccount.State
# The look of a label (`core.templatetags.fy.state_class`).
GRANT_LOOKS = {
    Status.REQUESTED: "waiting",
    Status.AUTHORIZED: "waiting",
    Status.REFUSED: "closed",
    Status.LAPSED: "closed",
    Status.OPEN: "bad",
    Status.ENDED: "waiting",
    Status.REVIEWED: "ok",
}
ACCOUNT_LOOKS = {
    State.UNSEALED: "waiting",
    State.SEALED: "ok",
    State.GRANTED: "waiting",
    State.OPEN: "bad",
    State.REVIEW: "waiting",
    State.OVERDUE: "bad",
    State.RETIRED: "closed",
}


@dataclass(frozen=True)
class Chip:
    """Hold a state: its look, and its words."""

    status: str
    label: str


def show_minutes(minutes: int) -> str:
    """Return minutes as people say them: «30 minutos», «1 hora», «2 horas», «1 h 30 min»."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest} minuto" if rest == 1 else f"{rest} minutos"
    if rest:
        return f"{hours} h {rest} min"
    return "1 hora" if hours == 1 else f"{hours} horas"


def show_instant(at: datetime | None, *, seconds: bool = False) -> str:
    """Return a full date in local time, «1 de diciembre de 2026 a las 10:05», for what is printed and kept."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    clock_time = f"{local:%-H:%M:%S}" if seconds else f"{local:%-H:%M}"
    return f"{local.day} de {MONTHS_LONG[local.month - 1]} de {local.year} a las {clock_time}"


def show_value(field: str, value: str) -> str:
    """Return the value of a customer's field in words; «No registrado» for an empty one."""
    return find_row(field).show(value) or "No registrado"


def list_labels(fields: Iterable[str]) -> str:
    """Return the names of these fields, «Domicilio fiscal, Teléfono»; or that the account only reads."""
    return ", ".join(find_row(code).label for code in fields) or "Ninguno: solo lee"


def make_grant_chip(grant: EmergencyGrant) -> Chip:
    """Return the state of an emergency as a coloured label; for a reviewed one, its result (*Conforme* or not)."""
    if grant.status == Status.REVIEWED:
        return Chip("ok", "Conforme") if grant.review.conform else Chip("bad", "Con observaciones")
    return Chip(GRANT_LOOKS[Status(grant.status)], str(grant.get_status_display()))


def describe_deadline(grant: EmergencyGrant, *, is_overdue: bool) -> str:
    """Return the date to show in an emergency's row: until when somebody must act, else when it ended."""
    if grant.status == Status.REQUESTED:
        return f"se autoriza antes de {when(grant.decide_before)}"
    if grant.status == Status.AUTHORIZED:
        return f"se abre antes de {when(grant.start_before)}"
    if grant.status == Status.OPEN:
        return f"termina {when(grant.ends_at)}"
    if grant.status == Status.ENDED:
        return f"{'venció' if is_overdue else 'se revisa antes de'} {when(grant.review.due_at)}"
    if grant.status == Status.REVIEWED:
        return f"firmada {when(grant.review.signed_at)}"
    return when(grant.ended_at)  # refused or lapsed


def describe_use(grant: EmergencyGrant) -> str:
    """Return who asked for an emergency, uses it or used it, and when; of an ended one also how long."""
    if grant.opened_at is None:
        return f"la pidió {grant.operator_name}, {when(grant.requested_at)}"
    if grant.ended_at is None:
        return f"la usa {grant.operator_name}, desde {when(grant.opened_at)}"
    span = show_minutes(max(1, round((grant.ended_at - grant.opened_at).total_seconds() / 60)))
    return f"la usó {grant.operator_name}, {when(grant.opened_at)}, {span}"


def describe_account_state(state: EmergencyAccount.State, ends_at: datetime | None) -> Chip:
    """Return the state of an account as a coloured label; of an open one, how long it stays open."""
    label = str(state.label)
    if state == State.OPEN and ends_at is not None:
        label = f"Abierta, quedan {until(ends_at)}"
    return Chip(ACCOUNT_LOOKS[state], label)


def describe_end(grant: EmergencyGrant) -> str:
    """Return why an emergency ended, with any note that somebody wrote; empty while it has no reason."""
    if not grant.end_reason:
        return ""
    words = str(grant.get_end_reason_display())
    return f"{words}: «{grant.end_note}»" if grant.end_note else words
