"""What raw SQL cannot do to merges and splits, on either engine; what `verify_audit` finds of a forger (M11, M26)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Provider
from factureya.core import audit, clock
from factureya.testing.charges import propose
from factureya.testing.people import Cast, make_agent, make_contact
from factureya.testing.raw_sql import copy_statement, execute, execute_as_owner, insert, refused_by, sqlite_only, update
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.merging import guards, state_checks
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]


def make_pair(status: str = "open") -> tuple[Ticket, Ticket]:
    ana = make_contact()
    return make_ticket(status, requester=ana), make_ticket(requester=ana)


def make_merged(status: str = "open") -> tuple[Ticket, Ticket]:
    ticket, survivor = make_pair(status)
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    ticket.refresh_from_db()
    return ticket, survivor


def point(ticket: Ticket, target: Ticket, **columns: Any) -> None:
    update(ticket, merged_into_id=target.pk, merged_at=clock.now(), **columns)


def test_both_columns_of_a_merge_or_neither():
    ticket, survivor = make_pair()
    with refused_by("merged_has_instant"):
        update(ticket, merged_into_id=survivor.pk)
    with refused_by("merged_has_instant"):
        update(ticket, merged_at=clock.now())


def test_a_ticket_points_not_to_itself():
    ticket = make_ticket()
    with refused_by("ticket_is_not_merged_into_itself", "ticket_merged_into_its_like"):
        point(ticket, ticket)


def test_a_merge_joins_one_company_one_provider_and_live_tickets():
    ticket, survivor = make_pair()
    with refused_by("ticket_merged_into_its_like"):
        point(ticket, make_ticket())
    with refused_by("ticket_merged_into_its_like"):
        point(ticket, make_ticket("closed", requester=ticket.requester))
    merged, _into = make_merged()
    with refused_by("ticket_merged_into_its_like"):
        point(make_ticket(requester=merged.requester), merged)
    update(survivor, provider_id=Provider.objects.create(name="Otro").pk)
    with refused_by("ticket_merged_into_its_like"):
        point(ticket, survivor)


def test_no_circle_is_made():
    ticket, survivor = make_merged()
    with refused_by("ticket_merged_into_its_like"):
        point(survivor, ticket)


def test_a_pointer_is_cleared_before_it_points_elsewhere():
    ticket, _survivor = make_merged()
    third = make_ticket(requester=ticket.requester)
    with refused_by("ticket_merge_points_once"):
        point(ticket, third)
    with refused_by("ticket_merge_points_once"):
        update(ticket, merged_at=clock.now())


def test_a_merge_is_taken_back_with_its_event():
    ticket, _survivor = make_merged()
    with refused_by("ticket_merge_is_taken_back_in_time"):
        update(ticket, merged_into_id=None, merged_at=None)


def take_back(days: int, seconds: int) -> None:
    """Write what an undo writes, so long after the merge, without asking whether it is in time."""
    ticket, survivor = make_merged()
    assert ticket.merged_at is not None
    later = ticket.merged_at + timedelta(days=days, seconds=seconds)
    with clock.at(later), transaction.atomic():
        audit.record("ticket.unmerged", ticket, actor=make_agent(), left=survivor.number, closes_at=None)
        update(ticket, merged_into_id=None, merged_at=None)


def test_a_merge_is_taken_back_within_thirty_days():
    take_back(30, 0)
    with refused_by("ticket_merge_is_taken_back_in_time"):
        take_back(30, 1)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("closes_at", "later"),
        ("waiting_since", "later"),
        ("wait_reason", "authorization"),
        ("status", "open"),
        ("reply_due_at", "later"),
        ("customer_waits_since", "later"),
        ("message_count", 9),
    ],
)
def test_a_merged_ticket_stands_still(column: str, value: Any):
    merged, _into = make_merged("waiting")
    with refused_by("ticket_merged_stands_still"):
        update(merged, **{column: clock.now() if value == "later" else value})


def test_a_merged_ticket_is_not_closed():
    ticket, _survivor = make_merged("waiting")
    with refused_by("closed_is_not_merged", "ticket_merged_stands_still"):
        update(ticket, status="closed", closed_reason="confirmed", closed_at=clock.now())
    closed = make_ticket("closed")
    with refused_by("closed_is_not_merged"):
        point(closed, make_ticket(requester=closed.requester))


def test_a_ticket_is_not_born_merged():
    ticket, survivor = make_pair()
    with refused_by("ticket_born_unmerged"):
        insert(ticket, number="FY-0000-0000", merged_into_id=survivor.pk, merged_at=clock.now(), reminder_id=None)


def test_no_message_is_written_into_a_merged_ticket():
    ticket, _survivor = make_merged()
    with refused_by("message_not_in_merged_ticket"):
        insert(ticket.messages.get(), seq=2, form_key=None)


def make_split() -> tuple[Ticket, Message]:
    ticket = make_ticket("waiting")
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa")
    message = ticket.messages.latest("seq")
    return operations.split_message(ticket.pk, agent=make_agent(), message_pk=message.pk, subject="Otro"), message


def test_a_split_is_of_a_customers_later_message_of_his_company():
    ticket = make_ticket("waiting")
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa")
    for message in (ticket.messages.get(seq=1), ticket.messages.get(seq=2)):
        with refused_by("ticket_split_from_a_customers_message"):
            insert(ticket, number="FY-0000-0000", split_from_id=message.pk, reminder_id=None)
    with refused_by("ticket_split_from_a_customers_message"):
        insert(make_ticket(), number="FY-0000-0000", split_from_id=ticket.messages.get(seq=3).pk, reminder_id=None)


def test_a_message_is_split_once_and_for_good():
    split, message = make_split()
    with refused_by("split_from", "row exists"):
        insert(split, number="FY-0000-0000", reminder_id=None)
    with refused_by("ticket_split_never_changes"):
        update(split, split_from_id=None)
    with refused_by("ticket_split_never_changes"):
        update(message.ticket, split_from_id=message.pk)


@sqlite_only
def test_insert_or_replace_replaces_no_split():
    split, _message = make_split()
    sql, params = copy_statement(Ticket, split.pk, "INSERT OR REPLACE", number="FY-0000-0000", reminder_id=None)
    with refused_by("row exists"):
        execute(sql, *params)


def test_a_ticket_with_an_undecided_charge_is_not_merged():
    cast = Cast()
    ticket, survivor = propose(cast).ticket, make_ticket(requester=cast.ana)
    with refused_by("ticket_merged_has_no_undecided_charge"):
        point(ticket, survivor)


def test_every_guard_is_attacked_here():
    source = Path(__file__).read_text()
    assert not [guard.name for guard in guards.GUARDS if f'"{guard.name}"' not in source]


# -- What the record says ----------------------------------------------------------------------------


def flaws() -> list[str]:
    connection.check_constraints()
    return [flaw.problem for flaw in state_checks.find_flaws()]


def test_the_record_agrees_with_what_operations_do():
    ticket, _survivor = make_merged()
    make_split()
    assert not flaws()
    operations.undo_merge(ticket.pk, agent=make_agent())
    assert not flaws()


@pytest.mark.clause("M26")
def test_a_pointer_that_no_event_tells_is_found():
    ticket, survivor = make_pair()
    point(ticket, survivor)  # the guards let it pass: it is one that an operation could write
    assert flaws() == [f"{ticket}: no está combinado como dicen sus eventos"]


@pytest.mark.clause("M26")
def test_a_cleared_pointer_is_found():
    ticket, _survivor = make_merged()
    execute_as_owner("UPDATE tickets_ticket SET merged_into_id = NULL, merged_at = NULL WHERE id = %s", ticket.pk)
    assert flaws() == [f"{ticket}: no está combinado como dicen sus eventos"]


@pytest.mark.clause("M26")
def test_a_pointer_to_another_is_found():
    ticket, _survivor = make_merged()
    third = make_ticket(requester=ticket.requester)
    execute_as_owner("UPDATE tickets_ticket SET merged_into_id = %s WHERE id = %s", third.pk, ticket.pk)
    assert flaws() == [f"{ticket}: no está combinado como dicen sus eventos"]


@pytest.mark.clause("M26")
def test_a_split_from_another_message_is_found():
    split, message = make_split()
    other = message.ticket.messages.get(seq=1)
    execute_as_owner("UPDATE tickets_ticket SET split_from_id = %s WHERE id = %s", other.pk, split.pk)
    assert flaws() == [f"{split}: no se separó del mensaje que dice su evento"]
