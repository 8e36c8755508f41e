"""List every request of a period with its steps and people, and prove that none is missing (M21, M26).

The proof counts the same requests three ways: rows of the database, events that created them, and heads of chains. The
count of each month is sealed in an event when the month is over, because folios are random and show no gap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, cast

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Value
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Concat, TruncMonth
from django.utils import timezone

from accounts.models import RoleAssignment
from change_requests.models import FormalRequest
from factureya.core import audit, clock
from factureya.core.calendar import AttentionHours, load_attention_hours
from factureya.core.models import Chained, ChainHead, Event
from factureya.oversight.log_page import describe_offices
from factureya.oversight.search import begin_day

_ROWS_AT_A_TIME = 200
CREATED = "request.created"
SEALED = "population.sealed"
# Each step: its name, the verb that ends it, and whether the hours since the step before are counted.
STEPS = (
    ("recibida", "request.submitted", False),
    ("confirmada", "request.confirmed", True),
    ("verificada", "request.verified", True),
    ("aprobada", "request.approved", True),
    ("aplicada", "request.executed", True),
    ("cerrada", "request.closed", True),
)
# The last approval of a request is recorded as `request.approved`, those before it as `request.approved_by`.
_APPROVED = ("request.approved_by", "request.approved")
# Who took part: the name of the columns, the verbs, and the part of their data that must hold this value.
PEOPLE: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    ("solicitó", ("request.submitted",), {}),
    ("verificó", ("request.verified",), {}),
    ("aprobó por el propietario", _APPROVED, {"office": "owner"}),
    ("aprobó por seguridad", _APPROVED, {"office": "security"}),
    ("implementó", ("request.executed",), {}),
    ("cerró", ("request.closed",), {}),
)
HEADING = (
    *("folio", "solicitud", "movimiento", "cliente", "RFC", "canal", "creada"),
    *(name for name, _verb, _is_counted in STEPS),
    *(f"horas hasta {name}" for name, _verb, is_counted in STEPS if is_counted),
    *(part for name, _verbs, _data in PEOPLE for part in (name, f"cargo de quien {name}")),
    *("rechazó", "resultado", "motivo del resultado", "versiones", "renglones", "huella final"),
)
PROOF_HEADING = (
    *("mes", "solicitudes en la base", "eventos de creación", "cadenas con cabeza", "¿coinciden?"),
    *("sellado: solicitudes", "sellado el", "huella del sello"),
)


class PopulationChain:
    """Name the chain that holds the sealed counts of requests, one event a month."""

    chain = "population:requests"


@dataclass(frozen=True)
class Month:
    """Hold the counts of one month: requests, created events, and heads of their chains; `is_whole` if all agree."""

    month: str
    requests: int
    created: int
    heads: int
    sealed: Event | None = None

    @property
    def is_whole(self) -> bool:
        """Return True if the three counts of the month are equal, and equal to the sealed count if there is one."""
        sealed = self.sealed.data["requests"] if self.sealed else self.requests
        return self.requests == self.created == self.heads == sealed


def list_rows(first_day: date, last_day: date) -> Iterator[Sequence[object]]:
    """Yield a row for each request that was created on these local days, both included, the oldest first."""
    created = FormalRequest.objects.filter(created_at__gte=begin_day(first_day))
    created = created.filter(created_at__lt=begin_day(last_day + timedelta(days=1)))
    requests = created.select_related("customer").order_by("created_at", "pk").iterator(chunk_size=_ROWS_AT_A_TIME)
    hours = load_attention_hours()
    while batch := list(islice(requests, _ROWS_AT_A_TIME)):
        yield from _make_rows(batch, hours)


def count_months(first_day: date, last_day: date) -> list[Month]:
    """Return the counts of each month that has one of these days, the oldest first.

    A month is counted whole, also the days outside the period. A month without requests, events and seal is left out.
    """
    first = begin_day(first_day.replace(day=1))
    end = begin_day((last_day.replace(day=28) + timedelta(days=4)).replace(day=1))  # next month
    created = Event.objects.filter(verb=CREATED, at__gte=first, at__lt=end)
    with_head = created.filter(Exists(ChainHead.objects.filter(chain=OuterRef("chain"))))
    requests = FormalRequest.objects.filter(created_at__gte=first, created_at__lt=end)
    by_request = _count_by_month(requests, "created_at")
    by_event, by_head = _count_by_month(created, "at"), _count_by_month(with_head, "at")
    sealed = {event.data["month"]: event for event in Event.objects.filter(verb=SEALED)}
    sealed_months = {month for month in sealed if _name_month(first) <= month < _name_month(end)}
    months = sorted({*by_request, *by_event, *by_head, *sealed_months})
    return [
        Month(name, by_request.get(name, 0), by_event.get(name, 0), by_head.get(name, 0), sealed.get(name))
        for name in months
    ]


def make_proof_rows(months: Iterable[Month]) -> Iterator[Sequence[object]]:
    """Yield each month's counts, whether they agree, and the sealed count: they prove that no request is missing."""
    for month in months:
        sealed = month.sealed
        yield (
            *(month.month, month.requests, month.created, month.heads, "sí" if month.is_whole else "NO"),
            *((sealed.data["requests"], format_instant(sealed.at), sealed.hash) if sealed else ("", "", "")),
        )


