"""Read the tray: the mails that wait for an agent, as text, and the queue's line about mail (M5, M6).

An agent of our own sees what became no message; what did is seen by whoever sees its ticket.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from accounts.models import User
from factureya.core import clock, keyset
from factureya.core.mail import health, mailbox
from factureya.core.mail.verdicts import Verdict
from factureya.core.models import InboundMessage, InboundReading
from tickets import policy, sql

NEWEST_FIRST = keyset.Order(is_descending=True)
COUNT_CAP = 100  # shown as «99+»
Disposition = InboundMessage.Disposition
Mails = QuerySet[InboundMessage]
# Why a mail is in the tray, in the agent's words; `reason` holds the words of the interface.
REASONS = {
    "no-sender": "no dice quién lo envía",
    "many-senders": "trae varios remitentes",
    "dmarc": "la comprobación del remitente falló: puede ser falso",
    "no-verdict": "nuestro servidor no comprobó al remitente",
    "own": "dice venir de una dirección nuestra",
    "staff": "dice venir de una persona de Factureya",
    "unknown": "la dirección no está registrada",
    "ambiguous": "varias empresas registraron la dirección",
    "no-original": "no se encontró el correo que devuelve",
    "delayed": "el otro servidor sigue intentando",
    "limits": "pasa de los límites y no se leyó completo",
    "error": "no se pudo procesar",
    "form-refused": "su formato no dio lugar a una solicitud",
    "unclaimed": "nadie lo reconoció",
}
VERDICTS = {
    Verdict.PASS: "Comprobado por nuestro servidor",
    Verdict.FAIL: "La comprobación falló: puede ser falso",
    Verdict.NONE: "Sin comprobar",
}


@dataclass(frozen=True)
class View:
    """Hold one of the tray's views."""

    slug: str
    label: str
    empty: str
    condition: Callable[[Mails], Mails]
    is_urgent: bool = False
    is_counted: bool = True


def _waits_as(disposition: str) -> Callable[[Mails], Mails]:
    """Return a function that selects the mails of this disposition that no agent has decided about."""
    return lambda mails: mails.filter(disposition=disposition, resolution="")


VIEW_OF = {
    Disposition.UNREGISTERED: "cuarentena",
    Disposition.BOUNCE: "rebotes",
    Disposition.AUTO: "robots",
    Disposition.MALFORMED: "malformados",
}
VIEWS = {
    view.slug: view
    for view in (
        View(
            "cuarentena",
            "Cuarentena",
            "Ningún correo en cuarentena.",
            _waits_as(Disposition.UNREGISTERED),
            is_urgent=True,
        ),
        View("rebotes", "Rebotes", "Ningún aviso de no entregado.", _waits_as(Disposition.BOUNCE)),
        View("robots", "Robots", "Ninguna respuesta automática.", _waits_as(Disposition.AUTO)),
        View("malformados", "Malformados", "Ningún correo ilegible.", _waits_as(Disposition.MALFORMED)),
        View(
            "atendidos",
            "Atendidos",
            "Ningún correo atendido.",
            lambda mails: mails.filter(~Q(resolution="")),
            is_counted=False,
        ),
    )
}
FIRST_VIEW = VIEWS["cuarentena"]


@dataclass(frozen=True)
class Spot:
    """Hold where in the tray an agent is: what the address says, allow-listed; a mail's key is its place."""

    view: View = FIRST_VIEW
    cursor: keyset.Cursor | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> "Spot":
        """Return the view and the page of the mail tray that an address names; unknown values are as if absent."""
        view = VIEWS.get(params.get("vista", ""), FIRST_VIEW)
        return cls(view, NEWEST_FIRST.read_from(params))

    @classmethod
    def of_mail(cls, inbound: InboundMessage) -> "Spot":
        """Return the view that the mail is in, or was in before it was decided about."""
        return cls(VIEWS.get(VIEW_OF.get(Disposition(inbound.disposition), ""), FIRST_VIEW))

    @property
    def query(self) -> str:
        return urlencode([("vista", self.view.slug), *([self.cursor.pair] if self.cursor else [])])


@dataclass(frozen=True)
class MailState:
    """Hold what the queue's line about mail says. `fetched_at` is None when no mailbox is polled or was ever read."""

    in_tray: int
    is_stuck: bool  # mails that should have left have not
    is_polled: bool
    fetched_at: datetime | None
    warnings: Sequence[str] = ()

    @property
    def tray(self) -> str:
        """Return how many mails wait, as text: «3», «99+»."""
        return sql.show_count(self.in_tray, health.TRAY_CAP)

    @property
    def is_behind(self) -> bool:
        """Return whether the mailbox that we poll was never read, or last read too long ago; False if we poll none."""
        if not self.is_polled:
            return False
        if self.fetched_at is None:
            return True
        return clock.now() - self.fetched_at > health.FETCH_MAX_AGE


def visible_to(user: User) -> Mails:
    """Select the received mails this agent may read: those that became messages in his desk's tickets (M3, M16).

    An agent of our own desk also reads those that became no message. Nobody reads a mail before it is processed.
    """
    is_readable = Q(entry__ticket__provider__in=user.desk_provider_ids)
    if policy.may_take_calls(user):
        is_readable |= Q(entry__isnull=True)
    return InboundMessage.objects.exclude(disposition="").filter(is_readable)


def read_page(spot: Spot, user: User) -> keyset.Page[InboundMessage]:
    """Return the page of mails at this place of the tray, without their bytes; one query."""
    return keyset.page(NEWEST_FIRST, spot.cursor, spot.view.condition(_select_tray(user)))


def count_questions(user: User) -> dict[str, sql.Question]:
    """Return, by view with `is_counted`, the subselect that counts its mails up to COUNT_CAP, for `sql.ask_all`."""
    counted_views = [view for view in VIEWS.values() if view.is_counted]
    return {view.slug: sql.capped_count(view.condition(_select_tray(user)), COUNT_CAP) for view in counted_views}


def mail_state_questions() -> dict[str, sql.Question]:
    """Return the subselects for the queue's line about mail: mails in the tray, and 1 if a mail of ours is late."""
    tray, overdue = health.find_tray(), health.find_overdue()
    return {"in_tray": sql.capped_count(tray, health.TRAY_CAP), "is_stuck": sql.capped_count(overdue, 1)}


def read_mail_state(answers: Mapping[str, int]) -> MailState:
    """Return what the queue's line about mail says; `answers` are the counts that `mail_state_questions` asks for."""
    is_polled = bool(mailbox.get_mailbox_name())
    last_fetch, warnings = health.find_last_fetch(), health.list_warnings()
    return MailState(answers["in_tray"], bool(answers["is_stuck"]), is_polled, last_fetch, warnings)


def explain_reason(inbound: InboundMessage) -> str:
    """Return in the agent's words why the mail is in the tray; a robot's mark is returned as it is."""
    return REASONS.get(inbound.reason, inbound.reason)


def read_mail(inbound: InboundMessage) -> InboundReading | None:
    """Return the stored text of a received mail (M6); None if the mail is too large, or not processed yet."""
    return InboundReading.objects.filter(pk=inbound.pk).first()


def _select_tray(user: User) -> Mails:
    """Select all received mails for an agent of our own desk, and none for others (M3); a view then selects some.

    A mail of the tray is no ticket's message. So nothing is checked here about a ticket's desk, as `visible_to` does.
    """
    return InboundMessage.objects.all() if policy.may_take_calls(user) else InboundMessage.objects.none()
