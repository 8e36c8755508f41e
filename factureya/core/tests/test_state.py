"""A row that was changed past the operations differs from its last event, and the place is named (M26)."""

import io
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.db import connection, transaction

from accounts import operations
from accounts.models import Contact, Customer, Office, Representative, RoleAssignment, User
from accounts.rfc import parse_rfc
from change_requests import operations as request_operations
from change_requests.models import ACCESS, AssetOwnership, FormalRequest, InformationAsset
from change_requests.operations import set_asset_owner
from factureya.core import audit, guard_install
from factureya.core.audit import Flaw
from factureya.core.clock import now
from factureya.core.record import state
from factureya.testing import request_histories
from factureya.testing.pages import statements
from factureya.testing.people import Cast, end_offices, make_agent, make_staff, make_superuser, make_user, own_provider
from factureya.testing.raw_sql import execute_as_owner

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26")]


def sign_up(email: str, rfc: str = "POC930314QX7") -> User:
    person = operations.register_company(
        email=email, password="x" * 12, full_name="Ana Robles", rfc=parse_rfc(rfc), legal_name="Papelería Ocaso"
    )
    EmailAddress.objects.filter(user=person).update(verified=True)
    return person


@pytest.fixture
def ana() -> User:
    """Ana, whose company signed up and was verified; all is written by operations."""
    person, laura = sign_up("ana@ocaso.mx"), make_staff(Office.SUPERVISOR)
    operations.verify_company(person.contact.customer_id, actor=laura)
    return User.objects.get(pk=person.pk)


@pytest.fixture
def asset(ana: User) -> InformationAsset:
    """An asset with an owner and an alternate."""
    owner, other = make_staff(Office.INFORMATION_OWNER), make_staff(Office.INFORMATION_OWNER)
    found = InformationAsset.objects.exclude(code=ACCESS)[0]
    dates = {"alternate_from": now(), "alternate_until": now() + timedelta(days=2)}
    return set_asset_owner(found.pk, actor=make_superuser(), owner=owner, alternate=other, **dates)


def flaws() -> list[Flaw]:
    return list(state.find_flaws())


# -- Nothing is said of what operations wrote --------------------------------------------------------


@pytest.mark.usefixtures("asset")
def test_what_operations_wrote_has_no_flaw(ana: User):
    root, person = make_superuser(), make_user()
    held = operations.grant_office(person.pk, office=Office.AGENT, provider=own_provider(), actor=root)
    operations.end_office(held.pk, actor=root, reason="Se fue")
    operations.deactivate_user(person.pk, reason="Se fue", actor=root)
    operations.reactivate_user(person.pk, reason="Volvió", actor=root)
    operations.grant_office(person.pk, office=Office.AUDITOR, ends_at=now() + timedelta(days=9), actor=root)
    second = sign_up("beto@ocaso.mx")
    operations.join_company(second.contact.customer_id, actor=make_agent())
    beto = Contact.objects.get(user=second)
    operations.limit_contact(beto.pk, own_tickets_only=True, actor=ana)
    assert beto.customer_id == ana.contact.customer_id
    assert flaws() == []
    assert list(audit.find_flaws()) == []


def test_a_company_that_changed_by_requests_has_no_flaw():
    cast = Cast()
    state.record_missing()
    request_histories.make(cast, FormalRequest.Status.EXECUTED)
    assert flaws() == []
    approved, _beto = request_histories.approve_representative(cast)
    with time_machine.travel(now() + timedelta(days=4)):
        request_operations.execute(approved.pk, actor=cast.gina)
    assert flaws() == []
    verbs = set(cast.customer.events().values_list("verb", flat=True))
    assert {"company.changed", "representative.added", "representative.revoked"} <= verbs


# -- Each change past the operations is found, with its place ----------------------------------------

