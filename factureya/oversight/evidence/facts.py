"""Hold what several clauses count from: the events of the last thirty days by verb, in one query, and the requests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count
from django.utils.formats import localize

from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.models import Event

DAYS = 30  # the period of most counts, up to now
SHOWN = 5  # overdue items that a clause names
MOST = 1000  # counted no further where a count has no period


class State(models.TextChoices):
    """Name how a clause stands; the labels are what the board shows."""

    OK = "ok", "Al día"
    ATTEND = "attend", "Atender"
    LATE = "late", "Vencido"
    NOT_BUILT = "not_built", "Aún no construido"


@dataclass(frozen=True)
class Item:
    """Hold one thing to attend to, with the address of its page."""

    label: str
    url: str = ""


@dataclass(frozen=True)
class Evidence:
    """Hold what proves a clause today: a sentence with counts, how the clause stands, and what is to be attended to."""

    text: str
    state: State = State.OK
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Hold the counts of the last DAYS days: events by verb, and requests by form, channel and status."""

    now: datetime
    events: dict[str, int] = field(default_factory=dict)
    requests: tuple[tuple[str, str, str, int], ...] = ()  # form, channel, status, how many

    def count(self, *verbs: str) -> int:
        """Return how many events with one of these verbs there were."""
        return sum(self.events.get(verb, 0) for verb in verbs)

    def count_requests(self, *, form: str = "", channel: str = "", statuses: tuple[str, ...] = ()) -> int:
        """Return how many requests of the period have this form, channel and status; "" and () stand for any."""
        return sum(
            many
            for its_form, its_channel, status, many in self.requests
            if (not form or its_form == form)
            and (not channel or its_channel == channel)
            and (not statuses or status in statuses)
        )

    @property
    def since(self) -> datetime:
        """Return when the period began."""
        return self.now - timedelta(days=DAYS)


Finder = Callable[[Facts], Evidence]
NOT_BUILT = Evidence("Esta parte del manual todavía no está en el sistema.", State.NOT_BUILT)


def read_facts() -> Facts:
    """Return the counts of events and requests in the last DAYS days, which most clauses use; it takes two queries."""
    now = clock.now()
    since = now - timedelta(days=DAYS)
    events = Event.objects.filter(at__gte=since).order_by().values_list("verb").annotate(n=Count("pk"))
    requests = FormalRequest.objects.filter(created_at__gte=since).order_by()
    counted = requests.values_list("form", "channel", "status").annotate(n=Count("pk"))
    return Facts(now, dict(events), tuple(counted))


def say(number: int, one: str, many: str) -> str:
    """Return a number with its noun: «1 cambio», «1,284 cambios»."""
    return f"{localize(number)} {one if number == 1 else many}"


def count_up_to(rows: "models.QuerySet[models.Model]") -> str:
    """Return the number of rows as text; counting stops at MOST: «18», «1,000 o más»."""
    count = len(rows.order_by().values_list("pk")[:MOST])
    return f"{localize(MOST)} o más" if count == MOST else localize(count)
