"""Real threads on PostgreSQL: a code is used once, three tries are three, and a double click begins one call (M5)."""

from functools import partial

import pytest

from accounts.models import Office, Provider
from factureya.core.models import OutboxMessage
from factureya.testing.calls import make_verified_call, read_code, wrong_code
from factureya.testing.people import make_agent, make_contact, make_staff, own_provider
from factureya.testing.races import kinds, race
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations
from tickets.calls import operations
from tickets.models import Call, MailGrant, Ticket
from tickets.providers import operations as providers

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M5")]


@pytest.fixture(autouse=True)
def _provider():
    own_provider()


def begin() -> Call:
    agent = make_agent()
    return operations.send_code(operations.start_call(agent=agent, contact=make_contact()).pk, agent=agent)


def test_a_double_click_begins_one_call(rounds):
    for _ in rounds:
        agent, contact = make_agent(), make_contact()
        start = partial(operations.start_call, agent=agent, contact=contact)
        results = race(start, start, start)
        assert {call.pk for call in results} == {Call.objects.get(agent=agent).pk}
        assert Call.objects.get(agent=agent).events().count() == 1


def test_a_code_is_used_once_and_verifies_once(rounds):
    for _ in rounds:
        call = begin()
        check = partial(operations.check_code, call.pk, agent=call.agent, code=read_code(call))
        assert kinds(race(check, check, check)) == {"ok": 3}
        assert call.events().filter(verb="call.verified").count() == 1


def test_wrong_codes_at_once_are_three_tries_and_no_more(rounds):
    for _ in rounds:
        call = begin()
        guess = partial(operations.check_code, call.pk, agent=call.agent, code=wrong_code(call))
        assert kinds(race(*[guess] * 6)) == {"WrongCode": 6}
        assert Call.objects.get(pk=call.pk).code_tries == 3
        assert call.events().filter(verb="call.code_wrong").count() == 3
        with pytest.raises(operations.WrongCode):
            operations.check_code(call.pk, agent=call.agent, code=read_code(call))


def test_the_limit_of_a_mailbox_holds_at_once(rounds, monkeypatch):
    monkeypatch.setattr(operations, "CODES_PER_MAILBOX", 2)
    for _ in rounds:
        contact = make_contact()
        calls = [operations.start_call(agent=make_agent(), contact=contact) for _ in range(4)]
        results = race(*[partial(operations.send_code, call.pk, agent=call.agent) for call in calls])
        assert kinds(results) == {"ok": 2, "WrongStatus": 2}
        address = contact.contact.customer.registered_email
        assert OutboxMessage.objects.filter(kind="tickets/call_code", to=address).count() == 2


@pytest.mark.clause("M15")
def test_an_end_of_the_call_and_a_confirmation_come_one_after_the_other(rounds):
    for _ in rounds:
        ticket = make_ticket(Ticket.Status.WAITING)
        call = make_verified_call(ticket.requester)
        confirm = partial(ticket_operations.confirm_by_phone, ticket.pk, agent=call.agent, call_pk=call.pk)
        end = partial(operations.end_call, call.pk, agent=call.agent)
        outcome = kinds(race(confirm, end))
        ticket.refresh_from_db()
        assert (outcome, ticket.status) in [
            ({"ok": 2}, Ticket.Status.CLOSED),
            ({"ok": 1, "NotAllowed": 1}, Ticket.Status.WAITING),
        ]


@pytest.mark.clause("M3")
def test_a_grant_and_a_hand_over_leave_no_open_grant_of_a_former_provider(rounds):
    supervisor = make_staff(Office.SUPERVISOR)
    for number in rounds:
        provider = Provider.objects.create(pk=1000 + number, name=f"Externo {number}")
        ticket = make_ticket()
        ticket_operations.hand_over(ticket.pk, supervisor=supervisor, provider=provider)
        race(
            partial(providers.grant_mail, ticket.pk, supervisor=supervisor, reason="Hace falta"),
            partial(ticket_operations.hand_over, ticket.pk, supervisor=supervisor, provider=own_provider()),
        )
        assert not MailGrant.objects.filter(ticket=ticket, ended_at=None).exists()