OFFICE, PERSON = "accounts_roleassignment", "accounts_contact"
COMPANY, POWERS = "accounts_customer", "accounts_representative"
ACCOUNT = "accounts_user"
OWNED, NAMED = "change_requests_informationasset", "change_requests_assetownership"
TAMPERS: dict[str, tuple[str, str]] = {
    "relabelled": (f"UPDATE {OFFICE} SET office = 'developer' WHERE office = 'security_officer'", "user:"),
    "backdated": (f"UPDATE {OFFICE} SET starts_at = '2020-01-01 00:00:00+00:00'", "user:"),
    "ended": (f"UPDATE {OFFICE} SET ends_at = starts_at WHERE office = 'security_officer'", "user:"),
    "deleted": (f"DELETE FROM {OFFICE} WHERE office = 'security_officer'", "user:"),
    "granted by another": (f"UPDATE {OFFICE} SET granted_by_id = (SELECT min(user_id) FROM {PERSON})", "user:"),
    "registered mail": (f"UPDATE {COMPANY} SET registered_email = 'thief@ejemplo.mx'", "customer:"),
    "RFC": (f"UPDATE {COMPANY} SET rfc = 'XAXX010101000'", "customer:"),
    "address": (f"UPDATE {COMPANY} SET fiscal_address = 'Otra 1'", "customer:"),
    "not verified": (f"UPDATE {COMPANY} SET verified_at = NULL, verified_by_id = NULL", "customer:"),
    "powers renewed": (f"UPDATE {POWERS} SET valid_from = '2001-01-01'", "customer:"),
    "powers of another": (f"UPDATE {POWERS} SET email = 'thief@ejemplo.mx'", "customer:"),
    "powers gone": (f"DELETE FROM {POWERS}", "customer:"),
    "role": (f"UPDATE {PERSON} SET role = 'contact'", "customer:"),
    "sees all": (f"UPDATE {PERSON} SET own_tickets_only = (1 = 1)", "customer:"),
    "contact gone": (f"DELETE FROM {PERSON}", "customer:"),
    "superuser": (f"UPDATE {ACCOUNT} SET is_superuser = (1 = 1) WHERE email = 'ana@ocaso.mx'", "user:"),
    "staff": (f"UPDATE {ACCOUNT} SET is_staff = (1 = 1) WHERE email = 'ana@ocaso.mx'", "user:"),
    "mail": (f"UPDATE {ACCOUNT} SET email = 'thief@ejemplo.mx' WHERE email = 'ana@ocaso.mx'", "user:"),
    "not active": (f"UPDATE {ACCOUNT} SET is_active = (1 = 0) WHERE email = 'ana@ocaso.mx'", "user:"),
    "owner": (
        f"UPDATE {OWNED} SET owner_id = (SELECT min(user_id) FROM {PERSON}) WHERE owner_id IS NOT NULL",
        "asset:",
    ),
    "no owner": (
        f"UPDATE {OWNED} SET owner_id = NULL, alternate_id = NULL, alternate_from = NULL, alternate_until = NULL",
        "asset:",
    ),
    "alternate": (f"UPDATE {OWNED} SET alternate_until = '2039-01-01 00:00:00+00:00' WHERE owner_id > 0", "asset:"),
    "history": (f"UPDATE {NAMED} SET set_by_id = (SELECT min(user_id) FROM {PERSON})", "asset:"),
    "history gone": (f"DELETE FROM {NAMED}", "asset:"),
}


@pytest.mark.parametrize("case", TAMPERS)
@pytest.mark.usefixtures("asset")
def test_h12_a_change_by_the_tables_owner_is_found_and_named(ana: User, case: str):
    make_staff(Office.SECURITY_OFFICER)
    assert flaws() == []
    sql, chain = TAMPERS[case]
    execute_as_owner(sql)
    found = flaws()
    assert found
    assert all(flaw.chain.startswith(chain) and flaw.seq > 0 and flaw.problem for flaw in found), found
    assert list(audit.find_flaws()) == []  # the chains alone know nothing of it


def test_h12_a_row_without_an_event_is_found(ana: User):
    held = RoleAssignment.objects.get(office=Office.SUPERVISOR)
    columns = "user_id, office, provider_id, starts_at, granted_by_id, granted_at"
    execute_as_owner(
        f"INSERT INTO {OFFICE} ({columns}) SELECT user_id, 'it_head', NULL, starts_at, granted_by_id, granted_at "
        f"FROM {OFFICE} WHERE id = %s",
        held.pk,
    )
    (flaw,) = flaws()
    assert (flaw.chain, flaw.seq) == (f"user:{held.user_id}", 0)
    assert "no está en ningún evento" in flaw.problem


def test_an_event_of_before_holds_no_row_and_is_passed_over(ana: User):
    person = RoleAssignment.objects.get(office=Office.SUPERVISOR).user
    with transaction.atomic():
        audit.record("office.granted", person, actor=None, office="agent")
        audit.record("company.verified", ana.contact.customer, actor=None, rows={})
    assert flaws() == []


def test_b11_a_contact_moved_by_the_tables_owner_is_found(ana: User):
    thief = sign_up("ladron@ejemplo.mx", "LAD010101AB1")
    execute_as_owner(f"UPDATE {PERSON} SET customer_id = %s WHERE user_id = %s", ana.contact.customer_id, thief.pk)
    (flaw,) = flaws()
    assert flaw.chain == ana.contact.customer.chain
    assert "no está en ningún evento" in flaw.problem


