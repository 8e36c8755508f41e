"""The second source of M1: one field of one customer, inside the window, and nothing else (M1, M23, M26)."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Contact, Customer, User
from change_requests.emergency import marking, operations, record_checks
from change_requests.emergency.guards import using
from change_requests.emergency.models import EmergencyChange, EmergencyContext, RowDifference
from change_requests.emergency.operations import acting
from change_requests.emergency.tests.inside import ADDRESS, WHY
from change_requests.guards.sql_terms import translate
from change_requests.kinds import fields
from factureya.core import clock, guard_install
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.people import make_customer, make_user
from factureya.testing.raw_sql import execute, execute_as_owner, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M1"), pytest.mark.clause("M23")]


def apply(scene, grant, field="fiscal_address", new=ADDRESS, **options):
    options = {"reason": WHY, "actor": scene.cast.gina, **options}
    return operations.apply_emergency_change(grant.pk, field, new, **options)


def write_change(grant, **columns) -> EmergencyChange:
    """Insert the row of a change, past the operation."""
    told = {
        "grant": grant,
        "customer": grant.customer,
        "field": "fiscal_address",
        "old": grant.customer.fiscal_address,
        "new": ADDRESS,
        "reason": WHY,
        "operator": grant.operator,
        "at": clock.now(),
    }
    return EmergencyChange.objects.create(**{**told, **columns})


# -- The operation -----------------------------------------------------------------------------------


def test_the_named_field_gets_its_value_and_both_chains_tell_it(scene):
    grant = scene.bring("open")
    old = grant.customer.fiscal_address
    change = apply(scene, grant, new=f"  {ADDRESS}  ")
    customer = Customer.objects.get(pk=grant.customer_id)
    assert customer.fiscal_address == ADDRESS
    assert (change.old, change.new, change.operator) == (old, ADDRESS, scene.cast.gina)
    event = grant.events().get(verb="grant.changed")
    (row,) = RowDifference.objects.filter(grant=grant)
    assert (row.table_name, row.row_pk) == ("accounts_customer", str(customer.pk))
    assert (row.old["fiscal_address"], row.new["fiscal_address"]) == (old, ADDRESS)
    assert event.data["difference"] == row.pk
    assert event.data["difference_sha256"] == record_checks.hash_differences([row])
    told = customer.events().get(verb="company.changed").data
    assert (told["folio"], told["field"], told["old"], told["new"]) == (grant.folio, "fiscal_address", old, ADDRESS)
    assert not EmergencyContext.objects.exists()


def test_a_field_that_is_not_named_is_refused(scene):
    grant = scene.bring("open")
    for field in ("phone", "rfc", "nothing"):
        with pytest.raises(NotAllowed, match="no nombra ese dato"):
            apply(scene, grant, field=field, new="222 555 0199")
    assert not grant.changes.exists()


def test_only_its_operator_and_only_while_it_is_open(scene):
    grant = scene.bring("authorized")
    with pytest.raises(WrongStatus):
        apply(scene, grant)
    grant = scene.open(grant)
    with pytest.raises(NotAllowed):
        apply(scene, grant, actor=scene.cast.elsa)
    with time_machine.travel(grant.ends_at, tick=False), pytest.raises(WrongStatus):
        apply(scene, grant)
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    with pytest.raises(WrongStatus):
        apply(scene, grant)
    assert not EmergencyChange.objects.exists()


@pytest.mark.parametrize("offset", [timedelta(hours=2), -timedelta(minutes=5)])
def test_the_databases_clock_counts_too(scene, monkeypatch, offset):
    grant = scene.bring("open")
    monkeypatch.setattr(clock, "_database_offset", offset)
    with pytest.raises(WrongStatus):
        apply(scene, grant)


@pytest.mark.parametrize(
    ("field", "new", "text"),
    [
        ("fiscal_address", "  ", "Escriba el dato nuevo"),
        ("fiscal_address", "x" * 301, "más de 300 caracteres"),
        ("rfc", "XX", "RFC"),
        ("rfc", "OTR930314QX7", "ya es de una empresa verificada"),
        ("registered_email", "nada", "Escriba un correo"),
        ("status", "paused", "Elija el estado"),
        ("status", "active", "igual al dato de hoy"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(scene, field, new, text):
    make_customer("OTR930314QX7")
    grant = scene.bring("open", fields=list(fields.COLUMNS))
    with pytest.raises(Invalid, match=text) as refusal:
        apply(scene, grant, field=field, new=new)
    assert list(refusal.value.errors) == [field]


def test_a_change_needs_its_reason(scene):
    grant = scene.bring("open")
    with pytest.raises(Invalid, match="el motivo de este cambio"):
        apply(scene, grant, reason="corto")


def test_every_column_may_be_named_and_the_suspension_begins_now(scene):
    grant = scene.bring("open", fields=list(fields.COLUMNS))
    news = {
        "rfc": "POC930314QX8",
        "legal_name": "Papelería Ocaso y Cía",
        "fiscal_address": ADDRESS,
        "phone": "222 555 0199",
        "registered_email": "otro@ocaso.mx",
        "status": "suspended",
    }
    assert set(news) == set(fields.COLUMNS)
    for field, new in news.items():
        apply(scene, grant, field=field, new=new)
    customer = Customer.objects.get(pk=grant.customer_id)
    assert {name: getattr(customer, name) for name in news} == news
    assert customer.suspended_at is not None
    assert customer.is_suspended
    apply(scene, grant, field="status", new="active")
    assert Customer.objects.get(pk=grant.customer_id).suspended_at is None
    assert RowDifference.objects.filter(grant=grant).count() == grant.changes.count() == 7


def test_the_account_itself_may_be_the_actor(scene):
    grant = scene.bring("open")
    user = scene.account.user
    user.real_operator = scene.cast.gina
    assert apply(scene, grant, actor=user).operator == scene.cast.gina


# -- The guards, past the operation ------------------------------------------------------------------


def test_without_the_mark_or_the_change_the_customer_is_as_closed_as_ever(scene):
    grant = scene.bring("open")
    with refused_by("customer_sensitive_by_execution"):
        update(grant.customer, fiscal_address=ADDRESS)
    with refused_by("customer_sensitive_by_execution"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(fiscal_address=ADDRESS)
    write_change(grant)
    with refused_by("customer_sensitive_by_execution"):
        update(grant.customer, fiscal_address=ADDRESS)


@pytest.mark.parametrize(
    "columns", [{"fiscal_address": "Otra"}, {"phone": "1"}, {"fiscal_address": ADDRESS, "rfc": "X"}]
)
def test_the_mark_lets_exactly_the_last_change_through(scene, columns):
    grant = scene.bring("open")
    write_change(grant)
    with refused_by("customer_sensitive_by_execution"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(**columns)


def test_an_older_change_is_spent(scene):
    grant = scene.bring("open")
    old = grant.customer.fiscal_address
    apply(scene, grant)
    apply(scene, grant, new=old or "La de antes")
    with refused_by("customer_sensitive_by_execution"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(fiscal_address=ADDRESS)


def test_a_change_of_an_emergency_that_ended_opens_nothing(scene):
    grant = scene.bring("open")
    write_change(grant)
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    with refused_by("customer_sensitive_by_execution"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(fiscal_address=ADDRESS)


def test_no_suspension_without_the_change_of_the_status(scene):
    grant = scene.bring("open")
    write_change(grant)
    with refused_by("customer_suspended_from_its_day|suspended_company_has_its_instant"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(suspended_at=clock.now())


@pytest.mark.parametrize(
    "wrong",
    [
        {"field": "phone"},
        {"at": timezone.now() - timedelta(days=30)},
        {"at": timezone.now() + timedelta(days=30)},
        {"customer": "other"},
        {"operator": "other"},
    ],
    ids=["field", "before", "after", "customer", "operator"],
)
def test_a_change_is_of_an_open_emergency_its_customer_field_and_operator(scene, wrong):
    grant = scene.bring("open")
    others = {"customer": make_customer(fiscal_address=""), "operator": scene.cast.elsa}
    wrong = {name: others[name] if value == "other" else value for name, value in wrong.items()}
    if "customer" in wrong or "field" in wrong:
        wrong["old"] = ""
    with refused_by("emergency_change_of_an_open_grant"):
        write_change(grant, **wrong)


def age(grant, hours: int) -> None:
    """Let an open emergency be of some hours ago, and nobody has ended it."""
    back = timedelta(hours=hours)
    names = ("authorized_at", "start_before", "half_a_at", "half_b_at", "opened_at", "ends_at")
    pairs = ", ".join(f"{name} = %s" for name in names)
    values = [getattr(grant, name) - back for name in names]
    execute_as_owner(f"UPDATE change_requests_emergencygrant SET {pairs} WHERE id = %s", *values, grant.pk)
    grant.refresh_from_db()


def test_a_change_dated_back_into_a_window_that_is_over_is_refused(scene):
    grant = scene.bring("open")
    age(grant, 5)
    with refused_by("emergency_change_of_an_open_grant"):
        write_change(grant, at=grant.ends_at - timedelta(seconds=1))


def test_a_change_of_its_window_is_not_written_after_it(scene):
    grant = scene.bring("open")
    write_change(grant)
    age(grant, 5)
    with refused_by("customer_sensitive_by_execution"), marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(fiscal_address=ADDRESS)


def test_a_drill_of_the_past_changes_its_invented_customer(scene):
    """The demo makes one."""
    grant = scene.bring("open", incident="", drill=True, fields=["phone"])
    age(grant, 5)
    at = grant.ends_at - timedelta(minutes=1)
    write_change(grant, field="phone", old=grant.customer.phone, new="222 555 0199", at=at)
    with marking.writing(grant):
        Customer.objects.filter(pk=grant.customer_id).update(phone="222 555 0199")
    assert Customer.objects.get(pk=grant.customer_id).phone == "222 555 0199"


def test_a_change_begins_with_todays_value(scene):
    grant = scene.bring("open")
    with refused_by("emergency_change_from_today"):
        write_change(grant, old="Otro valor")


def test_a_change_before_it_opens_is_refused(scene):
    grant = scene.bring("authorized")
    with refused_by("emergency_change_of_an_open_grant"):
        write_change(grant)


def test_the_mark_is_for_one_customer(scene):
    grant = scene.bring("open")
    other = make_customer(verified=False)
    with refused_by("emergency_touches_one_customer"), marking.writing(grant):
        Customer.objects.filter(pk=other.pk).update(phone="1")


@pytest.mark.parametrize("table", using.UNTOUCHED)
def test_the_mark_touches_nothing_else(scene, table):
    """Alone on its table each guard is the one that refuses; an UPDATE or a DELETE needs a row, where there is one."""
    grant = scene.bring("open")
    has_row = bool(execute(f"SELECT id FROM {table} LIMIT 1"))
    guards = {guard.event: guard for guard in using.GUARDS if guard.table == table and "touches_no_" in guard.name}
    assert set(guards) == {"INSERT", "UPDATE", "DELETE"}
    statements = {"INSERT": f"INSERT INTO {table} (id) VALUES (0)"}
    if has_row:
        statements |= {"UPDATE": f"UPDATE {table} SET id = id", "DELETE": f"DELETE FROM {table}"}
    guard_install.lift(connection)
    for event, sql in statements.items():
        for statement in translate(guards[event]).statements(connection.vendor):
            execute(statement)
        with refused_by(guards[event].name), marking.writing(grant):
            execute(sql)


def test_the_mark_needs_a_transaction_and_ends_with_its_block(scene):
    grant = scene.bring("open")
    with marking.writing(grant):
        pass
    update(grant.customer, rfc_check_failed=True)
    assert not RowDifference.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_mark_outside_a_transaction(scene):
    with pytest.raises(RuntimeError), marking.writing(scene.bring("open")):
        pass


# -- What triggers write down ------------------------------------------------------------------------


@pytest.mark.clause("M26")
def test_each_row_of_a_person_or_company_is_written_down_under_the_mark_and_no_other(scene):
    grant = scene.bring("open")
    colleague = scene.cast.colleague(full_name="Beto Luna")
    with marking.writing(grant):
        User.objects.filter(pk=colleague.pk).update(full_name="Otro")
        Contact.objects.filter(user=colleague).update(own_tickets_only=True)  # a guard refuses to delete it
        new = make_user(full_name="Nuevo")
    rows = [(row.table_name, row.row_pk, row.old, row.new) for row in RowDifference.objects.order_by("pk")]
    assert [row[:2] for row in rows] == [
        ("accounts_user", str(colleague.pk)),
        ("accounts_contact", str(colleague.contact.pk)),
        ("accounts_user", str(new.pk)),
    ]
    assert (rows[0][2]["full_name"], rows[0][3]["full_name"]) == ("Beto Luna", "Otro")
    assert rows[1][2]["customer_id"] == rows[1][3]["customer_id"] == grant.customer_id
    assert [bool(row["own_tickets_only"]) for row in rows[1][2:]] == [False, True]
    assert (rows[2][2], rows[2][3]["full_name"]) == (None, "Nuevo")
    assert "password" not in str(rows)


@pytest.mark.clause("M26")
def test_a_deleted_row_is_written_down_too(scene):
    """A contact is never deleted (`contact_no_delete`), so the recorder of DELETE is proved without the guards."""
    grant = scene.bring("open")
    contact = scene.cast.colleague().contact
    pk, person = contact.pk, contact.user_id
    connection.check_constraints()  # PostgreSQL drops no trigger while a deferred check is pending
    guard_install.lift(connection)
    for recorder in using.RECORDERS:
        if recorder.event == "DELETE":
            for statement in recorder.statements(connection.vendor):
                execute(statement)
    with marking.writing(grant):
        contact.delete()
    (row,) = RowDifference.objects.all()
    assert (row.table_name, row.row_pk, row.new) == ("accounts_contact", str(pk), None)
    assert (row.old["user_id"], row.old["customer_id"]) == (person, grant.customer_id)


@pytest.mark.clause("M26")
def test_every_recorder_is_there(scene):
    assert len(using.RECORDERS) == 12
    assert {recorder.table for recorder in using.RECORDERS} == set(using.COLUMNS)
    columns = {name for each in using.COLUMNS.values() for name in each}
    assert "password" not in columns


def test_a_value_is_asked_of_its_row():
    assert set(acting._ROWS) == set(fields.COLUMNS)
    assert transaction.get_connection() is not None
