"""What raw SQL may not do to offices and to people's places in companies (M3, M26; findings H12 and B11)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from accounts import operations
from accounts.models import Contact, Customer, Office, RoleAssignment, User, state
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.testing.people import (
    end_offices,
    give_office,
    make_agent,
    make_auditor,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    make_superuser,
    make_user,
    own_provider,
)
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    insert,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M3", "M26")]
TABLE = "accounts_roleassignment"
WITHOUT_EVENT = ("office_follows_its_event", "accounts_roleassignment_no_replace", "office_insert_replaces_none")


@pytest.fixture
def hugo() -> User:
    return make_staff(Office.DEVELOPER, full_name="Hugo Desarrolla")


def office_of(person: User) -> RoleAssignment:
    return RoleAssignment.objects.get(user=person)


def all_offices() -> list[dict[str, Any]]:
    return list(RoleAssignment.objects.order_by("pk").values())


# -- Offices are history (H12) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "office = 'implementer'",
        "starts_at = '2020-01-01 00:00:00+00:00'",
        "granted_at = '2020-01-01 00:00:00+00:00'",
        "granted_by_id = (SELECT max(id) FROM accounts_user)",
        "granted_seq = 99",
        "user_id = (SELECT max(id) FROM accounts_user)",
        "id = 987654",
    ],
)
def test_h12_an_office_is_not_relabelled_or_backdated(hugo: User, change: str):
    make_user()
    before = all_offices()
    with refused_by("office_never_changes"):
        execute(f"UPDATE {TABLE} SET {change} WHERE id = %s", office_of(hugo).pk)
    assert all_offices() == before


def test_h12_the_provider_of_an_agent_does_not_change():
    held = office_of(make_agent())
    third = operations.add_provider(name="Mesa Norte", actor=make_superuser())
    with refused_by("office_never_changes"):
        update(held, provider_id=third.pk)


def test_h12_an_office_is_not_deleted(hugo: User):
    with refused_by("accounts_roleassignment_no_delete"):
        execute(f"DELETE FROM {TABLE} WHERE id = %s", office_of(hugo).pk)
    assert office_of(hugo)


@postgres_only
def test_offices_are_not_truncated(hugo: User):
    connection.check_constraints()  # PostgreSQL truncates nothing while a deferred check is pending
    with refused_by("accounts_roleassignment_no_truncate"):
        execute(f"TRUNCATE {TABLE} CASCADE")
    assert office_of(hugo)


def test_h12_an_office_that_ended_does_not_revive(hugo: User):
    held = office_of(hugo)
    end_offices(hugo)
    for change in (
        {"ends_at": None},
        {"ends_at": None, "ended_by_id": None},
        {"ends_at": now() + timedelta(days=400)},
        {"ended_by_id": make_superuser("otro@factureya.com").pk},
    ):
        with refused_by("office_is_ended_once"):
            update(held, **change)


@pytest.mark.parametrize("days", [-30, 0, 30])
def test_an_office_ends_with_its_event_and_no_other_way(hugo: User, days: int):
    held, root = office_of(hugo), make_superuser()
    with refused_by("office_is_ended_once", "office_ends_after_it_starts"):
        update(held, ends_at=now() + timedelta(days=days), ended_by_id=root.pk)
    with refused_by("office_is_ended_once", "office_ends_after_it_starts"):
        update(held, ends_at=now() + timedelta(days=days))


def end(held: RoleAssignment, actor: User, *, verb_after: str = "", columns: Any = None, **changed: Any) -> None:
    """End an office as the operation does: the event first. Some facts of it, or the columns, may be wrong."""
    held.ends_at, held.ended_by = now(), actor
    facts = {**state.describe_office(held), **changed}
    with transaction.atomic():
        audit.record("office.ended", held.user, actor=actor, rows={state.OFFICE: facts})
        if verb_after:
            audit.record(verb_after, held.user, actor=actor)
        written = {"ends_at": held.ends_at, "ended_by": actor, **(columns or {})}
        RoleAssignment.objects.filter(pk=held.pk).update(**written)


@pytest.mark.parametrize(
    "wrong", [{"pk": 0}, {"ended_by": 0}, {"ends_at": "2031-01-01T00:00:00+00:00"}, {"ends_at": None}]
)
def test_the_event_of_an_end_says_the_same_as_the_row(hugo: User, wrong: dict[str, Any]):
    with pytest.raises(IntegrityError, match="office_is_ended_once"):
        end(office_of(hugo), make_superuser(), **wrong)


def test_an_end_is_not_backdated_and_only_moves_a_planned_end_nearer():
    root, person = make_superuser(), make_user(is_staff=True)
    with time_machine.travel(now() - timedelta(days=2)):
        held = give_office(person, Office.IT_HEAD, ends_at=now() + timedelta(days=3))
    for at in (now() + timedelta(days=4), now() - timedelta(days=1)):
        with pytest.raises(IntegrityError, match="office_is_ended_once"):
            end(held, root, columns={"ends_at": at}, ends_at=at.isoformat())
    end(held, root)
    held.refresh_from_db()
    assert held.has_ended


def test_an_end_is_of_the_last_event_and_of_its_actor(hugo: User):
    root = make_superuser()
    with pytest.raises(IntegrityError, match="office_is_ended_once"):
        end(office_of(hugo), root, verb_after="person.renamed")
    with pytest.raises(IntegrityError, match="office_is_ended_once"):
        end(office_of(hugo), make_superuser("otra@factureya.com"), columns={"ended_by": root}, ended_by=root.pk)


def test_nobody_ends_his_own_office():
    other = make_superuser("otra@factureya.com")
    held = give_office(other, Office.IT_HEAD)
    with pytest.raises(IntegrityError, match="office_not_ended_by_its_holder"):
        end(held, other)
    with pytest.raises(operations.Refused, match="propio cargo"):
        operations.end_office(held.pk, actor=other)


# -- A superuser is one by the event that opened the account ------------------------------------------


def test_nobody_becomes_a_superuser_past_the_event_of_the_account(hugo: User):
    with refused_by("superuser_follows_its_event"):
        update(hugo, is_superuser=True)
    with transaction.atomic():  # the event of an account that is no superuser's, as the last one
        audit.record("person.joined", hugo, actor=None, rows={state.PERSON: state.describe_person(hugo)})
    with refused_by("superuser_follows_its_event"):
        update(hugo, is_superuser=True)
    with refused_by("superuser_is_not_inserted"):
        insert(hugo, email="otro@factureya.com", is_superuser=True)
    root = make_superuser()
    with refused_by("superuser_follows_its_event"):
        update(root, id=root.pk + 1000)
    assert make_superuser("otra@factureya.com").is_superuser


# -- An office is granted with its event (H12) -------------------------------------------------------


def test_h12_an_office_is_not_inserted_in_anothers_name(hugo: User):
    held = office_of(hugo)
    for columns in (
        {"office": "implementer", "granted_seq": None},
        {"office": "implementer"},
        {"office": "security_officer", "granted_seq": 1, "granted_at": now(), "starts_at": now()},
        {"user_id": make_user().pk},
    ):
        with refused_by(*WITHOUT_EVENT, "one_assignment_per_event"):
            insert(held, **columns)


def write_grant(person: User, **changed: Any) -> RoleAssignment:
    """Record the grant of an office and insert the row, whose columns may say something else."""
    root, at = make_superuser(), now()
    with transaction.atomic():
        told = RoleAssignment(user=person, office=Office.IT_HEAD, granted_by=root, starts_at=at, granted_at=at)
        facts = state.describe_new_office(told)
        event = audit.record("office.granted", person, actor=root, rows={state.OFFICE: facts})
        columns: dict[str, Any] = {"starts_at": at, "granted_at": at, "granted_seq": event.seq, **changed}
        return RoleAssignment.objects.create(
            **{"user": person, "office": Office.IT_HEAD, "granted_by": root, **columns}
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"office": Office.SECURITY_OFFICER},
        {"ends_at": now() + timedelta(days=900)},
        {"starts_at": now() + timedelta(days=1)},
        {"granted_at": now() - timedelta(seconds=9)},
        {"granted_seq": 7},
        {"granted_seq": None},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_event_of_a_grant_says_the_same_as_the_row(wrong: dict[str, Any]):
    person = make_user()
    assert write_grant(person)
    end_offices(person)
    with pytest.raises(IntegrityError, match="office_follows_its_event"):
        write_grant(person, **wrong)
    with pytest.raises(IntegrityError, match="office_follows_its_event"):
        write_grant(person, granted_by=make_superuser("otra@factureya.com"))


def test_only_an_active_superuser_grants():
    person, root = make_user(), make_superuser()
    for columns in ({"is_active": False}, {"is_active": True, "is_superuser": False}):
        User.objects.filter(pk=root.pk).update(**columns)
        with pytest.raises(IntegrityError, match="office_granted_by_superuser"):
            write_grant(person)


@postgres_only
def test_a_guard_reads_no_temporary_table_in_place_of_ours():
    person, root = make_user(), make_superuser()
    User.objects.filter(pk=root.pk).update(is_superuser=False)
    connection.check_constraints()
    execute("CREATE TEMPORARY TABLE accounts_user AS SELECT * FROM accounts_user")
    execute("UPDATE pg_temp.accounts_user SET is_superuser = true")
    assert User.objects.get(pk=root.pk).is_superuser  # the session reads the temporary table
    with pytest.raises(IntegrityError, match="office_granted_by_superuser"):
        write_grant(person)


def test_an_office_does_not_begin_before_it_is_granted_and_is_not_born_ended():
    person, early = make_user(), now() - timedelta(days=1)
    with pytest.raises(IntegrityError, match="office_not_backdated"):
        give_office(person, Office.IT_HEAD, starts_at=early)
    with pytest.raises(IntegrityError, match=r"office_not_backdated|office_follows_its_event"):
        give_office(person, Office.IT_HEAD, granted_at=early)
    with pytest.raises(IntegrityError, match="office_not_backdated"):
        write_grant(person, ends_at=None, ended_by=make_superuser())


def test_one_event_grants_one_office():
    held = give_office(make_user(), Office.IT_HEAD, ends_at=now() + timedelta(days=9))
    with refused_by("one_assignment_per_event", "office_insert_replaces_none"):
        insert(held)


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
def test_an_office_is_not_replaced(hugo: User, verb: str, run: Any):
    held = office_of(hugo)
    for columns in ({"id": held.pk, "office": "implementer"}, {"office": "implementer"}, {}):
        sql, params = copy_statement(RoleAssignment, held.pk, verb, **columns)
        with refused_by(*WITHOUT_EVENT):
            run(sql, *params)


# -- Auditoría has no other office -------------------------------------------------------------------


@pytest.mark.parametrize("other", [Office.IMPLEMENTER, Office.SECURITY_OFFICER, Office.DEVELOPER, Office.AGENT])
def test_auditoria_excludes_every_other_office(other: str):
    auditor, provider = make_staff(Office.AUDITOR), own_provider() if other == Office.AGENT else None
    with pytest.raises(IntegrityError, match="auditor_holds_no_other_office"):
        give_office(auditor, other, provider=provider)
    somebody = make_staff(other)
    with pytest.raises(IntegrityError, match="auditor_holds_no_other_office"):
        give_office(somebody, Office.AUDITOR)
    root = make_superuser()
    with pytest.raises(operations.Refused, match="Auditoría no se reúne"):
        operations.grant_office(auditor.pk, office=other, provider=provider, actor=root)
    with pytest.raises(operations.Refused, match="Auditoría no se reúne"):
        operations.grant_office(somebody.pk, office=Office.AUDITOR, actor=root)
    end_offices(somebody)
    assert operations.grant_office(somebody.pk, office=Office.AUDITOR, actor=root)


def test_auditoria_may_follow_another_office():
    person, then = make_user(), now() + timedelta(days=1)
    give_office(person, Office.IT_HEAD, ends_at=then)
    give_office(person, Office.AUDITOR, starts_at=then)


# -- A place in a company (B11) ----------------------------------------------------------------------


def place(person: User) -> Contact:
    return Contact.objects.get(user=person)


def test_b11_a_contact_is_not_moved_into_another_company():
    ana, thief = make_representative(), make_contact(make_customer(verified=False))
    contact = place(thief)
    with refused_by("contact_moves_with_its_company"):
        update(contact, customer_id=ana.contact.customer_id)
    with refused_by("contact_keeps_its_person"):
        update(place(make_contact(ana.contact.customer)), user_id=make_user().pk)
    with refused_by("contact_keeps_its_person"):
        update(contact, id=contact.pk + 1000)
    with refused_by("contact_no_delete"):
        execute("DELETE FROM accounts_contact WHERE id = %s", contact.pk)


@postgres_only
def test_contacts_are_not_truncated():
    make_contact()
    connection.check_constraints()  # PostgreSQL truncates nothing while a deferred check is pending
    with refused_by("accounts_contact_no_truncate"):
        execute("TRUNCATE accounts_contact CASCADE")


def test_b11_a_stranger_does_not_enter_a_verified_company():
    customer = make_representative().contact.customer
    contact = place(make_contact(make_customer(verified=False)))
    for columns in ({"user_id": make_user().pk}, {"user_id": make_user().pk, "role": "representative"}):
        names = ("contact_enters_with_its_event", "contact_comes_with_powers")
        with refused_by(*names):
            insert(contact, customer_id=customer.pk, **columns)
    stranger = make_user()
    with transaction.atomic():  # an event that says something else
        audit.record("contact.joined", customer, actor=stranger, rows={state.CONTACT: {"user": stranger.pk}})
    with pytest.raises(IntegrityError, match="contact_enters_with_its_event"), transaction.atomic():
        Contact.objects.create(user=stranger, customer=customer)
    assert Contact.objects.create(user=stranger, customer=make_customer(verified=False))  # who signs up


def test_a_company_is_joined_once_to_its_verified_double():
    known = make_representative().contact.customer
    double, stranger = make_customer(known.rfc, verified=False), make_customer(verified=False)
    with refused_by("customer_joins_its_double"):
        update(stranger, joined_to_id=known.pk)
    with refused_by("customer_joins_its_double"):
        update(double, joined_to_id=stranger.pk)
    update(double, joined_to_id=known.pk)
    with refused_by("customer_joins_its_double"):
        update(double, joined_to_id=None)
    person = make_contact(double)
    with refused_by("contact_moves_with_its_company"):  # without the event
        update(place(person), customer_id=known.pk)
    assert not Event.objects.filter(chain=known.chain, verb="contact.moved").exists()
    assert Customer.objects.get(pk=double.pk).joined_to == known


# -- Auditoría is no superuser (M26) -----------------------------------------------------------------


def test_a_superuser_is_not_granted_auditoria():
    root, other = make_superuser(), make_user(is_staff=True, is_superuser=True)
    with pytest.raises(operations.Refused, match="superusuario"):
        operations.grant_office(other.pk, office=Office.AUDITOR, actor=root)
    with pytest.raises(IntegrityError, match="auditor_is_no_superuser"):
        give_office(other, Office.AUDITOR)
    operations.grant_office(other.pk, office=Office.IT_HEAD, actor=root)
    assert not User.objects.get(pk=other.pk).reads_all


def test_nobody_becomes_a_superuser_after_the_event_of_the_account():
    """So Auditoría never does, neither while the office lasts nor later."""
    olga = make_auditor()
    for _time in ("in office", "later"):
        with refused_by("superuser_follows_its_event"):
            update(olga, is_superuser=True)
        end_offices(olga)
