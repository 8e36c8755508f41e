"""Real threads on PostgreSQL, let loose at one instant: one decision, one proposal, one entry (M18)."""

from functools import partial

import pytest

from factureya.testing.charges import decide, note, propose
from factureya.testing.people import Neighbours, make_agent, make_neighbours
from factureya.testing.races import kinds, race
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations as ticket_operations
from tickets.charges.operations import withdraw_charge
from tickets.models import TimeEntry

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M18")]


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def test_who_accepts_declines_and_withdraws_at_once_is_one(rounds: range, cast: Neighbours) -> None:
    for _ in rounds:
        charge = propose(cast)
        results = race(
            partial(decide, charge, cast.ana),
            partial(decide, charge, cast.dana, accepts=False),
            partial(withdraw_charge, charge.ticket_id, seq=1, supervisor=cast.laura, reason="Llegó la lista"),
        )
        assert kinds(results) == {"ok": 1, "WrongStatus": 2}
        ends = [event.verb for event in charge.ticket.events() if event.verb.startswith("ticket.charge_")]
        assert len(ends) == 2  # proposed, and how it ended
        assert len([mail for mail in mails_about(charge.ticket) if mail.kind == "tickets/charge_ended"]) == 2


def test_two_clicks_of_one_person_at_once(rounds: range, cast: Neighbours) -> None:
    for _ in rounds:
        charge = propose(cast)
        assert kinds(race(*[partial(decide, charge, cast.ana)] * 3)) == {"ok": 3}
        assert [event.verb for event in charge.ticket.events()].count("ticket.charge_accepted") == 1


def test_two_proposals_of_one_ticket_at_once(rounds: range, cast: Neighbours) -> None:
    for _ in rounds:
        ticket = make_ticket(requester=cast.ana)
        assert kinds(race(*[partial(propose, cast, ticket)] * 3)) == {"ok": 1, "WrongStatus": 2}
        assert ticket.charges.count() == 1


def test_an_acceptance_against_the_close(rounds: range, cast: Neighbours) -> None:
    for _ in rounds:
        charge = propose(cast)
        confirm = partial(ticket_operations.confirm_resolved, charge.ticket_id, author=cast.beto)
        decided, closed = race(partial(decide, charge, cast.ana), confirm)
        charge.refresh_from_db()
        assert not isinstance(closed, Exception)
        assert charge.is_accepted != isinstance(decided, Exception)


def test_one_form_of_minutes_at_once(rounds: range, cast: Neighbours) -> None:
    agent = make_agent()
    for number in rounds:
        first, second = make_ticket(requester=cast.ana), make_ticket(requester=cast.ana)
        same = [partial(note, first, 5, agent=agent, form_key=f"a{number}")] * 2
        assert kinds(race(*same)) == {"ok": 2}
        other = [partial(note, ticket, 5, agent=agent, form_key=f"b{number}") for ticket in (first, second)]
        assert kinds(race(*other)) == {"ok": 1, "FormUsed": 1}
        assert TimeEntry.objects.filter(ticket__in=[first, second]).count() == 2
