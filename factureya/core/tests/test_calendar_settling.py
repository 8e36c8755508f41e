"""A deadline that is counted while a change of the calendar commits moves a little later, once (M2)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import Office, User
from change_requests.operations import _common as requests
from factureya.core import calendar, tasks
from factureya.core.calendar import AttentionHours, load_attention_hours
from factureya.core.hours.changes import Kind
from factureya.core.tests.test_calendar_changes import LATE_MONDAY, TUESDAY, add, mexico, propose, week_of
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_staff
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M2")]


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with time_machine.travel(LATE_MONDAY, tick=False):
        yield


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


def open_meanwhile(hours: AttentionHours, monkeypatch: Any, status: str = "open") -> Ticket:
    """Make a ticket in transactions that read these hours before a change of the calendar committed."""
    with monkeypatch.context() as patch:
        patch.setattr(calendar, "load_attention_hours", lambda: hours)
        return make_ticket(status)


def test_a_ticket_of_meanwhile_moves_once(laura, monkeypatch):
    seen = make_ticket()
    before = load_attention_hours()
    change = add(laura, TUESDAY)
    unseen, later = open_meanwhile(before, monkeypatch), make_ticket()
    assert unseen.reply_due_at == mexico("2026-12-01T12:30")
    assert [tasks.settle_calendar(), tasks.settle_calendar()] == [1, 0]
    for ticket in (seen, unseen, later):
        ticket.refresh_from_db()
        assert ticket.reply_due_at == ticket.queue_at == mexico("2026-12-02T12:30")
    moved = unseen.events().last()
    assert (moved.verb, moved.data["calendar_change"]) == ("ticket.deadline_moved", change.pk)
    assert later.events().last().verb == "ticket.opened"


def test_each_kind_of_change_is_settled(laura, monkeypatch):
    add(laura, TUESDAY)
    first = load_attention_hours()
    propose(laura, Kind.REMOVE_HOLIDAY, TUESDAY, "k2")  # no ticket is there, so it is done at once
    unseen = open_meanwhile(first, monkeypatch)
    assert unseen.reply_due_at == mexico("2026-12-02T12:30")
    assert tasks.settle_calendar() == 1
    unseen.refresh_from_db()
    assert unseen.reply_due_at == mexico("2026-12-01T12:30")
    second = load_attention_hours()
    propose(laura, Kind.HOURS, TUESDAY, "k3", hours=week_of("10:00 a 14:00"))
    unseen = open_meanwhile(second, monkeypatch)
    assert tasks.settle_calendar() == 1
    unseen.refresh_from_db()
    assert unseen.reply_due_at == mexico("2026-12-01T13:30")


def test_a_wait_in_business_days_that_begins_meanwhile_moves_too(laura, settings, monkeypatch):
    settings.CUSTOMER_REPLY_CALENDAR = "business"
    before = load_attention_hours()
    add(laura, TUESDAY)
    unseen, later = (open_meanwhile(hours, monkeypatch, "waiting") for hours in (before, load_attention_hours()))
    assert unseen.closes_at == later.closes_at - timedelta(days=1)
    assert [tasks.settle_calendar(), tasks.settle_calendar()] == [1, 0]
    unseen.refresh_from_db()
    assert unseen.closes_at == later.closes_at


def test_an_old_change_is_not_looked_at(laura, monkeypatch, django_assert_num_queries):
    before = load_attention_hours()
    add(laura, TUESDAY)
    open_meanwhile(before, monkeypatch)
    with (
        time_machine.travel("2026-12-01T00:51:00Z", tick=False),
        django_assert_num_queries(2),  # recent changes, and moves that are left
    ):
        assert tasks.settle_calendar() == 0


@pytest.mark.clause("M7")
def test_a_turn_of_mesa_de_control_that_begins_meanwhile_moves_too(laura, monkeypatch):
    before = load_attention_hours()
    change = add(laura, TUESDAY)
    with monkeypatch.context() as patch:
        patch.setattr(requests, "load_attention_hours", lambda: before)
        formal = request_histories.make(Cast(), "in_approval")
    due_at = formal.due_at
    assert due_at is not None
    assert [tasks.settle_calendar(), tasks.settle_calendar()] == [1, 0]
    formal.refresh_from_db()
    assert formal.due_at == due_at + timedelta(days=1)
    event = formal.events().last()
    assert (event.verb, event.data["calendar_change"]) == ("request.deadline_moved", change.pk)
