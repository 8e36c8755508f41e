"""Hours and holidays are data: what a change moves, a second person where it shortens, guards (M2, M26)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import Office, User
from factureya.core import audit, locking
from factureya.core.calendar import forget_week, load_attention_hours
from factureya.core.clock import now
from factureya.core.hours import changes
from factureya.core.hours.changes import Draft, Kind
from factureya.core.hours.deadlines import name_moves
from factureya.core.hours.week import STANDARD, format_week, parse_day
from factureya.core.models import AttentionWeek, CalendarChange, Event, Holiday
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing import request_histories
from factureya.testing.people import Cast, end_offices, make_staff, make_superuser
from factureya.testing.raw_sql import execute, refused_by, update
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket
from tickets.operations import deadlines as ticket_deadlines

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M2")]
TUESDAY = date(2026, 12, 1)
CHRISTMAS = date(2026, 12, 25)
LATE_MONDAY = "2026-12-01T00:30:00Z"  # 18:30 of 30 November in Mexico: half an hour before the close


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with time_machine.travel(LATE_MONDAY, tick=False):
        yield


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


@pytest.fixture
def luis() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Luis Mesa")


def propose(actor: User, kind: str, day: date, key: str = "k1", **data: Any) -> CalendarChange:
    return changes.propose_change(Draft(kind, day, **data), actor=actor, form_key=key)


def add(actor: User, day: date, name: str = "Puente", key: str = "k1") -> CalendarChange:
    return propose(actor, Kind.ADD_HOLIDAY, day, key, name=name)


def approve(change: CalendarChange, actor: User) -> CalendarChange:
    """Approve a change as who has seen what it moves now."""
    try:
        seen = name_moves(changes.preview_proposal(change))
    except Invalid:
        seen = ""
    return changes.approve_change(change.pk, actor=actor, seen=seen)


def week_of(text: str) -> str:
    return format_week((parse_day(text),) * 5 + ((),) * 2)


def mexico(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}-06:00")


def test_a_holiday_moves_the_goals_after_it_and_is_an_event(laura):
    ticket = make_ticket()  # 4 hours of attention: half an hour on Monday, the rest on Tuesday
    assert ticket.reply_due_at == mexico("2026-12-01T12:30")
    (move,) = changes.preview_change(Draft(Kind.ADD_HOLIDAY, TUESDAY, name="Puente"))
    assert (move.deadline.label, move.due_at, move.is_earlier) == (ticket.number, mexico("2026-12-02T12:30"), False)
    assert not Holiday.objects.filter(day=TUESDAY).exists()  # a preview stores nothing
    change = add(laura, TUESDAY)
    assert (change.status, change.shortens, change.decided_by) == ("applied", False, laura)
    ticket.refresh_from_db()
    assert ticket.reply_due_at == ticket.queue_at == mexico("2026-12-02T12:30")
    event = Event.objects.filter(chain="calendar").get()
    assert (event.verb, event.actor, event.data["name"], event.data["moved"]) == (
        "calendar.changed",
        laura,
        "Puente",
        1,
    )
    moved = ticket.events().last()
    assert (moved.verb, moved.data["calendar_change"]) == ("ticket.deadline_moved", change.pk)
    assert load_attention_hours().holidays[TUESDAY] == "Puente"


@pytest.mark.clause("M11")
@pytest.mark.parametrize("status", ["open", "waiting"])
def test_the_deadlines_of_a_merged_ticket_stand_still(laura, settings, status):
    settings.CUSTOMER_REPLY_CALENDAR = "business"
    ticket = make_ticket(status)
    survivor = make_ticket(requester=ticket.requester)
    columns = (ticket.reply_due_at, ticket.closes_at)
    deadlines = list(ticket_deadlines.list_open(now()))
    operations.merge_ticket(ticket.pk, agent=laura, into_pk=survivor.pk)
    change = add(laura, TUESDAY)
    assert change.status == "applied"
    (own,) = [deadline for deadline in deadlines if deadline.pk == ticket.pk]
    assert not ticket_deadlines.move_deadline(own, own.due_at + timedelta(days=1), change.pk)  # listed before the merge
    ticket.refresh_from_db()
    survivor.refresh_from_db()
    assert (ticket.reply_due_at, ticket.closes_at) == columns
    assert survivor.reply_due_at == mexico("2026-12-02T12:30")


def test_what_is_over_or_lies_before_the_change_does_not_move(laura):
    make_ticket()
    assert changes.preview_change(Draft(Kind.ADD_HOLIDAY, date(2026, 12, 2), name="Puente")) == []
    with time_machine.travel("2026-12-03T18:00:00Z", tick=False):  # its goal has passed
        assert changes.preview_change(Draft(Kind.ADD_HOLIDAY, date(2026, 12, 4), name="Puente")) == []


def test_who_shortens_a_deadline_needs_a_second_person(laura, luis):
    add(laura, TUESDAY)
    ticket = make_ticket()
    assert ticket.reply_due_at == mexico("2026-12-02T12:30")
    change = propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")
    assert (change.status, change.shortens) == ("proposed", True)
    assert Holiday.objects.filter(day=TUESDAY).exists()
    with pytest.raises(NotAllowed, match="otra persona"):
        approve(change, laura)
    approve(change, luis)
    ticket.refresh_from_db()
    assert ticket.reply_due_at == mexico("2026-12-01T12:30")
    assert not Holiday.objects.filter(day=TUESDAY).exists()
    verbs = [(event.verb, event.actor) for event in Event.objects.filter(chain="calendar").order_by("seq")]
    assert verbs == [("calendar.changed", laura), ("calendar.proposed", laura), ("calendar.changed", luis)]
    for decide in (approve, lambda change, actor: changes.decline_change(change.pk, actor=actor)):
        with pytest.raises(WrongStatus, match="ya se decidió: hecho"):
            decide(change, luis)
    assert list(audit.find_flaws()) == []


def test_who_asked_may_put_it_aside(laura):
    add(laura, TUESDAY)
    make_ticket()
    change = propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")
    assert changes.decline_change(change.pk, actor=laura).status == "declined"
    assert Holiday.objects.filter(day=TUESDAY).exists()


def test_a_change_that_shortens_nothing_is_done_at_once(laura):
    assert propose(laura, Kind.REMOVE_HOLIDAY, CHRISTMAS).status == "applied"
    assert not Holiday.objects.filter(day=CHRISTMAS).exists()


def test_a_double_click_does_it_once(laura):
    assert add(laura, TUESDAY) == add(laura, TUESDAY)
    assert Event.objects.filter(chain="calendar").count() == 1


@pytest.mark.parametrize("office", set(Office) - {Office.SUPERVISOR})
def test_nobody_else_changes_the_calendar(office, laura):
    with pytest.raises(NotAllowed):
        add(make_staff(office), TUESDAY)
    end_offices(laura)
    with pytest.raises(NotAllowed):
        add(laura, TUESDAY)
    assert add(make_superuser(), TUESDAY).status == "applied"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(Kind.ADD_HOLIDAY, date(2026, 11, 29), name="Ayer"), "day"),
        (Draft(Kind.ADD_HOLIDAY, date(2101, 1, 1), name="Lejos"), "day"),
        (Draft(Kind.ADD_HOLIDAY, CHRISTMAS, name="Navidad"), "day"),
        (Draft(Kind.ADD_HOLIDAY, TUESDAY, name="  "), "name"),
        (Draft(Kind.ADD_HOLIDAY, TUESDAY, name="N" * 101), "name"),
        (Draft(Kind.REMOVE_HOLIDAY, TUESDAY), "day"),
        (Draft(Kind.REMOVE_HOLIDAY, date(2026, 11, 16)), "day"),
        (Draft(Kind.HOURS, TUESDAY, hours=";" * 6), "hours"),
        (Draft(Kind.HOURS, TUESDAY, hours="x"), "hours"),
        (Draft(Kind.HOURS, date(2026, 11, 29), hours=format_week(STANDARD)), "day"),
    ],
)
def test_what_cannot_be_is_refused(laura, draft, field):
    with pytest.raises(Invalid) as refusal:
        changes.propose_change(draft, actor=laura, form_key="k")
    assert list(refusal.value.errors) == [field]
    assert not CalendarChange.objects.exists()


def test_hours_count_from_their_day_on(laura):
    ticket = make_ticket()
    change = propose(laura, Kind.HOURS, TUESDAY, hours=week_of("10:00 a 14:00"))
    assert (change.status, change.shortens) == ("applied", False)
    ticket.refresh_from_db()
    assert ticket.reply_due_at == mexico("2026-12-01T13:30")
    hours = load_attention_hours()
    assert hours.is_open(mexico("2026-11-30T18:59"))  # the old hours, on their last day
    assert not hours.is_open(mexico("2026-12-01T09:30"))
    assert not hours.is_open(mexico("2026-12-01T15:30"))
    longer = propose(laura, Kind.HOURS, TUESDAY, "k2", hours=week_of("8-20"))
    assert longer.status == "proposed"  # it shortens the goal of the ticket
    assert AttentionWeek.objects.count() == 2
    approve(longer, make_superuser())
    assert load_attention_hours().is_open(mexico("2026-12-01T08:30"))  # the later row of one day counts


def test_a_reply_in_business_days_moves_unless_the_customer_was_reminded(laura, settings):
    settings.CUSTOMER_REPLY_CALENDAR = "business"
    ticket = make_ticket(Ticket.Status.WAITING)
    due_at = ticket.closes_at
    add(laura, TUESDAY)
    ticket.refresh_from_db()
    assert ticket.closes_at == ticket.queue_at == due_at + timedelta(days=1)
    settings.CUSTOMER_REPLY_CALENDAR = "natural"
    assert changes.preview_change(Draft(Kind.ADD_HOLIDAY, date(2026, 12, 2), name="Puente")) == []


@pytest.mark.clause("M7")
def test_the_turns_of_mesa_de_control_move_and_an_approved_window_stays(laura):
    cast = Cast()
    formal = request_histories.make(cast, "in_approval")
    due_at = formal.due_at
    assert due_at is not None
    add(laura, TUESDAY)
    formal.refresh_from_db()
    assert formal.due_at == due_at + timedelta(days=1)
    event = formal.events().last()
    assert event.verb == "request.deadline_moved"
    assert event.data["columns"]["due_at"].startswith("2026-12")
    approved = request_histories.make(Cast(fabian=cast.fabian), "approved")
    window = (approved.due_at, approved.execute_before)
    add(laura, date(2026, 12, 4), key="k2")
    approved.refresh_from_db()
    assert (approved.due_at, approved.execute_before) == window


def test_the_footer_of_every_page_tells_todays_hours(laura, client, django_assert_num_queries):
    page = client.get("/que-es/").content.decode()
    assert "de 9:00 a 14:00" in page
    propose(laura, Kind.HOURS, date(2026, 11, 30), hours=week_of("8:00 a 16:00"))
    forget_week()  # what the commit does
    for address in ("/que-es/", "/"):
        page = client.get(address).content.decode()
        assert "de 8:00 a 16:00" in page
        assert "14:00" not in page
    with django_assert_num_queries(0):
        client.get("/que-es/")


# -- The database ---------------------------------------------------------------------------------------


def test_deadlines_are_moved_in_the_order_of_their_keys(laura, monkeypatch):
    """Who merges two tickets locks them in that order too; another one could end in a deadlock."""
    later = make_ticket()
    with time_machine.travel("2026-11-30T22:00:00Z", tick=False):
        earlier = make_ticket()
    assert earlier.queue_at < later.queue_at
    moves = changes.preview_change(Draft(Kind.ADD_HOLIDAY, TUESDAY, name="Puente"))
    assert [move.deadline.pk for move in moves] == [earlier.pk, later.pk]
    locked: list[int] = []
    lock = locking.lock
    monkeypatch.setattr(locking, "lock", lambda rows, pk: locked.append(pk) or lock(rows, pk))
    add(laura, TUESDAY)
    assert locked == [later.pk, earlier.pk]


@pytest.mark.clause("M26")
def test_raw_sql_changes_no_holiday_and_no_hours(laura):
    holiday = Holiday.objects.get(day=CHRISTMAS)
    week = AttentionWeek.objects.get()
    for statement, name in (
        ("INSERT INTO core_holiday (day, name) VALUES ('2026-12-24', 'Nochebuena')", "holiday_enters_with_its_event"),
        ("DELETE FROM core_holiday WHERE day = '2026-12-25'", "holiday_leaves_with_its_event"),
        ("UPDATE core_holiday SET day = '2026-12-26' WHERE day = '2026-12-25'", "holiday_never_changes"),
        (
            "INSERT INTO core_attentionweek (starts_on, hours) VALUES ('2026-12-01', '09:00-10:00;;;;;;')",
            "hours_change_with_their_event",
        ),
        ("UPDATE core_attentionweek SET starts_on = '2026-12-01'", "core_attentionweek_no_update"),
        ("DELETE FROM core_attentionweek", "core_attentionweek_no_delete"),
    ):
        with refused_by(name):
            execute(statement)
    assert Holiday.objects.get(day=CHRISTMAS) == holiday
    assert AttentionWeek.objects.get() == week


@pytest.mark.clause("M26")
def test_raw_sql_decides_no_change(laura, luis):
    add(laura, TUESDAY)
    make_ticket()
    change = propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")
    at = datetime(2026, 12, 1, tzinfo=UTC)
    for columns, name in (
        (
            {"status": "applied", "decided_by_id": laura.pk, "decided_at": at},
            "calendar_change_is_applied_with_its_event",
        ),
        (
            {"status": "applied", "decided_by_id": laura.pk, "decided_at": at, "shortens": False},
            "calendar_change_is_applied_with_its_event",
        ),
        (
            {"status": "declined", "decided_by_id": laura.pk, "decided_at": at},
            "calendar_change_is_declined_with_its_event",
        ),
        ({"day": CHRISTMAS}, "calendar_change_keeps_what_it_is"),
        ({"status": "declined"}, "calendar_change_names_who_decided|calendar_change_is_declined_with_its_event"),
        ({"name": ""}, "calendar_change_is_of_its_kind|calendar_change_keeps_what_it_is"),
    ):
        with refused_by(name):
            update(change, **columns)
    with refused_by("core_calendarchange_no_delete"):
        execute("DELETE FROM core_calendarchange")
    changes.decline_change(change.pk, actor=luis)
    with refused_by("calendar_change_is_decided_once"):
        update(change, status="proposed", decided_by_id=None, decided_at=None)
    with refused_by("calendar_change_is_proposed_first"):
        execute(
            "INSERT INTO core_calendarchange (kind, status, day, name, hours, shortens, form_key, proposed_by_id,"
            " proposed_at, decided_by_id, decided_at) SELECT kind, 'applied', day, name, hours, shortens, 'other',"
            " proposed_by_id, proposed_at, decided_by_id, decided_at FROM core_calendarchange WHERE id = %s",
            change.pk,
        )


def test_the_proposer_is_never_the_second_person_in_the_database(laura):
    """The constraint alone, with the guards lifted as only the owner of the tables can."""
    add(laura, TUESDAY)
    make_ticket()
    change = propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")
    change.status, change.decided_by, change.decided_at = "applied", laura, datetime(2026, 12, 1, tzinfo=UTC)
    names = "shortened_deadline_needs_a_second_person|calendar_change_is_applied_with_its_event"
    with refused_by(names):
        change.save()
