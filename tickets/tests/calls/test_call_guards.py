"""What raw SQL cannot do to a call: each attempt is refused by the named constraint or trigger (M5)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from factureya.core import audit, clock
from factureya.core.record.state import find_flaws as find_changed_rows
from factureya.testing.calls import confirm_by_phone, make_verified_call
from factureya.testing.people import make_agent, make_contact, own_provider
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
from tickets.calls import guards, operations
from tickets.calls.state import find_flaws
from tickets.models import Call

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5")]
SECOND = timedelta(seconds=1)


@pytest.fixture
def call() -> Call:
    """A call in which a code was mailed and not read back yet."""
    own_provider()
    agent = make_agent()
    call = operations.start_call(agent=agent, contact=make_contact())
    return operations.send_code(call.pk, agent=agent)


def _verify(call: Call, *, after: timedelta = SECOND, **columns: Any) -> None:
    """UPDATE a call to verified, with a forged event before it, as a forger inside the program could."""
    assert call.code_sent_at is not None
    instant = call.code_sent_at + after
    with clock.at(instant):
        audit.record("call.verified", call, actor=call.agent, to=columns.get("code_to", call.code_to))
    update(call, **{"verified_at": instant, "code_digest": "", **columns})


def test_a_call_is_not_verified_without_the_event_of_its_agent_and_mailbox(call):
    columns = {"verified_at": call.code_sent_at + SECOND, "code_digest": ""}
    with refused_by("call_verified_in_an_event"):
        update(call, **columns)
    forged = [{"actor": make_agent(), "to": call.code_to}, {"actor": call.agent, "to": "otro@malo.mx"}]
    for event in forged:
        with refused_by("call_verified_in_an_event"), clock.at(columns["verified_at"]):
            audit.record("call.verified", call, **event)
            update(call, **columns)
    with refused_by("call_verified_in_an_event"):  # an event of another instant
        with clock.at(columns["verified_at"] + timedelta(minutes=5)):
            audit.record("call.verified", call, actor=call.agent, to=call.code_to)
        update(call, **columns)


def test_only_what_the_code_allows_passes(call):
    _verify(call, after=timedelta(minutes=10))
    assert Call.objects.get(pk=call.pk).verified_at is not None


@pytest.mark.parametrize("minutes", [-1, 11])
def test_a_call_is_not_verified_before_or_long_after_its_code(call, minutes):
    with refused_by("call_verified_only_by_its_code"):
        _verify(call, after=timedelta(minutes=minutes))


def test_a_call_is_not_verified_with_its_code_still_in_force(call):
    with refused_by("call_verified_only_by_its_code", "call_verified_has_contact_and_mailbox"):
        _verify(call, code_digest=call.code_digest)


@pytest.mark.parametrize("columns", [{"code_to": "otro@malo.mx"}, {"code_tries": 1}])
def test_a_call_is_not_verified_for_another_mailbox_or_with_other_tries(call, columns):
    with refused_by("call_verified_only_by_its_code"):
        _verify(call, **columns)


def test_a_call_is_not_verified_without_a_code_without_tries_or_after_its_end(call):
    update(call, code_tries=3)
    with refused_by("call_verified_only_by_its_code"):
        _verify(call)
    bare = operations.start_call(agent=call.agent, contact=make_contact())
    with refused_by("call_verified_only_by_its_code", "call_verified_in_an_event"):
        update(bare, verified_at=clock.now(), code_to="a@b.mx")
    update(bare, ended_at=clock.now())
    with refused_by("call_verified_only_by_its_code", "call_ended_is_final", "call_verified_in_an_event"):
        update(bare, verified_at=clock.now(), code_to="a@b.mx")


def test_a_verification_is_not_moved_or_taken_back(call):
    verified = make_verified_call(call.contact, agent=call.agent)
    for moment in (clock.now() + SECOND, None):
        with refused_by("call_verified_only_by_its_code", "call_verified_in_an_event"):
            update(verified, verified_at=moment)


@pytest.mark.parametrize(
    ("columns", "guard"),
    [
        ({"code_tries": 4}, "call_code_has_three_tries"),
        ({"code_digest": "x", "code_to": ""}, "call_code_names_its_mailbox"),
        ({"kind": "gift"}, "call_kind_is_known"),
        ({"handled_at": clock.now()}, "call_handled_names_who"),
        ({"caller_name": "Otra"}, "call_facts_never_change"),
        ({"started_at": clock.now()}, "call_facts_never_change"),
        ({"contact_id": None}, "call_facts_never_change|call_names_who_calls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_column_that_may_not_hold_it(call, columns, guard):
    with refused_by(*guard.split("|")):
        update(call, **columns)


def test_tries_and_time_of_a_code_are_not_given_back(call):
    update(call, code_tries=2)
    for columns in ({"code_tries": 1}, {"code_sent_at": clock.now() + SECOND}, {"code_to": "otro@malo.mx"}):
        with refused_by("call_code_tries_are_not_given_back"):
            update(call, **columns)


def test_an_ended_call_is_final(call):
    operations.end_call(call.pk, agent=call.agent)
    for columns in ({"ended_at": None}, {"code_tries": 1}, {"kind": "sales"}):
        with refused_by("call_ended_is_final"):
            update(call, **columns)
    with refused_by("call_ends_after_it_starts", "call_ended_is_final"):
        update(call, ended_at=call.started_at - SECOND)


def test_a_call_does_not_end_before_it_starts(call):
    with refused_by("call_ends_after_it_starts"):
        update(call, ended_at=call.started_at - SECOND)


def test_a_call_about_sales_names_its_caller_and_who_handled_it():
    own_provider()
    agent = make_agent()
    sale = operations.note_sale(agent=agent, caller_name="Luis", caller_phone="222", note="")
    with refused_by("call_names_who_calls"):
        insert(sale, caller_phone="")
    with refused_by("call_names_who_calls"):
        insert(sale, kind="support")
    operations.handle_sale(sale.pk, agent=agent)
    with refused_by("call_handled_once"):
        update(sale, handled_by_id=make_agent().pk)


def test_a_call_is_not_born_verified(call):
    operations.end_call(call.pk, agent=call.agent)
    for columns in ({"code_tries": 1}, {"code_digest": "x"}, {"verified_at": clock.now()}):
        with refused_by("call_begins_unverified"):
            insert(call, **{"ended_at": None, **columns})
    with refused_by("call_begins_unverified"):
        insert(call)  # ended


def test_one_open_call_of_an_agent_and_a_contact(call):
    columns = {"code_digest": "", "code_sent_at": None, "code_to": ""}
    with refused_by("one_open_call_per_agent_and_contact", "agent_id"):
        insert(call, **columns)


def test_a_call_is_not_deleted(call):
    with refused_by("tickets_call_no_delete"):
        execute("DELETE FROM tickets_call WHERE id = %s", call.pk)


@postgres_only
def test_calls_are_not_truncated(call):
    connection.check_constraints()  # nothing may be pending
    with refused_by("tickets_call_no_truncate"):
        execute("TRUNCATE tickets_call CASCADE")


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare])
def test_a_call_is_not_replaced(call, run):
    columns = {"code_digest": "", "code_sent_at": None, "code_to": ""}
    for more in ({"id": call.pk}, {}):
        sql, params = copy_statement(Call, call.pk, "INSERT OR REPLACE", **columns, **more)
        with refused_by("tickets_call_no_replace", "call_replaces_none"):
            run(sql, *params)


@sqlite_only
def test_a_sales_call_is_not_replaced_by_its_forms_key():
    own_provider()
    sale = operations.note_sale(agent=make_agent(), caller_name="L", caller_phone="2", note="", form_key="k1")
    sql, params = copy_statement(Call, sale.pk, "INSERT OR REPLACE", caller_name="Otra")
    with refused_by("tickets_call_no_replace"):
        execute(sql, *params)


def test_every_guard_is_attacked_here():
    source = Path(__file__).read_text()
    vendor = connection.vendor
    names = [guard.name for guard in guards.GUARDS if vendor in guard.engines and not guard.name.endswith("_no_update")]
    assert [name for name in names if name not in source] == []


@pytest.mark.clause("M26")
def test_a_forged_verification_is_found(call):
    """Whoever owns the tables and lifts the guards is found by what the events say."""
    instant = clock.now()
    execute_as_owner("UPDATE tickets_call SET verified_at = %s, code_digest = '' WHERE id = %s", instant, call.pk)
    flaws = [flaw for flaw in find_changed_rows() if flaw.chain == call.chain]
    assert "verified_at" in flaws[0].problem


@pytest.mark.clause("M15", "M26")
@pytest.mark.parametrize("change", ["nobody", "agent", "late"])
def test_a_close_by_phone_without_its_verified_call_is_found(call, change):
    ticket = make_ticket(requester=make_contact())
    confirm_by_phone(ticket)
    used = Call.objects.latest("pk")
    assert list(find_flaws()) == []
    columns = {
        "nobody": ("verified_at", None),
        "agent": ("agent_id", User.objects.exclude(pk=used.agent_id).latest("pk").pk),
        "late": ("verified_at", clock.now() - timedelta(hours=5)),
    }
    column, value = columns[change]
    execute_as_owner(f"UPDATE tickets_call SET {column} = %s WHERE id = %s", value, used.pk)
    flaws = list(find_flaws())
    assert [flaw.chain for flaw in flaws] == [ticket.chain]
