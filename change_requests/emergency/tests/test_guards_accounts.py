"""What no raw SQL does to accounts at rest, causes, seals and delegations (M22, M23), on both engines."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Contact, Customer, Office, RoleAssignment, User
from change_requests.emergency import operations
from change_requests.emergency.models import CriticalCredential, Delegation, EmergencyAccount, EmergencyCause
from factureya.core.clock import now
from factureya.testing.emergencies import Emergency, Status
from factureya.testing.people import Cast, make_customer, make_staff, make_superuser
from factureya.testing.raw_sql import copy_statement, execute, execute_bare, insert, refused_by, sqlite_only, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M22", "M23")]
LATER = timedelta(days=3)


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def account(cast: Cast) -> EmergencyAccount:
    return operations.add_account(alias="emergencia-05", purpose="Corregir un dato", scope="fix", actor=cast.elsa)


@pytest.fixture
def credential(cast: Cast, account: EmergencyAccount) -> CriticalCredential:
    return operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)


@pytest.fixture
def delegation(cast: Cast) -> Delegation:
    return operations.delegate_office(
        office=Office.SECURITY_OFFICER,
        absent=cast.elsa,
        alternate=cast.laura,
        starts_at=now(),
        ends_at=now() + LATER,
        reason="Está de vacaciones.",
        actor=cast.elsa,
    )


# -- The account -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns", [{"is_active": True}, {"is_staff": True}, {"is_superuser": True}, {"password": "pbkdf2"}]
)
def test_the_user_of_an_account_rests(account: EmergencyAccount, columns: dict[str, Any]):
    with refused_by("emergency_account_rests", "superuser_follows_its_event"):
        update(account.user, **columns)


def test_a_user_is_of_emergencies_for_ever_or_never(account: EmergencyAccount, cast: Cast):
    with refused_by("user_emergency_is_final"):
        update(account.user, is_emergency=False)
    with refused_by("user_emergency_is_final"):
        update(cast.gina, is_emergency=True, is_active=False, is_staff=False, password="!x")


def test_its_user_has_no_office_and_no_company(account: EmergencyAccount, cast: Cast):
    with refused_by("office_not_of_emergency_account", "office_follows_its_event"):
        RoleAssignment.objects.create(user=account.user, office=Office.AUDITOR, granted_by=make_superuser())
    with refused_by("contact_not_of_emergency_account", "contact_enters_with_its_event"):
        Contact.objects.create(user=account.user, customer=cast.customer)


def test_an_account_is_of_an_emergency_user(account: EmergencyAccount, cast: Cast):
    with refused_by("emergency_account_has_its_user"):
        insert(account, alias="otra", user_id=cast.gina.pk)
    other = User.objects.create(email="x@emergencia.invalid", is_emergency=True, is_active=False, password="!y")
    with refused_by("emergency_account_born_in_use"):
        insert(account, alias="otra", user_id=other.pk, retired_at=now(), retired_by_id=cast.elsa.pk)
    with refused_by("emergency_scope_is_known"):
        insert(account, alias="otra", user_id=other.pk, scope="todo")
    with refused_by("emergency_account_has_purpose"):
        insert(account, alias="otra", user_id=other.pk, purpose="    corto    ")


@pytest.mark.parametrize("columns", [{"alias": "otra"}, {"scope": "read"}, {"purpose": "Otra cosa distinta"}])
def test_what_an_account_is_stays(account: EmergencyAccount, columns: dict[str, Any]):
    with refused_by("emergency_account_facts_stay"):
        update(account, **columns)


def test_an_account_retires_once_and_at_rest(scene: Emergency):
    account, elsa = scene.account, scene.cast.elsa
    with refused_by("emergency_account_retires_at_rest"):
        update(account, retired_at=now(), retired_by_id=elsa.pk)
    with refused_by("emergency_account_retires_whole"):
        update(operations.add_account(alias="x-1", purpose="Para otra cosa", scope="fix", actor=elsa), retired_at=now())
    operations.retire_account(account.pk, actor=elsa)
    with refused_by("emergency_account_retired_stays"):
        update(account, retired_at=None, retired_by_id=None)
    with refused_by("emergency_account_retired_stays"):
        update(account, retired_at=now() + LATER)


def test_a_company_is_of_drills_from_its_beginning():
    real, drill = make_customer(), make_customer(is_drill=True)
    with refused_by("customer_drill_is_final"):
        update(real, is_drill=True)
    with refused_by("customer_drill_is_final"):
        update(drill, is_drill=False)
    assert Customer.objects.filter(is_drill=True).count() == 1


def test_nothing_of_it_is_deleted(scene: Emergency, delegation_of_scene: Delegation):
    scene.bring(Status.OPEN)
    for model in (EmergencyAccount, EmergencyCause, CriticalCredential, Delegation):
        table = model._meta.db_table
        with refused_by(f"{table}_no_delete"):
            execute(f"DELETE FROM {table}")


@pytest.fixture
def delegation_of_scene(scene: Emergency) -> Delegation:
    """A delegation among the same people."""
    cast = scene.cast
    return operations.delegate_office(
        office=Office.IT_HEAD,
        absent=cast.jorge,
        alternate=cast.laura,
        starts_at=now(),
        ends_at=now() + LATER,
        reason="Está de vacaciones.",
        actor=cast.jorge,
    )


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_nothing_is_replaced(scene: Emergency, delegation_of_scene: Delegation, run: Any):
    credential = scene.account.find_credential()
    cause = EmergencyCause.objects.first()
    assert credential is not None
    assert cause is not None
    for row in (scene.account, cause, credential, delegation_of_scene):
        table = row._meta.db_table
        sql, params = copy_statement(type(row), row.pk, "INSERT OR REPLACE", id=row.pk)
        with refused_by(f"{table}_no_replace", "born_empty", "counts_its", "kept_by"):
            run(sql, *params)
    sql, params = copy_statement(CriticalCredential, credential.pk, "INSERT OR REPLACE", generation=2)
    with refused_by("credential_insert_replaces_none", "credential_born_empty"):
        run(sql, *params)


# -- Causes ------------------------------------------------------------------------------------------


def test_causes_are_kept_by_security(cast: Cast):
    cause = EmergencyCause.objects.first()
    assert cause is not None
    with refused_by("cause_kept_by_security"):
        insert(cause, code="otra", kept_by_id=cast.laura.pk, created_at=now())
    with refused_by("cause_kept_by_security"):
        insert(cause, code="otra")
    with refused_by("cause_has_title_and_procedure"):
        insert(cause, code="otra", kept_by_id=cast.elsa.pk, created_at=now(), procedure="  corto  ")
    with refused_by("cause_facts_stay"):
        update(cause, title="Otro título")
    with refused_by("cause_ended_by_security"):
        update(cause, active=False, ended_at=now(), ended_by_id=cast.laura.pk)
    with refused_by("cause_ends_whole", "cause_ended_by_security"):
        update(cause, active=False)
    operations.end_cause(cause.pk, actor=cast.elsa)
    with refused_by("cause_ended_stays"):
        update(cause, active=True, ended_at=None, ended_by_id=None)
    with refused_by("cause_ended_stays"):
        update(cause, ended_at=now() + LATER)


# -- Seals -------------------------------------------------------------------------------------------


def test_a_seal_is_born_without_halves(credential: CriticalCredential, cast: Cast):
    update(credential, retired_at=now(), retired_reason="resealed")
    empty: dict[str, Any] = {"generation": 2, "retired_at": None, "retired_reason": ""}
    with refused_by("credential_born_empty"):
        insert(credential, **empty, half_a_hash="x", revealed_a_at=now())
    with refused_by("credential_counts_its_generation"):
        insert(credential, **{**empty, "generation": 3})
    with refused_by("one_credential_per_generation", "counts_its_generation", "no_replace"):
        insert(credential, **{**empty, "generation": 1})
    with refused_by("credential_custodians_are_staff"):
        insert(credential, **empty, custodian_b_id=cast.ana.pk)
    with refused_by("credential_custodians_are_staff"):
        insert(credential, **empty, custodian_a_id=make_staff(is_active=False).pk)
    with refused_by("custodians_are_two"):
        insert(credential, **empty, custodian_b_id=cast.laura.pk)
    insert(credential, **empty)
    with refused_by("one_live_credential", "replaces_none"):
        insert(credential, **{**empty, "generation": 3})


def test_a_retired_account_gets_no_seal(credential: CriticalCredential, cast: Cast):
    operations.retire_account(credential.account_id, actor=cast.elsa)
    with refused_by("credential_of_an_account_in_use"):
        insert(credential, generation=2, retired_at=None, retired_reason="")


def test_the_custodians_of_a_seal_stay(credential: CriticalCredential, cast: Cast):
    for columns in ({"custodian_a_id": cast.fabian.pk}, {"custodian_b_id": cast.gina.pk}, {"generation": 7}):
        with refused_by("credential_facts_stay"):
            update(credential, **columns)


def test_a_half_is_written_once_and_never_both_at_once(credential: CriticalCredential, cast: Cast):
    both = {"half_a_hash": "x", "revealed_a_at": now(), "half_b_hash": "y", "revealed_b_at": now()}
    with refused_by("credential_halves_apart"):
        update(credential, **both)
    with refused_by("half_a_revealed_whole"):
        update(credential, half_a_hash="x")
    with refused_by("half_b_revealed_whole"):
        update(credential, revealed_b_at=now())
    operations.reveal_half(credential.pk, actor=cast.laura)
    credential.refresh_from_db()
    with refused_by("credential_halves_apart"):  # the same half twice
        update(credential, half_b_hash=credential.half_a_hash, revealed_b_at=now())
    for columns in (
        {"half_a_hash": "otro"},
        {"half_a_hash": "", "revealed_a_at": None},
        {"revealed_a_at": now() + LATER},
    ):
        with refused_by("credential_halves_written_once"):
            update(credential, **columns)
    with refused_by("half_b_sealed_after_revealed"):
        update(credential, sealed_b_at=now())
    with refused_by("half_a_sealed_after_revealed"):
        update(credential, sealed_a_at=credential.revealed_a_at - timedelta(microseconds=1))
    with refused_by("sealed_credential_has_its_renewal"):
        update(credential, renew_by=now() + LATER)
    operations.reveal_half(credential.pk, actor=cast.jorge)
    with refused_by("credential_halves_apart"):
        update(credential, sealed_a_at=now(), sealed_b_at=now(), renew_by=now() + LATER)


def test_a_seal_serves_once_and_stays_retired(scene: Emergency):
    credential = scene.account.find_credential()
    assert credential is not None
    with refused_by("credential_used_once"):
        update(credential, used_at=now(), retired_at=now(), retired_reason="used")
    with refused_by("credential_tries_go_up"):
        update(credential, tries=2)
    with refused_by("three_wrong_halves_retire", "credential_tries_go_up"):
        update(credential, tries=3)
    with refused_by("credential_halves_written_once"):
        update(credential, renew_by=now() + timedelta(days=900))
    scene.bring(Status.OPEN)
    with refused_by("credential_used_once"):
        update(credential, used_at=now() + LATER)
    with refused_by("credential_open_until_its_end"):
        update(credential, retired_at=now(), retired_reason="used")


def test_a_retired_seal_changes_no_more(credential: CriticalCredential):
    with refused_by("used_credential_was_sealed"):
        update(credential, used_at=now())
    with refused_by("credential_retires_whole"):
        update(credential, retired_at=now())
    update(credential, retired_at=now(), retired_reason="resealed")
    for columns in (
        {"retired_at": None, "retired_reason": ""},
        {"half_a_hash": "x", "revealed_a_at": now()},
        {"tries": 1},
        {"used_at": now()},
    ):
        with refused_by("credential_retired_stays", "credential_used_once"):
            update(credential, **columns)


# -- Delegations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"absent_id": "gina"}, "delegation_of_a_held_office"),
        ({"alternate_id": "ana"}, "delegation_of_a_held_office"),
        ({"granted_by_id": "jorge"}, "delegation_granted_by_who_may"),
        ({"granted_by_id": "laura"}, "delegation_not_granted_to_oneself|delegation_granted_by_who_may"),
        ({"alternate_id": "elsa"}, "delegation_is_to_another|delegation_not_granted_to_oneself"),
        ({"office": "implementer"}, "delegation_office_is_known|delegation_of_a_held_office"),
        ({"reason": "   corto   "}, "delegation_has_reason"),
    ],
)
def test_a_delegation_is_of_a_held_office_and_by_another(
    delegation: Delegation, cast: Cast, columns: dict[str, str], name: str
):
    values = {key: getattr(cast, text).pk if key.endswith("_id") else text for key, text in columns.items()}
    with refused_by(name):
        insert(delegation, **values)


def test_a_delegation_has_its_days_and_one_end(delegation: Delegation, cast: Cast):
    with refused_by("delegation_ends_after_it_starts"):
        insert(delegation, ends_at=delegation.starts_at)
    with refused_by("delegation_born_whole"):
        insert(delegation, ended_at=now(), ended_by_id=cast.elsa.pk)
    for columns in ({"ends_at": now() + timedelta(days=900)}, {"alternate_id": cast.gina.pk}, {"starts_at": now()}):
        with refused_by("delegation_facts_stay"):
            update(delegation, **columns)
    with refused_by("delegation_ends_whole"):
        update(delegation, ended_at=now())
    with refused_by("delegation_ends_whole"):
        update(delegation, ended_at=now() + timedelta(days=900), ended_by_id=cast.elsa.pk)
    operations.end_delegation(delegation.pk, actor=cast.elsa)
    with refused_by("delegation_ends_once"):
        update(delegation, ended_at=None, ended_by_id=None)
    with refused_by("delegation_ends_once"):
        update(delegation, ended_at=now() - timedelta(seconds=1))
