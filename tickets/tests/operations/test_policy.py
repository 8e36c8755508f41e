"""Who may do what: a stranger, a colleague, an agent of ours or of a third party, an ended office (M3, M15, M16)."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine

from accounts.models import Office, Provider, User
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.testing.calls import confirm_by_phone
from factureya.testing.people import (
    give_office,
    make_agent,
    make_contact,
    make_customer,
    make_staff,
    make_superuser,
    make_user,
    own_provider,
)
from factureya.testing.tickets import make_ticket
from tickets import access, notifications, operations, policy
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
DETAIL = Ticket.WaitReason.DETAIL

AS_AGENT: dict[str, Callable[[Ticket, User], Any]] = {
    "answer": lambda t, u: operations.answer(t.pk, agent=u, body="¿Cuál?", wait_reason=DETAIL),
    "add_note": lambda t, u: operations.add_note(t.pk, agent=u, body="Ojo"),
    "take": lambda t, u: operations.take(t.pk, agent=u),
    "assign": lambda t, u: operations.assign(t.pk, agent=u, assignee=None),
    "classify": lambda t, u: operations.classify(t.pk, agent=u, category="access", impact=1),
    "hand_over": lambda t, u: operations.hand_over(t.pk, supervisor=u, provider=t.provider),
    "confirm_by_phone": lambda t, u: confirm_by_phone(t, agent=u),
}
AS_CUSTOMER: dict[str, Callable[[Ticket, User], Any]] = {
    "add_information": lambda t, u: operations.add_information(t.pk, author=u, body="Aquí está"),
    "confirm_resolved": lambda t, u: operations.confirm_resolved(t.pk, author=u),
    "follow_up": lambda t, u: operations.follow_up(t.pk, author=u, body="Otra vez"),
    "confirm_by_phone": lambda t, u: confirm_by_phone(t, contact=u),
}


def third_party() -> User:
    return make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Otro"))


def ended_agent() -> User:
    """An agent until yesterday."""
    person = make_user(is_staff=True)
    with time_machine.travel(now() - timedelta(days=9)):
        give_office(person, Office.AGENT, provider=own_provider(), ends_at=now() + timedelta(days=8))
    return person


def disabled(person: User) -> User:
    User.objects.filter(pk=person.pk).update(is_active=False)
    return User.objects.get(pk=person.pk)


NOT_AT_THE_DESK: dict[str, Callable[[Ticket], User]] = {
    "the customer himself": lambda t: t.requester,
    "a stranger": lambda t: make_contact(),
    "a third party's agent": lambda t: third_party(),
    "a superuser": lambda t: make_superuser(),
    "an officer": lambda t: make_staff(Office.SECURITY_OFFICER),
    "a developer": lambda t: make_staff(Office.DEVELOPER),
    "an agent until yesterday": lambda t: ended_agent(),
    "a disabled agent": lambda t: disabled(make_agent()),
}
NOT_OF_THE_COMPANY: dict[str, Callable[[Ticket], User]] = {
    "a stranger": lambda t: make_contact(),
    "an agent": lambda t: make_agent(),
    "a superuser": lambda t: make_superuser(),
    "a person without a company": lambda t: make_user(),
    "a disabled contact": lambda t: disabled(t.requester),
    "a colleague limited to his own": lambda t: make_contact(t.customer, own_tickets_only=True),
    "an agent with a place in the company": lambda t: promoted(make_contact(t.customer)),
}


def promoted(contact: User) -> User:
    User.objects.filter(pk=contact.pk).update(is_staff=True)
    return User.objects.get(pk=contact.pk)


def refused(ticket: Ticket, call: Callable[[], Any]) -> None:
    """NotAllowed, and the ticket and its history as they were."""
    events = Event.objects.filter(chain__startswith="ticket:")  # without those of people made meanwhile
    before = (Ticket.objects.filter(pk=ticket.pk).values().get(), events.count(), Ticket.objects.count())
    with pytest.raises(policy.NotAllowed):
        call()
    after = (Ticket.objects.filter(pk=ticket.pk).values().get(), events.count(), Ticket.objects.count())
    assert after == before


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("who", NOT_AT_THE_DESK)
@pytest.mark.parametrize("verb", AS_AGENT)
def test_nobody_else_works_the_ticket(verb: str, who: str):
    ticket = make_ticket()
    person = NOT_AT_THE_DESK[who](ticket)
    refused(ticket, lambda: AS_AGENT[verb](ticket, person))


@pytest.mark.clause("M15", "M16")
@pytest.mark.parametrize("who", NOT_OF_THE_COMPANY)
@pytest.mark.parametrize("verb", AS_CUSTOMER)
def test_nobody_else_speaks_for_the_company(verb: str, who: str):
    ticket = make_ticket(CLOSED if verb == "follow_up" else WAITING)
    person = NOT_OF_THE_COMPANY[who](ticket)
    refused(ticket, lambda: AS_CUSTOMER[verb](ticket, person))


@pytest.mark.clause("M16")
@pytest.mark.parametrize("verb", AS_CUSTOMER)
def test_a_colleague_speaks_for_the_company(verb: str):
    ticket = make_ticket(CLOSED if verb == "follow_up" else WAITING)
    AS_CUSTOMER[verb](ticket, make_contact(ticket.customer))


@pytest.mark.clause("M16")
@pytest.mark.parametrize("verb", AS_CUSTOMER)
def test_a_contact_limited_to_his_own_speaks_for_his_own(verb: str):
    author = make_contact(own_tickets_only=True)
    ticket = make_ticket(CLOSED if verb == "follow_up" else WAITING, requester=author)
    AS_CUSTOMER[verb](ticket, author)


@pytest.mark.clause("M3")
def test_an_agent_does_not_hand_over():
    ticket = make_ticket()
    refused(ticket, lambda: AS_AGENT["hand_over"](ticket, make_agent()))


@pytest.mark.clause("M3")
def test_a_third_partys_agent_works_what_he_was_given():
    ticket, irma = make_ticket(), third_party()
    provider = Provider.objects.get(pk=irma.desk_provider_ids[0])
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=provider)
    assert operations.answer(ticket.pk, agent=irma, body="¿Cuál?", wait_reason=DETAIL).assignee == irma
    refused(ticket, lambda: AS_AGENT["answer"](ticket, make_agent()))


@pytest.mark.clause("M10", "M16")
def test_only_an_active_contact_opens_a_ticket_of_his_company():
    customer, ticket = make_customer(), make_ticket()
    people = [
        make_contact(),
        make_agent(),
        make_user(),
        disabled(make_contact(customer)),
        promoted(make_contact(customer)),
    ]
    for person in people:
        refused(
            ticket,
            lambda person=person: operations.open_ticket(
                author=person, customer=customer, subject="x", body="x", category="other", impact=1
            ),
        )


@pytest.mark.clause("M3")
def test_only_our_own_desk_opens_a_ticket_by_phone():
    """A third party's agents do not look up any company's contacts, so they take no calls for it."""
    ticket = make_ticket()
    others = [make_superuser(), make_staff(Office.IMPLEMENTER), ticket.requester, ended_agent(), third_party()]
    for person in others:
        call = partial(make_ticket, requester=ticket.requester, channel="phone", agent=person)
        refused(ticket, call)
    for person in (make_agent(), make_staff(Office.SUPERVISOR)):
        assert make_ticket(requester=ticket.requester, channel="phone", agent=person).channel == "phone"


# -- Visibility: the same in SQL ---------------------------------------------------------------------


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("who", NOT_OF_THE_COMPANY)
def test_visibility_agrees_with_policy(who: str):
    ticket = make_ticket()
    person = NOT_OF_THE_COMPANY[who](ticket)
    sees = Ticket.objects.visible_to(person).filter(pk=ticket.pk).exists()
    assert sees == (policy.may_write_as_customer(person, ticket) or policy.may_work(person, ticket))


@pytest.mark.clause("M3")
@pytest.mark.parametrize("who", NOT_AT_THE_DESK)
def test_staff_sees_its_providers_tickets_only(who: str):
    ticket = make_ticket()
    person = NOT_AT_THE_DESK[who](ticket)
    assert Ticket.objects.visible_to(person).filter(pk=ticket.pk).exists() == (person == ticket.requester)


@pytest.mark.clause("M16")
def test_a_joined_companys_tickets_move_with_their_history():
    ticket, closed, target, staff = (make_ticket(WAITING), make_ticket(CLOSED), make_customer(), make_agent())
    Ticket.objects.filter(pk=closed.pk).update(customer=ticket.customer)
    state = Ticket.objects.filter(pk=ticket.pk).values("status", "closes_at", "closed_at").get()
    assert operations.move_to_customer(ticket.customer, target, actor=staff) == 2
    assert Ticket.objects.filter(pk=ticket.pk).values("status", "closes_at", "closed_at").get() == state
    event = ticket.events().latest("seq")
    assert (event.verb, event.data["after"]) == ("ticket.moved_to_company", target.pk)
    assert set(Ticket.objects.visible_to(make_contact(target))) == {ticket, closed}


@pytest.mark.clause("M16")
def test_a_link_is_void_once_the_ticket_is_not_his_to_see():
    ticket = make_ticket()
    grant = access.read_token(notifications.make_link_token(ticket.requester, ticket))
    assert access.find_holder(grant) == ticket.requester
    operations.move_to_customer(ticket.customer, make_customer(), actor=make_agent())
    with pytest.raises(access.BadLink, match="not his ticket"):
        access.find_holder(grant)


@pytest.mark.clause("M16")
def test_house_d4_an_account_closed_while_the_page_was_open_opens_no_ticket():
    stale = make_contact()  # as the page read the person, before the account was closed
    User.objects.filter(pk=stale.pk).update(is_active=False)
    with pytest.raises(policy.NotAllowed):
        make_ticket(requester=stale)
    assert not Ticket.objects.exists()
