"""Build what the pages of the log show: rows, one event, the strip of the last verification, and the anchors (M26)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize

from accounts.models import Contact, RoleAssignment, User
from change_requests.emergency.models import EmergencyGrant
from factureya.core import audit, clock
from factureya.core.calendar import MONTHS
from factureya.core.models import Anchor, Event, LogVerification
from factureya.core.record import verification
from factureya.core.templatetags.fy import when
from factureya.oversight import search, subjects, verbs
from factureya.oversight.search import LogQuery
from factureya.oversight.subjects import Subject

SHOWN_ANCHORS = 14
LOG_CHAINS = f"{subjects.MONTHS_CHAIN}:"  # of the readings and exports of each month
INSIDE = ("grant.act_", "grant.changed", "grant.entered")  # acts of an operator as the emergency account
HASH_DIGITS = 12  # of an event's hash in a row; an anchor shows more


@dataclass(frozen=True)
class Row:
    """Hold an event as the log shows it; `role` says what the person was that day, or in whose name he acted."""

    pk: int
    when: str
    instant: datetime
    who: str
    role: str
    what: str
    subject: Subject
    seq: str
    hash: str
    url: str


@dataclass(frozen=True)
class Strip:
    """Hold what the last verification found, as the strip at the top says it; `is_good` if the log was whole."""

    title: str
    text: str
    is_good: bool


@dataclass(frozen=True)
class AnchorRow:
    """Hold a day's anchor: how many events it covers, its hash, and whether it still agrees with its file."""

    day: str
    events: str
    hash: str
    where: str
    verdict: str
    look: str


@dataclass(frozen=True)
class LogPage:
    """Hold the log's page as it is shown; `is_cut` says that a company has more objects than were searched."""

    query: LogQuery
    rows: Sequence[Row]
    is_cut: bool
    previous_url: str
    next_url: str
    groups: Sequence[tuple[str, str]] = tuple(verbs.Group.choices)


def read_log(reader: User, query: LogQuery) -> LogPage:
    """Return the page of the log for the reader's query; more events or objects do not take more database queries."""
    scope = search.find_scope(query.text)
    page = search.read_page(query, scope)
    links = page.links(query.filters, reverse("oversight:log"))
    return LogPage(
        query,
        make_rows(reader, page.rows),
        scope is not None and scope.is_cut,
        links["previous_url"],
        links["next_url"],
    )


def make_rows(reader: User, events: Sequence[Event]) -> list[Row]:
    """Return events as rows of the log, each with its subject, and with the role that the acting person had then."""
    named = subjects.find_subjects(reader, [event.chain for event in events])
    roles = find_roles(events)
    return [_make_row(event, named[event.chain], roles.get(event.pk, "")) for event in events]


def find_roles(events: Iterable[Event]) -> dict[int, str]:
    """Return the role of each event's person at that time, by event: «como emergencia-02», offices, or «cliente»."""
    by_user = [event for event in events if event.actor_id]
    people = {event.actor_id for event in by_user}
    assignments = RoleAssignment.objects.filter(user__in=people).order_by("starts_at", "pk")
    offices = list(assignments.only("user", "office", "starts_at", "ends_at"))
    customers = set(Contact.objects.filter(user__in=people).values_list("user", flat=True))
    folios = {event.pk: _find_grant(event) for event in by_user}
    grants = EmergencyGrant.objects.filter(folio__in=[folio for folio in folios.values() if folio])
    aliases = dict(grants.values_list("folio", "account__alias"))
    return {event.pk: _describe_role(event, offices, customers, aliases.get(folios[event.pk], "")) for event in by_user}


def describe_offices(offices: Iterable[RoleAssignment], person: int | None, at: datetime) -> str:
    """Return the names of the offices (cargos) that a person held at `at`, from assignments that were read before."""
    names = [
        office.get_office_display()
        for office in offices
        if office.user_id == person and office.starts_at <= at and (office.ends_at is None or at < office.ends_at)
    ]
    return ", ".join(names)


def format_seconds(instant: datetime) -> str:
    """Return an instant as the log shows it, to the second: «24 nov, 10:41:07»; with the year if it is another."""
    local = timezone.localtime(instant)
    year = "" if local.year == timezone.localtime(clock.now()).year else f" {local.year}"
    return f"{local.day} {MONTHS[local.month - 1]}{year}, {local.hour}:{local:%M:%S}"


