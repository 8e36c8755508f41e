"""A change of the calendar with many deadlines: the soonest move with it, a worker moves the others (M2)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Office, User
from factureya.core import tasks
from factureya.core.hours import changes, moving
from factureya.core.hours.changes import Draft, Kind
from factureya.core.models import CalendarMove
from factureya.core.refusals import Invalid
from factureya.core.tests.test_calendar_changes import LATE_MONDAY, TUESDAY, add, approve, mexico, propose
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import make_staff, make_superuser
from factureya.testing.raw_sql import execute, refused_by
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M2")]
PAGE, ADD = reverse("admin:core_holiday_changelist"), reverse("admin:core_holiday_add")


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with time_machine.travel(LATE_MONDAY, tick=False):
        yield


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 2)
    monkeypatch.setattr(moving, "CHUNK", 2)


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


def make_tickets(count: int) -> list[Ticket]:
    """Make tickets of which the first one made is due last."""
    made = []
    for minutes in range(count):
        with time_machine.travel(f"2026-12-01T00:{29 - minutes}:00Z", tick=False):
            made.append(make_ticket())
    return made


def reread(tickets: list[Ticket]) -> list[Any]:
    return [Ticket.objects.get(pk=ticket.pk).reply_due_at for ticket in tickets]


def test_at_the_border_all_move_at_once(laura):
    tickets = make_tickets(2)
    add(laura, TUESDAY)
    assert not CalendarMove.objects.exists()
    assert all(due_at > mexico("2026-12-02T00:00") for due_at in reread(tickets))


def test_the_soonest_move_at_once_and_the_worker_moves_the_others(laura):
    tickets = make_tickets(7)
    change = add(laura, TUESDAY)
    assert (change.status, change.pending_moves.count()) == ("applied", 5)
    is_moved = [due_at > mexico("2026-12-02T00:00") for due_at in reread(tickets)]
    assert is_moved == [False] * 5 + [True] * 2  # the last two are due first
    assert moving.read_progress() == moving.Progress(2, 7)
    before = [ticket.reply_due_at for ticket in tickets]
    assert [tasks.settle_calendar(), tasks.settle_calendar()] == [5, 0]
    assert reread(tickets) == [due_at + timedelta(days=1) for due_at in before]
    assert moving.read_progress() is None
    for ticket in tickets:
        event = ticket.events().last()
        assert (event.verb, event.data["calendar_change"]) == ("ticket.deadline_moved", change.pk)


def test_who_answers_meanwhile_moved_the_deadline_himself(laura):
    tickets = make_tickets(4)
    add(laura, TUESDAY)
    operations.answer(tickets[0].pk, agent=laura, body="¿Qué versión usa?", wait_reason="detail")
    assert tasks.settle_calendar() == 1
    assert [event.verb for event in tickets[0].events()].count("ticket.deadline_moved") == 0
    assert not CalendarMove.objects.exists()


def test_a_worker_that_is_ended_goes_on_where_it_was(laura, monkeypatch):
    make_tickets(7)
    add(laura, TUESDAY)
    store, chunks = moving.store_moves, []

    def store_one_chunk(moves: Any, change_pk: int) -> int:
        chunks.append(change_pk)
        if len(chunks) > 1:
            raise SystemExit
        return store(moves, change_pk)

    with monkeypatch.context() as patch:
        patch.setattr(moving, "store_moves", store_one_chunk)
        with pytest.raises(SystemExit):
            tasks.settle_calendar()
    assert moving.read_progress() == moving.Progress(4, 7)
    assert tasks.settle_calendar() == 3


def test_the_next_change_waits_until_the_last_deadline_has_moved(laura):
    make_tickets(3)
    add(laura, TUESDAY)
    remove = Draft(Kind.REMOVE_HOLIDAY, TUESDAY)
    for refused in (
        lambda: changes.preview_change(remove),
        lambda: changes.propose_change(remove, actor=laura, form_key="k2"),
    ):
        with pytest.raises(Invalid, match="Todavía se mueven"):
            refused()
    tasks.settle_calendar()
    back = propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")
    approve(back, make_superuser())
    assert back.pending_moves.count() == 1
    with pytest.raises(Invalid, match="Todavía se mueven"):
        changes.preview_change(Draft(Kind.ADD_HOLIDAY, TUESDAY, name="Puente"))
    tasks.settle_calendar()
    assert all(due_at < mexico("2026-12-02T00:00") for due_at in reread(list(Ticket.objects.all())))


def test_the_page_says_that_deadlines_are_still_moving(laura):
    make_tickets(5)
    client = make_client(laura)
    data = {"day": "2026-12-01", "name": "Puente"}
    done = client.post(ADD, {**data, "key": key_in(client.get(PAGE, data))}, follow=True)
    assert "Listo; ya cuenta. Mueve muchos plazos" in text_of(done)
    assert "2 de 5 plazos" in text_of(done)
    assert "js/progress.js" in done.content.decode()
    assert "Todavía se mueven los plazos" in text_of(client.get(PAGE, {"day": "2026-12-24", "name": "Nochebuena"}))
    tasks.settle_calendar()
    page = client.get(PAGE)
    assert "Moviendo los plazos" not in text_of(page)
    assert "progress.js" not in page.content.decode()


@pytest.mark.clause("M26")
def test_raw_sql_moves_no_deadline(laura):
    make_tickets(3)
    change = add(laura, TUESDAY)
    later = propose(laura, Kind.ADD_HOLIDAY, TUESDAY, "k1", name="Puente")
    assert later == change  # a double click
    with refused_by("calendar_move_never_changes"):
        execute("UPDATE core_calendarmove SET due_after = '2027-01-01 00:00:00+00:00'")
    tasks.settle_calendar()
    propose(laura, Kind.ADD_HOLIDAY, TUESDAY + timedelta(days=30), "k3", name="Puente")
    insert = (
        'INSERT INTO core_calendarmove (change_id, source, target, "column", due_before, due_after)'
        " VALUES (%s, 'tickets', 1, 'reply_due_at', '2026-12-01 00:00:00+00:00', '2026-12-02 00:00:00+00:00')"
    )
    with refused_by("calendar_move_is_of_the_last_change"):
        execute(insert, change.pk)
