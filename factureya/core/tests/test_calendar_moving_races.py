"""Two workers, or a worker and an agent, at the deadlines of one change at one instant, on PostgreSQL (M2)."""

import pytest
import time_machine

from accounts.models import Office
from factureya.core.hours import moving
from factureya.core.models import CalendarMove
from factureya.core.tests.test_calendar_changes import LATE_MONDAY, TUESDAY, add
from factureya.testing.people import make_agent, make_staff, own_provider
from factureya.testing.races import kinds, race
from factureya.testing.tickets import make_ticket
from tickets import operations

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M2")]


def test_each_deadline_moves_once(monkeypatch):
    monkeypatch.setattr(moving, "AT_ONCE", 1)
    monkeypatch.setattr(moving, "CHUNK", 3)
    own_provider()
    with time_machine.travel(LATE_MONDAY, tick=False):
        made = [make_ticket() for _ in range(8)]
        add(make_staff(Office.SUPERVISOR), TUESDAY)
        answered = made[-1]
        dario = make_agent()
        results = race(
            moving.move_pending,
            moving.move_pending,
            lambda: operations.answer(answered.pk, agent=dario, body="¿Qué versión usa?", wait_reason="detail"),
        )
    assert kinds(results) == {"ok": 3}
    assert not CalendarMove.objects.exists()
    moved = [[event.verb for event in ticket.events()].count("ticket.deadline_moved") for ticket in made]
    assert moved[:-1] == [1] * 7
    assert moved[-1] in {0, 1}  # the agent was first, or the worker
    assert results[0] + results[1] == sum(moved) - 1  # one moved with the change
