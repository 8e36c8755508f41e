"""What raw SQL cannot do to charges and minutes, on either engine: each attempt is refused by name (M18)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models

from accounts.models import Office, Provider
from factureya.core import audit, clock
from factureya.core.record import state
from factureya.testing.charges import accepted, decide, note, propose
from factureya.testing.people import Neighbours, make_agent, make_neighbours, make_staff
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_as_owner,
    execute_bare,
    insert,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations
from tickets.charges import guards
from tickets.charges.operations import void_time
from tickets.models import ChargeLine, ChargeProposal, Ticket, TimeEntry

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M18")]
SECOND = timedelta(seconds=1)


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def forge(ticket: Ticket, verb: str, number: int) -> None:
    """Write the event that the next statement needs, as a forger inside the program could."""
    audit.record(f"ticket.{verb}", ticket, actor=None, number=number)


def accept_raw(charge: ChargeProposal, cast: Neighbours, *, forged: bool = True, **columns: Any) -> None:
    """UPDATE a charge to accepted, as Ana would have done it, with a forged event before it."""
    if forged:
        forge(charge.ticket, f"charge_{columns.get('status', 'accepted')}", charge.seq)
    row = {
        "status": "accepted",
        "ended_at": clock.now(),
        "ended_by_id": cast.ana.pk,
        "representative_id": cast.ana.representations.get().pk,
        **columns,
    }
    update(charge, **row)


# -- The terms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"status": "free"}, "charge_status_is_known"),
        ({"minutes": 0}, "charge_has_minutes_and_price"),
        ({"minutes": 6001}, "charge_has_minutes_and_price"),
        ({"rate_cents": 1_000_001}, "charge_has_minutes_and_price"),
        ({"subtotal_cents": 0, "tax_cents": 0, "total_cents": 0}, "charge_has_minutes_and_price"),
        ({"tax_cents": 14_401, "total_cents": 104_401}, "charge_tax_is_of_its_rate"),
        ({"tax_cents": 14_399, "total_cents": 104_399}, "charge_tax_is_of_its_rate"),
        ({"tax_rate": 10_001}, "charge_tax_is_of_its_rate"),
        ({"total_cents": 104_401}, "charge_total_is_the_sum"),
        ({"reason": ""}, "charge_has_reason"),
        ({"status": "withdrawn"}, "charge_ends_whole"),
    ],
)
def test_a_wrong_row_is_refused_even_to_the_owner(cast: Neighbours, columns: dict[str, Any], name: str) -> None:
    charge = propose(cast)
    pairs = ", ".join(f"{column} = %s" for column in columns)
    with refused_by(name, *(["charge_ends_whole"] if "status" in columns else [])):  # PostgreSQL names either
        execute_as_owner(f"UPDATE tickets_chargeproposal SET {pairs} WHERE id = %s", *columns.values(), charge.pk)


@pytest.mark.parametrize(
    "columns",
    [
        {"minutes": 60},
        {"rate_cents": 90_000},
        {"total_cents": 1},
        {"reason": "Otra"},
        {"expires_at": clock.now() + timedelta(days=90)},
        {"seq": 7},
        {"message_id": 1},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_what_was_proposed_never_changes(cast: Neighbours, columns: dict[str, Any]) -> None:
    with refused_by("charge_terms_never_change"):
        update(propose(cast), **columns)


def test_a_charge_is_born_proposed(cast: Neighbours) -> None:
    charge = decide(propose(cast), cast.ana, accepts=False)
    fresh = ticket_operations.answer(
        charge.ticket_id, agent=make_agent(), body="¿Autoriza?", wait_reason="authorization"
    )
    message, now = fresh.messages.get(seq=3), clock.now()
    with refused_by("charge_born_proposed"):
        forge(fresh, "charge_proposed", 2)
        insert(charge, seq=2, message_id=message.pk, proposed_at=now, expires_at=now + SECOND)


def test_a_copied_charge_has_no_event_no_wait_and_no_supervisor(cast: Neighbours) -> None:
    charge = propose(cast)
    fresh = ticket_operations.answer(
        make_ticket(requester=cast.ana).pk, agent=make_agent(), body="¿Autoriza?", wait_reason="authorization"
    )
    message = fresh.messages.get(seq=2).pk
    now = clock.now()
    row = {"ticket_id": fresh.pk, "seq": 1, "message_id": message, "proposed_at": now, "expires_at": now + SECOND}
    with refused_by("charge_proposed_in_an_event"):
        insert(charge, **row)
    agent = make_agent()
    with refused_by("charge_proposed_by_supervisor"):
        forge(fresh, "charge_proposed", 1)
        insert(charge, **row, proposed_by_id=agent.pk)
    for columns in ({"message_id": fresh.messages.get(seq=1).pk}, {"expires_at": now - SECOND}):
        with refused_by("charge_waits_for_authorization"):
            forge(fresh, "charge_proposed", 1)
            insert(charge, **{**row, **columns})
    waiting = ticket_operations.answer(fresh.pk, agent=agent, body="¿Y?", wait_reason="detail")
    with refused_by("charge_waits_for_authorization"):
        forge(fresh, "charge_proposed", 1)
        insert(charge, **{**row, "message_id": waiting.messages.get(seq=3).pk})


def test_two_undecided_charges_of_a_ticket(cast: Neighbours) -> None:
    charge = propose(cast)
    answered = ticket_operations.answer(
        charge.ticket_id, agent=make_agent(), body="¿Autoriza?", wait_reason="authorization"
    )
    with refused_by("one_undecided_charge_per_ticket", "charge_undecided_is_alone", "charge_proposed_in_an_event"):
        insert(charge, seq=2, message_id=answered.messages.last().pk, proposed_at=clock.now())
    sql, params = copy_statement(ChargeProposal, charge.pk, "INSERT", seq=2, message_id=answered.messages.last().pk)
    with refused_by("one_undecided_charge_per_ticket", "UNIQUE constraint"):
        execute_as_owner(sql, *params)
    sql, params = copy_statement(ChargeProposal, charge.pk, "INSERT", message_id=answered.messages.last().pk)
    with refused_by("one_charge_per_number", "UNIQUE constraint", "one_undecided"):
        execute_as_owner(sql, *params)


# -- The lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns", [{"seq": 3}, {"seq": 3, "minutes": 1, "amount_cents": 1}, {"seq": 3, "minutes": 1, "amount_cents": 750}]
)
def test_a_line_more_does_not_fit(cast: Neighbours, columns: dict[str, Any]) -> None:
    charge = propose(cast)
    with refused_by("charge_line_fits"):
        insert(charge.lines.get(seq=2), **columns)


def test_lines_stay(cast: Neighbours) -> None:
    line = propose(cast).lines.get(seq=1)
    with refused_by("tickets_chargeline_no_update"):
        update(line, minutes=1)
    with refused_by("tickets_chargeline_no_delete"):
        execute("DELETE FROM tickets_chargeline WHERE id = %s", line.pk)
    with refused_by("charge_line_has_work"):
        execute_as_owner("UPDATE tickets_chargeline SET work = '' WHERE id = %s", line.pk)
    with refused_by("one_charge_line_per_number", "UNIQUE constraint"):
        execute_as_owner("UPDATE tickets_chargeline SET seq = 2 WHERE id = %s", line.pk)


def test_what_does_not_add_up_is_not_accepted(cast: Neighbours) -> None:
    charge = propose(cast)
    execute_as_owner("DELETE FROM tickets_chargeline WHERE charge_id = %s AND seq = 2", charge.pk)
    with refused_by("charge_accepted_adds_up"):
        accept_raw(charge, cast)


# -- The decision ------------------------------------------------------------------------------------


def test_nobody_accepts_past_the_operation(cast: Neighbours) -> None:
    charge = propose(cast)
    with refused_by("charge_ended_in_an_event"):
        accept_raw(charge, cast, forged=False)
    with refused_by("charge_ended_in_an_event"):  # an event about another charge
        forge(charge.ticket, "charge_accepted", 7)
        accept_raw(charge, cast, forged=False)


def test_only_powers_in_force_decide(cast: Neighbours) -> None:
    charge = propose(cast)
    hers = cast.ana.representations.get().pk
    strangers = [
        {"ended_by_id": cast.beto.pk},
        {"ended_by_id": cast.laura.pk},
        {"ended_by_id": cast.carla.pk, "representative_id": cast.carla.representations.get().pk},
        {"ended_by_id": cast.dana.pk, "representative_id": hers},
    ]
    for columns in strangers:
        with refused_by("charge_decided_by_representative"):
            accept_raw(charge, cast, **columns)
        with refused_by("charge_decided_by_representative"):
            accept_raw(charge, cast, **columns, status="declined")
    past = "UPDATE accounts_representative SET valid_from = '2019-01-01', valid_until = '2020-01-01' WHERE id = %s"
    execute_as_owner(past, hers)
    with refused_by("charge_decided_by_representative"):
        accept_raw(charge, cast)


def test_nothing_is_accepted_late_early_or_on_a_closed_ticket(cast: Neighbours) -> None:
    charge = propose(cast)
    for instant in (charge.expires_at + SECOND, charge.proposed_at - SECOND):
        with refused_by("charge_decided_in_time"):
            accept_raw(charge, cast, ended_at=instant)
    ticket_operations.confirm_resolved(charge.ticket_id, author=cast.ana)
    with refused_by("charge_decided_in_time"):
        accept_raw(charge, cast)


@pytest.mark.parametrize("accepts", [True, False])
def test_a_decision_is_final(cast: Neighbours, accepts: bool) -> None:
    charge = decide(propose(cast), cast.ana, accepts=accepts)
    other = "declined" if accepts else "accepted"
    undecided = {"status": "proposed", "ended_at": None, "ended_by_id": None, "representative_id": None}
    for columns in ({"status": other}, {"ended_at": clock.now()}, {"note": "x"}, undecided):
        with refused_by("charge_end_is_final"):
            forge(charge.ticket, f"charge_{columns.get('status', charge.status)}", charge.seq)
            update(charge, **columns)


@pytest.mark.parametrize("missing", ["ended_at", "ended_by_id", "representative_id"])
def test_a_decision_names_who_when_and_by_which_powers(cast: Neighbours, missing: str) -> None:
    charge = propose(cast)
    with refused_by("charge_ends_whole", "charge_decided_by_representative"):
        accept_raw(charge, cast, **{missing: None})
    with refused_by("charge_ends_whole"):
        execute_as_owner("UPDATE tickets_chargeproposal SET status = 'accepted' WHERE id > 0")


def test_who_withdraws_is_a_supervisor(cast: Neighbours) -> None:
    charge = propose(cast)
    end = {"status": "withdrawn", "ended_at": clock.now(), "note": "x"}
    agent = make_agent()
    with refused_by("charge_withdrawn_by_supervisor"):
        forge(charge.ticket, "charge_withdrawn", 1)
        update(charge, **end, ended_by_id=agent.pk)
    with refused_by("charge_ended_in_an_event"):
        update(charge, **end, ended_by_id=cast.laura.pk)


# -- Minutes -----------------------------------------------------------------------------------------


def test_minutes_are_billed_only_on_an_accepted_charge(cast: Neighbours) -> None:
    undecided, foreign = propose(cast), accepted(cast)
    entry = note(undecided.ticket, 35)
    for charge in (undecided, foreign):
        with refused_by("time_billed_only_if_accepted"):
            forge(entry.ticket, "time_noted", 2)
            insert(entry, seq=2, charge_id=charge.pk, form_key=None)
        with refused_by("time_entry_never_changes"):
            update(entry, charge_id=charge.pk)
    mine = note(foreign.ticket, 5)
    with refused_by("time_billed_only_if_accepted"):
        forge(mine.ticket, "time_noted", 2)
        insert(mine, seq=2, charge_id=foreign.pk, created_at=foreign.ended_at - SECOND)
    with refused_by("time_entry_in_an_event"):
        insert(mine, seq=2, charge_id=foreign.pk)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"minutes": 0}, "time_entry_has_minutes_and_work"),
        ({"minutes": 721}, "time_entry_has_minutes_and_work"),
        ({"work": ""}, "time_entry_has_minutes_and_work"),
        ({"void_reason": "x"}, "time_entry_voided_whole"),
        ({"voided_at": datetime(2026, 11, 24, tzinfo=UTC), "void_reason": "x"}, "time_entry_voided_whole"),
    ],
    ids=str,
)
def test_wrong_minutes_are_refused_even_to_the_owner(cast: Neighbours, columns: dict[str, Any], name: str) -> None:
    entry = note(make_ticket(requester=cast.ana), 5)
    pairs = ", ".join(f"{column} = %s" for column in columns)
    with refused_by(name):
        execute_as_owner(f"UPDATE tickets_timeentry SET {pairs} WHERE id = %s", *columns.values(), entry.pk)


def test_noted_minutes_stay_and_are_voided_once(cast: Neighbours) -> None:
    entry = note(make_ticket(requester=cast.ana), 5)
    for columns in ({"minutes": 50}, {"work": "Otra"}, {"agent_id": cast.laura.pk}, {"seq": 4}):
        with refused_by("time_entry_never_changes"):
            update(entry, **columns)
    void = {"voided_at": clock.now(), "voided_by_id": entry.agent_id, "void_reason": "x"}
    for columns in ({}, {"voided_by_id": cast.ana.pk}):
        with refused_by("time_entry_voided_in_an_event"):
            update(entry, **{**void, **columns})
    with refused_by("time_entry_voided_in_an_event"):  # by a stranger, with a forged event
        forge(entry.ticket, "time_voided", 1)
        update(entry, **{**void, "voided_by_id": cast.ana.pk})
    void_time(entry.ticket_id, agent=cast.laura, seq=1, reason="Eran 3")
    with refused_by("time_entry_never_changes"):
        update(entry, voided_at=None, voided_by_id=None, void_reason="")
    with refused_by("time_entry_born_valid"):
        forge(entry.ticket, "time_noted", 2)
        insert(TimeEntry.objects.get(pk=entry.pk), seq=2)


def test_only_the_desk_notes_minutes(cast: Neighbours) -> None:
    entry = note(make_ticket(requester=cast.ana), 5)
    external = Provider.objects.create(name="Soporte Externo")
    for person in (cast.ana, cast.elsa, make_staff(Office.THIRD_PARTY_AGENT, provider=external)):
        with refused_by("time_entry_by_the_desk"):
            forge(entry.ticket, "time_noted", 2)
            insert(entry, seq=2, agent_id=person.pk)
    with refused_by("one_time_entry_per_number", "UNIQUE constraint"):
        sql, params = copy_statement(TimeEntry, entry.pk, "INSERT", agent_id=cast.laura.pk)
        execute_as_owner(sql, *params)


# -- All rows ----------------------------------------------------------------------------------------


def rows_of(cast: Neighbours) -> list[models.Model]:
    charge = accepted(cast)
    return [charge, charge.lines.get(seq=1), note(charge.ticket, 5, charge)]


def test_nothing_is_deleted(cast: Neighbours) -> None:
    for row in reversed(rows_of(cast)):
        table = row._meta.db_table
        with refused_by(f"{table}_no_delete"):
            execute(f"DELETE FROM {table} WHERE id = %s", row.pk)


@postgres_only
def test_nothing_is_truncated(cast: Neighbours) -> None:
    rows = rows_of(cast)
    connection.check_constraints()  # PostgreSQL truncates no table with a pending check
    for row in rows:
        with refused_by(f"{row._meta.db_table}_no_truncate"):
            execute(f"TRUNCATE {row._meta.db_table} CASCADE")


@sqlite_only
def test_nothing_is_replaced(cast: Neighbours) -> None:
    for row in rows_of(cast):
        sql, params = copy_statement(type(row), row.pk, "INSERT OR REPLACE", id=row.pk)
        for run in (execute, execute_bare):
            with refused_by(f"{row._meta.db_table}_no_replace", "charge_", "time_"):
                run(sql, *params)
    charge = propose(cast)
    sql, params = copy_statement(ChargeProposal, charge.pk, "INSERT OR REPLACE", seq=2, message_id=1)
    for run in (execute, execute_bare):
        with refused_by("charge_undecided_is_alone", "charge_"):
            run(sql, *params)


def test_each_guard_and_constraint_is_attacked_here() -> None:
    source = Path(__file__).read_text("utf-8")
    names = {guard.name for guard in guards.GUARDS if guard.table not in guard.name}
    for model in (ChargeProposal, ChargeLine, TimeEntry):
        names |= {constraint.name for constraint in model._meta.constraints}
    assert not {name for name in names if f'"{name}"' not in source}


@pytest.mark.clause("M26")
def test_the_state_check_finds_what_the_owner_of_the_tables_forged(cast: Neighbours) -> None:
    rows_of(cast)
    assert not [flaw for flaw in state.find_flaws() if flaw.chain.startswith("ticket:")]
    forgeries = [
        "UPDATE tickets_chargeproposal SET minutes = 121",
        "UPDATE tickets_chargeline SET work = 'Otro' WHERE seq = 1",
        "UPDATE tickets_timeentry SET minutes = 50",
    ]
    for number, forgery in enumerate(forgeries, start=1):
        execute_as_owner(forgery)
        flaws = [flaw.problem for flaw in state.find_flaws() if flaw.chain.startswith("ticket:")]
        assert len(flaws) == (1 if number < 3 else 2), flaws
    execute_as_owner("DELETE FROM tickets_timeentry")
    assert "ya no está" in [flaw.problem for flaw in state.find_flaws()][-1]
    assert not list(audit.find_flaws())
