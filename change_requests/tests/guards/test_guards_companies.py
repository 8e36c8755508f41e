"""The data of a verified company change only inside the execution of an approved request (M1): tried as a superuser
would, by ORM and by raw SQL, on both engines."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Contact, Customer, Representative, User
from accounts.models.representatives import compose_line, decompose_line
from change_requests.execution import executing, mark_execution
from change_requests.models import ExecutionContext, FormalRequest
from factureya.core.clock import now
from factureya.testing.people import make_contact, make_customer, make_representative, make_superuser, represent
from factureya.testing.raw_sql import (
    SQLITE,
    copy_statement,
    execute,
    execute_bare,
    named,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.requests import Status, attempt, carry_out, make_request

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M1")]

BY_EXECUTION = "customer_sensitive_by_execution"
OTHER = {
    "rfc": "EKU9003173C9",
    "legal_name": "Otra Razón SA de CV",
    "fiscal_address": "Otra calle 1",
    "phone": "222 000 0000",
    "registered_email": "otro@ejemplo.mx",
    "status": "suspended",
}


def save(customer: Customer, **columns: Any) -> None:
    """Write by the model."""
    for name, value in columns.items():
        setattr(customer, name, value)
    with transaction.atomic():
        customer.save()


def queryset_update(customer: Customer, **columns: Any) -> None:
    """Write by the queryset."""
    with transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(**columns)


WAYS: list[Callable[..., None]] = [save, queryset_update, update]
every_way = pytest.mark.parametrize("write", WAYS, ids=["save", "queryset", "sql"])


def changes_of(column: str) -> dict[str, Any]:
    """Another value of a column, whole."""
    whole = {column: OTHER[column]}
    return whole | ({"suspended_at": now()} if column == "status" else {})


# -- Outside an execution ----------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("column", OTHER)
def test_a_verified_company_keeps_its_data(column: str, write: Callable[..., None]):
    customer = make_customer(phone="222 111 1111")
    with refused_by(BY_EXECUTION, "customer_suspended_from_its_day"):
        write(customer, **changes_of(column))


@every_way
def test_emptied_data_are_changed_data(write: Callable[..., None]):
    customer = make_customer(phone="222 111 1111")
    with refused_by(BY_EXECUTION):
        write(customer, phone="")


@every_way
@pytest.mark.parametrize("column", OTHER)
def test_a_company_to_verify_may_be_corrected(column: str, write: Callable[..., None]):
    customer = make_customer(verified=False)
    write(customer, **changes_of(column))
    customer.refresh_from_db()
    assert getattr(customer, column) == OTHER[column]


def test_what_is_not_sensitive_is_free():
    customer = make_customer()
    update(customer, rfc_check_failed=True, legal_name=customer.legal_name)
    customer.refresh_from_db()
    assert customer.rfc_check_failed


@every_way
def test_the_guard_is_not_gone_round_by_taking_the_verification_back(write: Callable[..., None]):
    customer = make_customer()
    with refused_by("customer_verified_is_final"):
        write(customer, verified_at=None, verified_by_id=None)
    with refused_by("customer_verified_is_final", BY_EXECUTION):
        write(customer, verified_at=None, verified_by_id=None, phone="222 000 0000")


def test_a_company_is_not_deleted():
    customer = make_customer()
    with refused_by("customer_no_delete"):
        execute("DELETE FROM accounts_customer WHERE id = %s", customer.pk)
    with refused_by("customer_no_delete"):
        customer.delete()


def test_a_suspension_has_its_day_and_its_status():
    customer = make_customer()
    with refused_by("customer_suspended_from_its_day", "suspended_company_has_its_instant"):
        update(customer, suspended_at=now())


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
@pytest.mark.parametrize("key", ["id", "form_key", "rfc"])
def test_a_company_is_not_replaced(key: str, verb: str, run: Callable[..., None]):
    customer = make_customer(form_key="clave")
    columns: dict[str, Any] = {"phone": "222 000 0000", "form_key": None}
    columns |= {key: getattr(customer, key)}
    columns |= {} if key == "rfc" else {"rfc": "EKU9003173C9"}
    sql, params = copy_statement(Customer, customer.pk, verb, **columns)
    with refused_by("accounts_customer_no_replace", "customer_insert_replaces_none"):
        run(sql, *params)


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("key", ["id", "form_key", "rfc"])
def test_no_other_company_takes_its_place(key: str, run: Callable[..., None]):
    customer = make_customer(form_key="clave")
    other = make_customer(verified=key != "rfc")
    root = make_superuser()
    sql = f"UPDATE OR REPLACE accounts_customer SET {key} = %s, verified_at = %s, verified_by_id = %s WHERE id = %s"
    with refused_by("customer_update_replaces_none", "customer_verified_is_final"):
        run(sql, getattr(customer, key), other.verified_at or now(), other.verified_by_id or root.pk, other.pk)


@postgres_only
def test_companies_are_not_truncated():
    connection.check_constraints()
    with refused_by("_no_truncate"):
        execute("TRUNCATE accounts_customer CASCADE")
    with refused_by("_no_truncate"):
        execute("TRUNCATE accounts_representative CASCADE")


@postgres_only
def test_an_upsert_is_an_update():
    customer = make_customer()
    sql, params = copy_statement(Customer, customer.pk, "INSERT", id=customer.pk)
    with refused_by(BY_EXECUTION):
        execute(sql + " ON CONFLICT (id) DO UPDATE SET phone = '222 000 0000'", *params)


# -- Inside one --------------------------------------------------------------------------------------


@pytest.fixture
def request_() -> FormalRequest:
    """An approved change of address and phone, with its execution begun."""
    formal = make_request(Status.APPROVED)
    attempt(formal)
    return formal


NEW = {"fiscal_address": "Calle Nueva 5, 72000 Puebla", "phone": "222 555 0199"}


@every_way
def test_an_execution_writes_what_was_approved(request_: FormalRequest, write: Callable[..., None]):
    with executing(request_):
        write(request_.customer, **NEW)
    customer = Customer.objects.get(pk=request_.customer_id)
    assert {name: getattr(customer, name) for name in NEW} == NEW


@every_way
@pytest.mark.parametrize(
    "columns",
    [
        {"phone": "222 555 0190"},
        {"phone": "222 555 0199 "},
        {"fiscal_address": NEW["phone"], "phone": NEW["fiscal_address"]},
        NEW | {"legal_name": "Otra"},
        NEW | {"registered_email": "otro@ejemplo.mx"},
        {"rfc": "EKU9003173C9"},
    ],
    ids=named,
)
def test_an_execution_writes_nothing_else(request_: FormalRequest, columns: dict[str, str], write: Callable[..., None]):
    with executing(request_), refused_by(BY_EXECUTION):
        write(request_.customer, **columns)


def test_an_execution_is_about_one_company(request_: FormalRequest):
    with executing(request_), refused_by(BY_EXECUTION):
        update(make_customer(), **NEW)


def test_a_value_is_written_once_and_by_its_own_request(request_: FormalRequest):
    other = make_request(Status.APPROVED, requester=request_.requester, new={"legal_name": "Nueva"})
    attempt(other)
    with executing(request_):
        update(request_.customer, phone=NEW["phone"])
        with refused_by(BY_EXECUTION):
            update(request_.customer, phone="")  # back, and again
    with executing(other), refused_by(BY_EXECUTION):
        update(request_.customer, phone="222 000 0000")


@every_way
def test_d5_an_approval_overwrites_no_value_that_it_never_saw(write: Callable[..., None]):
    customer = make_customer(verified=False, phone="222 111 1111")
    person = make_contact(customer, representative=True)
    represent(customer, person)
    formal = make_request(Status.APPROVED, requester=person, new={"phone": NEW["phone"]})
    update(customer, phone="222 333 3333")  # corrected while it is not verified yet
    update(customer, verified_at=now(), verified_by_id=make_superuser().pk)
    customer.refresh_from_db()
    attempt(formal)
    with executing(formal), refused_by(BY_EXECUTION):
        write(customer, phone=NEW["phone"])


def test_outside_the_block_nothing_is_written(request_: FormalRequest):
    with executing(request_):
        pass
    with refused_by(BY_EXECUTION):
        update(request_.customer, **NEW)
    with pytest.raises(ZeroDivisionError), executing(request_):
        raise ZeroDivisionError
    assert not ExecutionContext.objects.exists()
    with refused_by(BY_EXECUTION):
        update(request_.customer, **NEW)


def test_an_approved_request_without_execution_opens_nothing():
    formal = make_request(Status.APPROVED)
    with executing(formal), refused_by(BY_EXECUTION):
        update(formal.customer, **NEW)


def test_a_request_that_is_not_approved_opens_nothing():
    formal = make_request(Status.IN_APPROVAL)
    with executing(formal), refused_by(BY_EXECUTION):
        update(formal.customer, **NEW)


def test_a_drift_opens_nothing():
    formal = make_request(Status.APPROVED)
    attempt(formal, "drift")
    with executing(formal), refused_by(BY_EXECUTION):
        update(formal.customer, **NEW)


def test_a_suspended_request_opens_nothing(request_: FormalRequest):
    update(request_, suspended_at=now())
    with executing(request_), refused_by(BY_EXECUTION):
        update(request_.customer, **NEW)


def test_an_execution_is_not_repeated():
    formal = make_request(Status.APPROVED)
    before = Customer.objects.values("phone", "fiscal_address").get(pk=formal.customer_id)
    carry_out(formal)
    back = make_request(Status.APPROVED, requester=formal.requester, new=before)
    carry_out(back)
    with executing(formal), refused_by(BY_EXECUTION):
        update(formal.customer, **NEW)


@pytest.mark.django_db(transaction=True)
def test_the_mark_needs_a_transaction():
    formal = make_request(Status.APPROVED)
    with pytest.raises(RuntimeError, match="transaction"), executing(formal):
        pass
    if not SQLITE:
        with pytest.raises(RuntimeError, match="transaction"):
            mark_execution(formal.pk)


@sqlite_only
def test_there_is_one_mark():
    first, second = make_request(Status.APPROVED), make_request(Status.APPROVED)
    ExecutionContext.objects.create(id=1, request=first)
    with refused_by("one_execution_at_a_time"):
        ExecutionContext.objects.create(id=2, request=second)
    with executing(second):
        assert ExecutionContext.objects.get().request == second


# -- BAJA of the service -----------------------------------------------------------------------------


def baja(effective: str) -> FormalRequest:
    """An approved BAJA of the service from that day, with its execution begun."""
    formal = make_request(
        Status.APPROVED, kind="baja", new={"status": "suspended"}, content={"effective_date": effective}
    )
    attempt(formal)
    return formal


@pytest.mark.time_machine("2026-11-24 18:00:00+00:00")
@pytest.mark.parametrize(
    ("day", "refused"), [("2026-11-30 05:59:00+00:00", True), ("2026-11-30 06:00:00+00:00", False)]
)
def test_a_service_is_not_suspended_before_its_day(day: str, refused: bool):
    formal = baja("2026-11-30")
    columns = {"status": "suspended", "suspended_at": day}
    if refused:
        with executing(formal), refused_by("customer_suspended_from_its_day"):
            queryset_update(formal.customer, **columns)
        return
    with executing(formal):
        queryset_update(formal.customer, **columns)
    customer = Customer.objects.get(pk=formal.customer_id)
    assert customer.status == Customer.Status.SUSPENDED
    assert not customer.is_suspended
    with refused_by("customer_suspended_from_its_day"):
        queryset_update(customer, suspended_at=now())
    with refused_by(BY_EXECUTION):
        queryset_update(customer, status="active", suspended_at=None)


# -- The representative ------------------------------------------------------------------------------


def successor(ana: User) -> str:
    """The line of Beto, a contact of the company, as its next representative."""
    beto = make_contact(ana.contact.customer, full_name="Beto Núñez & Hijos")
    return compose_line(
        name=beto.full_name,
        rfc="NUBE800101AB1",
        email=beto.email,
        power_kind="attorney",
        instrument="Escritura 77",
        valid_from="2026-11-01",
        valid_until="2027-11-01",
    )


def row_of(formal: FormalRequest, line: str, **columns: Any) -> Representative:
    """The row that the line asks for, unsaved."""
    facts = decompose_line(line)
    beto = User.objects.get(email=facts["email"])
    facts["valid_until"] = facts["valid_until"] or None
    whole = {"customer": formal.customer, "user": beto, "verified_by": formal.verified_by}
    return Representative(**whole | facts | columns)


def change_of(line: str, ana: User) -> FormalRequest:
    """An approved change of representative, with its execution begun."""
    formal = make_request(Status.APPROVED, requester=ana, new={"representative": line})
    attempt(formal)
    return formal


@pytest.mark.clause("M8")
def test_a_representative_is_changed_by_execution():
    ana = make_representative()
    line = successor(ana)
    formal = change_of(line, ana)
    old = formal.representative
    with executing(formal):
        update(old, revoked_at=now(), revoked_by_id=formal.implementer_id)
        row_of(formal, line).save()
    old.refresh_from_db()
    new = formal.customer.representatives.latest("pk")
    assert not old.is_in_force()
    assert new.line == line
    assert list(formal.customer.representatives.in_force()) == [new]
    beto = Contact.objects.get(user=new.user)
    update(beto, role="representative")


@pytest.mark.clause("M8")
@pytest.mark.parametrize(
    "columns",
    [
        {"name": "Otro"},
        {"rfc": ""},
        {"power_kind": "legal_representative"},
        {"instrument": "Escritura 78"},
        {"valid_from": "2026-10-01"},
        {"valid_until": None},
        {"valid_until": "2036-01-01"},
    ],
    ids=named,
)
def test_another_representative_is_not(columns: dict[str, Any]):
    ana = make_representative()
    line = successor(ana)
    formal = change_of(line, ana)
    with executing(formal), refused_by("representative_by_execution"):
        row_of(formal, line, **columns).save()


@pytest.mark.clause("M8")
def test_no_representative_outside_an_execution():
    ana = make_representative()
    line = successor(ana)
    formal = make_request(Status.APPROVED, requester=ana, new={"representative": line})
    old = formal.representative
    with refused_by("representative_by_execution"):
        row_of(formal, line).save()
    with refused_by("representative_revoked_by_execution"):
        update(old, revoked_at=now(), revoked_by_id=formal.implementer_id)
    with executing(formal), refused_by("representative_by_execution"):
        row_of(formal, line).save()
    with refused_by("representative_no_delete"):
        execute("DELETE FROM accounts_representative WHERE id = %s", old.pk)


@pytest.mark.clause("M8")
@pytest.mark.parametrize(
    "columns", [{"name": "Otra"}, {"valid_until": "2036-01-01"}, {"rfc": "X"}, {"power_kind": "attorney"}], ids=named
)
@pytest.mark.parametrize("verified", [True, False])
def test_a_representative_is_only_revoked(columns: dict[str, Any], verified: bool):
    if verified:
        row = Representative.objects.get(user=make_representative())
    else:
        customer = make_customer(verified=False)
        row = represent(customer, make_contact(customer))
    with refused_by("representative_is_only_revoked"):
        update(row, **columns)


@pytest.mark.clause("M8")
def test_the_login_of_a_representative_is_the_one_with_his_mail():
    customer = make_customer(verified=False)
    ana, beto = make_contact(customer), make_contact(customer)
    with refused_by("representative_insert_has_its_mail"):
        represent(customer, ana, email=beto.email)
    row = represent(customer, ana, user=None)
    with refused_by("representative_update_has_its_mail"):
        update(row, user_id=beto.pk)
    update(row, user_id=ana.pk)
    with refused_by("representative_is_only_revoked"):
        update(row, user_id=None)


@pytest.mark.clause("M8")
def test_a_contact_is_not_made_representative():
    ana = make_representative()
    beto = make_contact(ana.contact.customer).contact
    with refused_by("contact_represents_with_powers"):
        update(beto, role="representative")
    other = make_representative().contact
    with refused_by("contact_represents_with_powers", "contact_moves_with_its_company"):
        update(other, customer_id=ana.contact.customer_id)
    with refused_by("contact_comes_with_powers"):
        make_contact(ana.contact.customer, representative=True)


@sqlite_only
@pytest.mark.clause("M8")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_a_contact_is_not_replaced(run: Callable[..., None]):
    beto = make_contact(make_representative().contact.customer).contact
    sql, params = copy_statement(Contact, beto.pk, "REPLACE", role="representative")
    with refused_by("accounts_contact_no_replace", "contact_comes_with_powers"):
        run(sql, *params)


@sqlite_only
@pytest.mark.clause("M8")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("key", ["id", "email"])
def test_a_representative_is_not_replaced(key: str, run: Callable[..., None]):
    row = Representative.objects.get(user=make_representative())
    columns = {key: getattr(row, key), "valid_until": "2036-01-01"}
    sql, params = copy_statement(Representative, row.pk, "REPLACE", **columns)
    with refused_by(
        "accounts_representative_no_replace", "representative_insert_replaces_none", "representative_by_execution"
    ):
        run(sql, *params)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"valid_until": "2020-01-01"}, "powers_end_after_they_begin"),
        ({"power_kind": "friend"}, "power_kind_is_known"),
        ({"name": "Ana | Beto"}, "representative_has_no_bars"),
        ({"revoked_at": now() - timedelta(1)}, "revoked_representative_names_who"),
    ],
    ids=named,
)
@pytest.mark.clause("M8")
def test_a_representative_is_whole(columns: dict[str, Any], name: str):
    customer = make_customer(verified=False)
    with refused_by(name):
        represent(customer, make_contact(customer), **columns)