def find_gaps() -> list[str]:
    """Return the folios of requests without a created event, 20 at most; a log without flaws has none."""
    chain = Concat(Value("request:"), Cast("pk", CharField()))
    created = Event.objects.filter(verb=CREATED, chain=OuterRef("chain_name"))
    missing = FormalRequest.objects.annotate(chain_name=chain).exclude(Exists(created)).order_by("pk")
    return list(missing.values_list("folio", flat=True)[:20])


def seal_month() -> Event | None:
    """Seal the counts of the last month in an event, and return the event; None if they are sealed already."""
    this_month = timezone.localdate(clock.now()).replace(day=1)
    last_day = this_month - timedelta(days=1)
    name = f"{last_day:%Y-%m}"
    with transaction.atomic():
        # `record` locks this head too, so of two runs at once the second waits and then sees the event of the first.
        ChainHead.objects.select_for_update().filter(chain=PopulationChain.chain).first()
        if any(event.data["month"] == name for event in Event.objects.filter(verb=SEALED).order_by("-at")[:2]):
            return None
        counts = {month.month: month for month in count_months(last_day, last_day)}.get(name, Month(name, 0, 0, 0))
        data = {"month": name, "requests": counts.requests, "created": counts.created, "heads": counts.heads}
        return audit.record(SEALED, cast(Chained, PopulationChain()), actor=None, **data)


def format_instant(instant: datetime | None) -> str:
    """Return an instant in local time with its offset, to the second, for a file; empty for None."""
    return timezone.localtime(instant).isoformat(sep=" ", timespec="seconds") if instant else ""


def _name_month(instant: datetime) -> str:
    """Return the local month of an instant as «2026-11»."""
    return f"{timezone.localtime(instant):%Y-%m}"


def _count_by_month(rows: "QuerySet[Any]", column: str) -> dict[str, int]:
    """Return how many rows there are in each month of local time, by the month's name («2026-11»)."""
    months = rows.order_by().annotate(month=TruncMonth(column)).values("month").annotate(n=Count("pk"))
    return {_name_month(row["month"]): row["n"] for row in months}


def _make_rows(batch: list[FormalRequest], hours: AttentionHours) -> Iterator[Sequence[object]]:
    """Yield the rows of some requests; their events, heads and offices are read in three queries."""
    chains = [formal.chain for formal in batch]
    events: dict[str, list[Event]] = {}
    for event in Event.objects.filter(chain__in=chains).order_by("chain", "seq"):
        events.setdefault(event.chain, []).append(event)
    heads = ChainHead.objects.in_bulk(chains)
    actors = {event.actor_id for of_chain in events.values() for event in of_chain if event.actor_id}
    offices = list(RoleAssignment.objects.filter(user__in=actors).order_by("starts_at", "pk"))
    for formal in batch:
        yield _make_row(formal, events.get(formal.chain, []), heads.get(formal.chain), hours, offices)


def _make_row(
    formal: FormalRequest,
    events: list[Event],
    head: ChainHead | None,
    hours: AttentionHours,
    offices: list[RoleAssignment],
) -> Sequence[object]:
    """Return the row of one request, from its own events; the columns are those of HEADING."""
    step_events = [_find_last(events, (verb,)) for _name, verb, _is_counted in STEPS]
    rejected = _find_last(events, ("request.rejected",))
    return (
        *(formal.folio, formal.get_form_display(), formal.get_kind_display()),
        *(formal.customer.legal_name, formal.customer.rfc, formal.get_channel_display()),
        format_instant(formal.created_at),
        *(format_instant(step.at) if step else "" for step in step_events),
        *_count_hours(step_events, hours),
        *(part for _name, verbs, data in PEOPLE for part in _describe_person(events, verbs, data, offices)),
        rejected.actor_name if rejected else "",
        *(formal.status_label, formal.outcome_reason, formal.revision_no),
        *((head.seq, head.hash) if head else ("", "")),
    )


def _find_last(events: list[Event], verbs: tuple[str, ...], data: dict[str, str] | None = None) -> Event | None:
    """Return the last event with one of these verbs whose data holds these values, or None."""
    wanted = (data or {}).items()
    matching = [
        event
        for event in events
        if event.verb in verbs and all(event.data.get(name) == value for name, value in wanted)
    ]
    return matching[-1] if matching else None


def _count_hours(steps: list[Event | None], hours: AttentionHours) -> Iterator[str]:
    """Yield for each counted step the attention hours since the step before it that was made last.

    It is "" if the step was not made, if none before it was made, or if it was made earlier than that one.
    """
    earlier = steps[0]
    for step, (_name, _verb, is_counted) in zip(steps, STEPS, strict=True):
        if is_counted:
            is_known = step is not None and earlier is not None and step.at >= earlier.at
            yield f"{hours.hours_between(earlier.at, step.at):.2f}" if is_known and step and earlier else ""  # for mypy
        earlier = step or earlier


def _describe_person(
    events: list[Event], verbs: tuple[str, ...], wanted: dict[str, str], offices: list[RoleAssignment]
) -> tuple[str, str]:
    """Return who did the last event of `verbs` with `wanted`, and the person's offices then; "" twice for nobody."""
    event = _find_last(events, verbs, wanted)
    if event is None:
        return "", ""
    return event.actor_name or "Sistema", describe_offices(offices, event.actor_id, event.at)