def group_digits(text: str, digits: int = HASH_DIGITS) -> str:
    """Return the first digits of a hash in groups of four, to compare by eye: «be15 77a0 3c1d»."""
    return " ".join(text[start : start + 4] for start in range(0, min(digits, len(text)), 4))


def make_strip() -> Strip:
    """Return the strip at the top of the page: what the last verification found, or that there was none yet."""
    last = verification.latest_verification()
    if last is None:
        return Strip("Sin verificar todavía.", "La verificación de cada noche aún no corre.", is_good=False)
    moment, lines = when(last.finished_at), localize(last.events)
    if not last.is_whole:
        many = "1 falta" if last.flaws == 1 else f"{last.flaws} faltas"
        return Strip("No está íntegra.", f"Verificada {moment}: {many}. La primera: {last.first_flaw}.", is_good=False)
    anchor = f"; coincide con el ancla del {_format_day(last.anchor_day)}" if last.anchor_day else "; aún sin anclas"
    return Strip("Íntegra.", f"Verificada {moment}, {lines} renglones{anchor}.", is_good=True)


def list_anchors() -> list[AnchorRow]:
    """Return the anchors of the last days, the newest first, each with what the last verification says of it."""
    last = verification.latest_verification()
    return [_make_anchor_row(anchor, last) for anchor in Anchor.objects.order_by("-seq")[:SHOWN_ANCHORS]]


def find_event(pk: int) -> Event | None:
    """Return one event with its person, or None."""
    return Event.objects.select_related("actor").filter(pk=pk).first()


def is_as_written(event: Event) -> bool:
    """Return True if the event's content still gives the hash that is stored with it, computed now."""
    return audit.compute_hash(event) == event.hash


def list_data(event: Event) -> list[tuple[str, str]]:
    """Return each part of an event's data as name and text; lists and objects are shown as indented JSON."""
    return [(name, _show_value(value)) for name, value in sorted(event.data.items())]


def _make_row(event: Event, subject: Subject, role: str) -> Row:
    """Return one event as a row of the log; of a reading or an export, the subject is what was read or exported."""
    if event.chain.startswith(LOG_CHAINS):
        subject = Subject(subjects.describe_reading(event))
    return Row(
        event.pk,
        format_seconds(event.at),
        event.at,
        event.actor_name or "Sistema",
        role,
        verbs.describe(event.verb, event.data),
        subject,
        localize(event.seq),
        group_digits(event.hash),
        reverse("oversight:event", args=[event.pk]),
    )


def _find_grant(event: Event) -> str:
    """Return the folio of the emergency in which an event happened, which the chain or the data names; "" if none."""
    if event.verb.startswith(INSIDE):
        return event.chain.partition(":")[2]
    return str(event.data.get("grant") or "") if event.verb == "customer.emergency_changed" else ""


def _describe_role(event: Event, offices: Iterable[RoleAssignment], customers: set[int], alias: str) -> str:
    """Return the person's role at that moment; `alias` is the emergency account that acted in the event, or ""."""
    if alias:
        return f"como {alias}"
    return describe_offices(offices, event.actor_id, event.at) or ("cliente" if event.actor_id in customers else "")


def _make_anchor_row(anchor: Anchor, last: LogVerification | None) -> AnchorRow:
    """Return an anchor as a row; the last verification gives the verdict, if it compared this anchor or a later one."""
    verdict, style = "Por comparar", "waiting"
    if last is not None and last.anchor_day is not None and anchor.day <= last.anchor_day:
        verdict, style = ("Sí", "ok") if last.is_whole else ("Revise", "bad")
    return AnchorRow(
        _format_day(anchor.day),
        localize(anchor.events),
        group_digits(anchor.hash, 20),
        "Correo a Seguridad, acuses de ese día, carpeta de anclas",
        verdict,
        style,
    )


def _format_day(day: date | None) -> str:
    """Return a day as «24 nov 2026»."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}" if day else ""


def _show_value(value: object) -> str:
    """Return a value of an event's data as a person reads it: lists and objects as JSON, an empty one as a dash."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    if isinstance(value, bool):
        return "sí" if value else "no"
    return "–" if value is None or value == "" else str(value)