def test_a_row_that_changes_meanwhile_is_read_again(ana: User, monkeypatch: pytest.MonkeyPatch):
    """A row of the first reading is older than the events of the second: only the second counts."""
    kind = next(kind for kind in state.list_kinds() if kind.name == "office")
    stale = list(kind.rows())
    end_offices(stale[0].user)
    compare = state._compare
    first = [True]

    def compare_stale(kind_of_rows, rows):
        if first.pop() if first else False:
            rows = stale
        return compare(kind_of_rows, rows)

    monkeypatch.setattr(state, "_compare", compare_stale)
    assert list(state._find_changed(kind)) == []
    assert first == []


# -- Rows of before ----------------------------------------------------------------------------------


def test_rows_of_before_are_written_down_once():
    cast = Cast()  # its company and powers were written past the operations
    assert flaws()
    said = io.StringIO()
    call_command("record_rows", stdout=said)
    assert "filas anotadas" in said.getvalue()
    assert flaws() == []
    assert state.record_missing() == 0
    verbs = set(cast.customer.events().values_list("verb", flat=True))
    assert {"company.recorded", "contact.recorded", "representative.recorded"} <= verbs
    operations.change_full_name(full_name="Ana R", actor=cast.ana)
    assert flaws() == []


def test_an_account_made_by_the_command_has_an_event(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "Una-clave-larga-2026")
    email = "root@ocaso.mx"
    call_command("createsuperuser", email=email, full_name="Raíz", interactive=False, verbosity=0)
    root = User.objects.get(email=email)
    assert (root.is_superuser, root.is_staff, root.events().get().verb) == (True, True, "person.joined")
    assert flaws() == []


def test_an_account_of_before_is_written_down_and_its_later_changes_are_found():
    account = User.objects.bulk_create([User(email="antes@ocaso.mx", full_name="De Antes")])[0]
    (flaw,) = flaws()
    assert (flaw.chain, flaw.problem) == (account.chain, f"la cuenta {account.pk} no está en ningún evento")
    assert state.record_missing() == 1
    assert flaws() == []
    User.objects.filter(pk=account.pk).update(email="thief@ejemplo.mx")
    (flaw,) = flaws()
    assert "no es como el evento dice: email" in flaw.problem


def test_an_old_owner_and_an_old_office_are_written_down_and_go_on():
    owner, root = make_staff(Office.INFORMATION_OWNER), make_superuser()
    found = InformationAsset.objects.exclude(code=ACCESS)[0]
    held = RoleAssignment.objects.get(user=owner)
    connection.check_constraints()
    with guard_install.lifted(connection):  # as a migration leaves them
        RoleAssignment.objects.filter(pk=held.pk).update(granted_seq=None)
        InformationAsset.objects.filter(pk=found.pk).update(owner=owner)
        AssetOwnership.objects.create(asset=found, owner=owner)
        connection.check_constraints()
    state.record_missing()
    assert [flaw for flaw in flaws() if flaw.chain == found.chain] == []
    operations.end_office(held.pk, actor=root)
    said = [flaw.problem for flaw in flaws()]
    assert said == ["el cargo que el evento dice ya no está"]  # the grant that the test had unlinked


def test_two_old_offices_of_one_person_are_two_rows():
    """Offices granted before they had events: each is recorded, and the end of one says nothing of the other."""
    root, person = make_superuser(), make_user(is_staff=True)
    with guard_install.lifted(connection):
        for office in (Office.AGENT, Office.IT_HEAD):
            columns = {"office": office, "granted_by": root, "granted_at": now(), "starts_at": now()}
            provider = own_provider() if office == Office.AGENT else None
            RoleAssignment.objects.create(user=person, provider=provider, **columns)
        connection.check_constraints()
    assert state.record_missing() >= 2
    assert flaws() == []
    agent = RoleAssignment.objects.get(user=person, office=Office.AGENT)
    operations.end_office(agent.pk, actor=root, reason="Se fue")
    assert flaws() == []
    operations.grant_office(person.pk, office=Office.DEVELOPER, actor=root)
    assert flaws() == []
    execute_as_owner(f"UPDATE {OFFICE} SET starts_at = '2020-01-01 00:00:00+00:00' WHERE id = %s", agent.pk)
    (flaw,) = flaws()
    assert f"el cargo {agent.pk} " in flaw.problem
    assert state.record_missing() == 0


# -- Cost --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("asset")
def test_the_statements_do_not_grow_with_the_rows(ana: User):
    def count() -> int:
        with statements() as done:
            assert flaws() == []
        return len(done)

    before = count()
    for number in range(40):
        make_staff(Office.IT_HEAD, email=f"muchos{number}@factureya.com")
    assert count() <= before + 2
    assert Customer.objects.count() == Representative.objects.count() == 1
