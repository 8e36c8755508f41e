"""What became of each mail to the customer, in the agent's words: sent, waiting, or not delivered (M6, M16)."""

from dataclasses import dataclass

from factureya.core.models import OutboxMessage
from factureya.core.templatetags.fy import when
from tickets import notifications
from tickets.models import Ticket

Status = OutboxMessage.Status
MAX_ERROR = 160  # characters of what the mail server said


@dataclass(frozen=True)
class Delivery:
    """One mail: its state as a sentence, whether that is bad news, and whether an agent can have it tried again."""

    pk: int
    text: str
    is_bad: bool = False
    may_retry: bool = False


def read_deliveries(ticket: Ticket) -> dict[str, Delivery]:
    """Return the mails to the ticket's customer by the hash of the event that caused each; one query."""
    mails = OutboxMessage.objects.filter(about=ticket.chain).exclude(kind__in=notifications.TO_AGENT)
    shown = mails.only("key", "status", "attempts", "due_at", "sent_at", "bounced_at", "last_error")
    return {mail.key.partition(":")[0]: _describe_delivery(mail) for mail in shown.order_by("pk")}


def _describe_delivery(mail: OutboxMessage) -> Delivery:
    """Return the state of one mail in the agent's words."""
    if mail.bounced_at is not None:
        return Delivery(mail.pk, f"No entregado: el otro servidor lo devolvió {when(mail.bounced_at)}", is_bad=True)
    if mail.status == Status.FAILED:
        text = f"No entregado: {_shorten_error(mail)}"
        return Delivery(mail.pk, text, is_bad=True, may_retry=True)
    if mail.status == Status.SENT:
        return Delivery(mail.pk, f"Enviado {when(mail.sent_at)}")
    if mail.status == Status.DROPPED:
        return Delivery(mail.pk, "Ya no hizo falta enviarlo")
    if mail.last_error:
        text = f"En cola: no salió ({_shorten_error(mail)}); se reintenta {when(mail.due_at)}"
        return Delivery(mail.pk, text, is_bad=True)
    return Delivery(mail.pk, "En cola")


def _shorten_error(mail: OutboxMessage) -> str:
    """Return what the mail server answered, on one line that fits."""
    said = " ".join(mail.last_error.split()) or "sin explicación del servidor"
    return said if len(said) <= MAX_ERROR else f"{said[: MAX_ERROR - 1]}…"
