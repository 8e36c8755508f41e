"""Merges against merges, messages, closes and each other, with real threads on PostgreSQL (M11)."""

from functools import partial
from typing import Any

import pytest

from accounts.models import Office, Provider, User
from factureya.core import clock
from factureya.testing.people import make_agent, make_contact, make_staff, own_provider
from factureya.testing.races import kinds, race
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.merging import family
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M11")]

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED


@pytest.fixture
def agent() -> User:
    own_provider()
    return make_agent()


@pytest.fixture
def ana(agent: User) -> User:
    return make_contact()


def make_tickets(ana: User, count: int, status: str = OPEN) -> list[Ticket]:
    return [make_ticket(status, requester=ana) for _ in range(count)]


def merge(ticket: Ticket, into: Ticket, agent: User) -> Any:
    return partial(operations.merge_ticket, ticket.pk, agent=agent, into_pk=into.pk)


def write(ticket: Ticket, ana: User, body: str) -> Any:
    return partial(operations.add_information, ticket.pk, author=ana, body=body)


def read(ticket: Ticket, ana: User) -> list[str]:
    survivor = Ticket.objects.get(pk=ticket.pk).find_survivor()
    return list(family.read_family(survivor, ana).select_messages().values_list("body", flat=True))


def test_two_tickets_merged_into_each_other_make_no_circle(rounds: range, ana: User, agent: User):
    for _turn in rounds:
        first, second = make_tickets(ana, 2)
        results = race(merge(first, second, agent), merge(second, first, agent))
        assert kinds(results) == {"ok": 1, "TicketMerged": 1}, results
        assert Ticket.objects.filter(pk__in=[first.pk, second.pk], merged_into__isnull=False).count() == 1


def test_three_in_a_row_wait_for_each_other_in_no_circle(rounds: range, ana: User, agent: User):
    for _turn in rounds:
        first, second, third = make_tickets(ana, 3)
        results = race(merge(first, second, agent), merge(second, third, agent), merge(third, first, agent))
        assert set(kinds(results)) <= {"ok", "TicketMerged"}, results
        for ticket in (first, second, third):
            survivor = Ticket.objects.get(pk=Ticket.objects.find_survivor_pk(ticket.pk))
            assert not survivor.is_merged


def test_a_message_and_a_merge(rounds: range, ana: User, agent: User):
    for turn in rounds:
        ticket, survivor = make_tickets(ana, 2)
        body = f"Sigo igual {turn}"
        results = race(write(ticket, ana, body), merge(ticket, survivor, agent), write(survivor, ana, body + " B"))
        assert kinds(results) == {"ok": 3}, results
        assert sorted(read(ticket, ana)).count(body) == 1
        assert read(survivor, ana).count(body + " B") == 1


def test_a_message_and_an_undo(rounds: range, ana: User, agent: User):
    for turn in rounds:
        ticket, survivor = make_tickets(ana, 2)
        merge(ticket, survivor, agent)()
        body = f"Sigo igual {turn}"
        undo = partial(operations.undo_merge, ticket.pk, agent=agent)
        results = race(write(ticket, ana, body), undo, write(ticket, ana, body + " B"), undo)
        assert kinds(results) == {"ok": 3, "WrongStatus": 1}, results
        assert Message.objects.filter(body__startswith=body).count() == 2
        assert (read(ticket, ana) + read(survivor, ana)).count(body) == 1


def test_a_message_to_the_first_of_a_growing_chain(rounds: range, ana: User, agent: User):
    for turn in rounds:
        first, second, third = make_tickets(ana, 3)
        merge(first, second, agent)()
        body = f"Sigo igual {turn}"
        results = race(write(first, ana, body), merge(second, third, agent), write(third, ana, "Otra"))
        assert kinds(results) == {"ok": 3}, results
        assert read(third, ana).count(body) == 1


def test_a_merge_and_the_close_by_silence(rounds: range, ana: User, agent: User):
    for _turn in rounds:
        (ticket,) = make_tickets(ana, 1, WAITING)
        (survivor,) = make_tickets(ana, 1)
        assert ticket.closes_at is not None
        with clock.at(ticket.closes_at):
            confirm = partial(operations.confirm_resolved, ticket.pk, author=ana)
            results = race(merge(ticket, survivor, agent), confirm)
        ticket.refresh_from_db()
        survivor.refresh_from_db()
        if ticket.is_merged:  # the confirmation came after: the customer has not read the other ticket
            assert (ticket.status, survivor.status) == (WAITING, OPEN), results
            assert kinds(results) == {"ok": 1, "TicketMerged": 1}, results
        else:
            assert (ticket.status, survivor.status) == (CLOSED, OPEN), results


@pytest.mark.clause("M3")
def test_a_hand_over_and_an_undo_do_not_wait_for_each_other(rounds: range, ana: User):
    laura, external = make_staff(Office.SUPERVISOR), Provider.objects.create(pk=2000, name="Externo")
    for _turn in rounds:
        first, second, third = make_tickets(ana, 3)
        for ticket in (first, second):
            merge(ticket, third, laura)()
        give = partial(operations.hand_over, third.pk, supervisor=laura, provider=external)
        undo = partial(operations.undo_merge, first.pk, agent=laura)
        assert kinds(race(give, undo)) == {"ok": 2}
        providers = [Ticket.objects.get(pk=each.pk).provider for each in (second, third)]
        assert providers == [external, external]


def test_a_split_from_the_survivor_and_an_undo_do_not_wait_for_each_other(rounds: range, ana: User, agent: User):
    for turn in rounds:
        first, second = make_tickets(ana, 2)
        merged, survivor = (first, second) if turn % 2 else (second, first)
        operations.add_information(merged.pk, author=ana, body="Otra cosa")
        said = merged.messages.latest("seq")
        merge(merged, survivor, agent)()
        split = partial(operations.split_message, survivor.pk, agent=agent, message_pk=said.pk, subject="Otra")
        undo = partial(operations.undo_merge, merged.pk, agent=agent)
        found = kinds(race(split, undo))
        assert found in ({"ok": 2}, {"ok": 1, "WrongStatus": 1})
        assert Ticket.objects.filter(split_from=said).count() == found["ok"] - 1


def test_a_message_is_split_once(rounds: range, ana: User, agent: User):
    for _turn in rounds:
        (ticket,) = make_tickets(ana, 1)
        operations.add_information(ticket.pk, author=ana, body="Otra cosa")
        said = ticket.messages.latest("seq")
        split = partial(operations.split_message, ticket.pk, agent=agent, message_pk=said.pk, subject="Otra")
        assert kinds(race(split, split)) == {"ok": 1, "WrongStatus": 1}
        assert Ticket.objects.filter(split_from=said).count() == 1
