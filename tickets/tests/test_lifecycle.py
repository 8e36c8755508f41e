"""The ticket's life: every operation meets every status (M13–M15)."""

import pytest

from tickets.models import Ticket
from tickets.tests.factories import let_it_close, make_ticket

pytestmark = pytest.mark.django_db


@pytest.mark.clause("M15")
def test_silence_closes_after_the_reminder():
    ticket = let_it_close(make_ticket(Ticket.Status.WAITING))
    assert ticket.status == Ticket.Status.CLOSED
    assert ticket.closed_reason == Ticket.ClosedReason.UNANSWERED
    assert [e.verb for e in ticket.events()] == [
        "ticket.opened", "ticket.answered", "ticket.reminder_queued", "ticket.reminded", "ticket.closed_unanswered",
    ]  # fmt: skip
