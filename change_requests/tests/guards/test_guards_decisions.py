"""Two different people approve exactly what was asked, and nobody undoes it (M21): tried by ORM and by raw SQL."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import Office, RoleAssignment, User
from change_requests.models import Decision, DecisionSlot, FormalRequest, InformationAsset
from factureya.core.clock import now
from factureya.testing.people import give_office, make_staff, own_assets
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    named,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.requests import REASON, Status, current_revision, decide, designate, make_request, revise

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M21")]
ONCE = ("one_decision_per_person", "change_requests_decision_no_replace")
NEW = {"fiscal_address": "Calle Nueva 5, Puebla", "phone": "222 555 0199", "legal_name": "Nueva SC"}


@pytest.fixture
def fabian() -> User:
    """The owner of every asset."""
    return own_assets()


@pytest.fixture
def elsa() -> User:
    """The security officer."""
    return make_staff(Office.SECURITY_OFFICER, full_name="Elsa Seguridad")


@pytest.fixture
def formal(fabian: User) -> FormalRequest:
    """A change of two assets, in approval."""
    return make_request(Status.IN_APPROVAL, new=NEW)


def approved_columns() -> dict[str, Any]:
    """What goes with the status."""
    return {
        "status": "approved",
        "approved_at": now(),
        "execute_after": now(),
        "execute_before": now() + timedelta(days=7),
    }


# -- Who decides -------------------------------------------------------------------------------------


def test_who_asks_does_not_decide(formal: FormalRequest):
    ana = formal.requester
    give_office(ana, Office.SECURITY_OFFICER)
    with refused_by("decision_not_by_requester", "decision_not_by_author"):
        decide(formal, ana, "security")


def test_nobody_lies_about_the_requester(formal: FormalRequest):
    ana = formal.requester
    give_office(ana, Office.SECURITY_OFFICER)
    with refused_by("decision_pins_its_revision", "decision_not_by_author"):
        decide(formal, ana, "security", requester=make_staff())
    with refused_by("decision_pins_its_revision"):
        decide(formal, make_staff(Office.SECURITY_OFFICER), "security", requester=make_staff())


def test_nobody_lies_about_the_content(formal: FormalRequest, elsa: User):
    with refused_by("decision_pins_its_revision"):
        decide(formal, elsa, "security", sha256="0" * 64)


def test_who_edited_does_not_decide(formal: FormalRequest, elsa: User):
    update(formal, status="returned")
    formal.refresh_from_db()
    revise(formal, NEW | {"phone": "222 555 0111"}, columns={"author": elsa})
    bring_back(formal)
    with refused_by("decision_not_by_author"):
        decide(formal, elsa, "security")


def test_who_implements_does_not_decide(formal: FormalRequest, elsa: User):
    gina = designate(formal)
    give_office(gina, Office.SECURITY_OFFICER)
    with refused_by("decision_not_by_implementer"):
        decide(formal, gina, "security")


@pytest.mark.parametrize("first", ["owner", "security"])
def test_one_person_does_not_decide_in_two_offices(formal: FormalRequest, first: str):
    fabian = own_assets()
    give_office(fabian, Office.SECURITY_OFFICER)
    own_assets(make_staff(Office.INFORMATION_OWNER))
    assets = InformationAsset.objects.filter(code="identity")
    span = {"alternate_from": now() - timedelta(1), "alternate_until": now() + timedelta(1)}
    stands_in = {"alternate": fabian, **span}
    stands_in_no_more = {"alternate": None, "alternate_from": None, "alternate_until": None}
    second = {"owner": "security", "security": "owner"}[first]
    assets.update(**(stands_in if first == "owner" else stands_in_no_more))
    decide(formal, fabian, first)
    assets.update(**(stands_in if second == "owner" else stands_in_no_more))
    with refused_by(*ONCE):
        decide(formal, fabian, second)


def test_an_owner_does_not_decide_for_security(formal: FormalRequest, fabian: User):
    give_office(fabian, Office.SECURITY_OFFICER)
    with refused_by("decision_of_security_not_by_owner"):
        decide(formal, fabian, "security")
    jorge = make_staff(Office.SECURITY_OFFICER)
    InformationAsset.objects.exclude(code="access").update(
        alternate=jorge, alternate_from=now() - timedelta(1), alternate_until=now() + timedelta(1)
    )
    with refused_by("decision_of_security_not_by_owner"):
        decide(formal, jorge, "security")


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_one_decision_per_person_and_version(formal: FormalRequest, elsa: User, verdict: str):
    decide(formal, elsa, "security")
    with refused_by(*ONCE):
        decide(formal, elsa, "security", verdict)


def test_one_decision_per_place(formal: FormalRequest, elsa: User):
    decide(formal, elsa, "security")
    with refused_by("one_decision_of_security", "slot_insert_replaces_none"):
        decide(formal, make_staff(Office.SECURITY_OFFICER), "security")
    decide(formal, own_assets(), "owner")
    with refused_by("one_decision_per_asset", "slot_insert_replaces_none"):
        decide(formal, own_assets(make_staff(Office.INFORMATION_OWNER)), "owner")


@pytest.mark.parametrize("reason", ["", " " * 20, "corto    "])
def test_a_decision_has_its_reason(formal: FormalRequest, elsa: User, reason: str):
    with refused_by("decision_has_reason"):
        decide(formal, elsa, "security", reason=reason)


# -- By which office ---------------------------------------------------------------------------------


def test_an_office_that_ended_decides_nothing(formal: FormalRequest, elsa: User):
    RoleAssignment.objects.filter(user=elsa).update(ends_at=now())
    with refused_by("decision_by_office_in_force"):
        decide(formal, elsa, "security")


def test_an_office_to_come_decides_nothing(formal: FormalRequest, elsa: User):
    RoleAssignment.objects.filter(user=elsa).update(starts_at=now() + timedelta(minutes=1))
    with refused_by("decision_by_office_in_force"):
        decide(formal, elsa, "security")


def test_a_disabled_person_decides_nothing(formal: FormalRequest, elsa: User):
    User.objects.filter(pk=elsa.pk).update(is_active=False)
    with refused_by("decision_by_office_in_force"):
        decide(formal, elsa, "security")


def test_an_office_is_ones_own_and_the_right_one(formal: FormalRequest, elsa: User):
    theirs = RoleAssignment.objects.get(user=elsa)
    with refused_by("decision_by_office_in_force"):
        decide(formal, make_staff(), "security", assignment=theirs)
    with refused_by("decision_by_office_in_force"):
        decide(formal, elsa, "owner", assignment=theirs)
    other = make_staff(Office.INFORMATION_OWNER)
    with refused_by("decision_by_office_in_force"):
        decide(formal, other, "security", assignment=RoleAssignment.objects.get(user=other))


def test_only_the_owner_fills_the_place_of_an_asset(formal: FormalRequest, fabian: User):
    other = make_staff(Office.INFORMATION_OWNER)
    decision = decide(formal, other, "owner")  # of no asset: it fills no place
    assert not decision.slots.exists()
    asset = InformationAsset.objects.get(code="identity")
    place = {"request": formal, "revision_no": formal.revision_no, "office": "owner"}
    with refused_by("slot_of_an_owned_asset"):
        DecisionSlot.objects.create(decision=decision, asset=asset, **place)
    service = InformationAsset.objects.get(code="service")  # not in this request
    his = decide(formal, fabian, "owner")
    with refused_by("slot_of_an_owned_asset"):
        DecisionSlot.objects.create(decision=his, asset=service, **place)
    assert {slot.asset.code for slot in his.slots.all()} == {"identity", "location"}


@pytest.mark.parametrize(("since", "until", "lawful"), [(-1, 1, True), (-2, -1, False), (1, 2, False)])
def test_an_alternate_decides_inside_his_dates(formal: FormalRequest, since: int, until: int, lawful: bool):
    alternate = make_staff(Office.INFORMATION_OWNER)
    InformationAsset.objects.filter(owner__isnull=False).update(
        alternate=alternate, alternate_from=now() + timedelta(since), alternate_until=now() + timedelta(until)
    )
    decision = decide(formal, alternate, "owner")
    assert decision.slots.count() == (2 if lawful else 0)
    if not lawful:
        with refused_by("slot_of_an_owned_asset"):
            DecisionSlot.objects.create(
                decision=decision,
                request=formal,
                revision_no=1,
                office="owner",
                asset=InformationAsset.objects.get(code="identity"),
            )


@pytest.mark.parametrize(
    "change", [{"revision_no": 2}, {"office": "security", "asset": None}, {"voided_at": now()}], ids=named
)
def test_a_place_is_of_its_decision(formal: FormalRequest, fabian: User, change: dict[str, Any]):
    decision = decide(formal, fabian, "owner")
    place = {
        "decision": decision,
        "request": formal,
        "revision_no": 1,
        "office": "owner",
        "asset": InformationAsset.objects.get(code="identity"),
    }
    with refused_by("slot_of_its_decision", "slot_insert_replaces_none"):
        DecisionSlot.objects.create(**place | change)


# -- On what -----------------------------------------------------------------------------------------


def bring_back(formal: FormalRequest) -> None:
    """From returned to approval again."""
    update(formal, status="submitted", confirmed_at=None)
    update(formal, status="verifying", confirmed_at=now())
    update(formal, status="in_approval")
    formal.refresh_from_db()


def test_a_stale_version_is_not_decided(formal: FormalRequest, elsa: User):
    first = current_revision(formal)
    update(formal, status="returned")
    formal.refresh_from_db()
    revise(formal, NEW | {"phone": "222 555 0111"})
    bring_back(formal)
    stale = {"revision_no": first.no, "sha256": first.sha256}
    with refused_by("decision_on_the_current_revision"):
        decide(formal, elsa, "security", **stale)
    with refused_by("decision_pins_its_revision"):
        decide(formal, elsa, "security", sha256=first.sha256)


def test_approvals_of_an_earlier_version_count_for_nothing(formal: FormalRequest, elsa: User):
    decide(formal, elsa, "security")
    decide(formal, own_assets(), "owner")
    update(formal, status="returned")
    formal.refresh_from_db()
    revise(formal, NEW | {"phone": "222 555 0111"})
    bring_back(formal)
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())


@pytest.mark.parametrize("status", ["draft", "submitted", "verifying", "approved"])
def test_only_a_request_in_approval_is_decided(status: str):
    formal = make_request(status, new=NEW)
    if status == "draft":
        revise(formal, NEW)
    with refused_by("decision_on_the_current_revision"):
        decide(formal, make_staff(Office.SECURITY_OFFICER), "security")


def test_a_suspended_request_is_not_decided(formal: FormalRequest, elsa: User):
    update(formal, suspended_at=now())
    with refused_by("decision_on_the_current_revision"):
        decide(formal, elsa, "security")


# -- Approved ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", ["", "owner", "security"])
def test_nothing_is_approved_without_both(formal: FormalRequest, fabian: User, elsa: User, there: str):
    if there:
        decide(formal, {"owner": fabian, "security": elsa}[there], there)
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())
    with refused_by("request_approved_by_every_slot"):
        FormalRequest.objects.filter(pk=formal.pk).update(**approved_columns())


def test_both_make_it_approved(formal: FormalRequest, fabian: User, elsa: User):
    decide(formal, fabian, "owner")
    decide(formal, elsa, "security")
    update(formal, **approved_columns())


def test_every_asset_needs_its_owner(formal: FormalRequest, fabian: User, elsa: User):
    other = make_staff(Office.INFORMATION_OWNER)
    InformationAsset.objects.filter(code="identity").update(owner=other)
    decide(formal, fabian, "owner")
    decide(formal, elsa, "security")
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())
    decide(formal, other, "owner")
    update(formal, **approved_columns())


@pytest.mark.parametrize("against", ["owner", "security"])
def test_a_refusal_ends_it(formal: FormalRequest, fabian: User, elsa: User, against: str):
    for office, person in (("owner", fabian), ("security", elsa)):
        decide(formal, person, office, "reject" if office == against else "approve")
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())


def test_a_closed_asset_does_not_pass_unseen(formal: FormalRequest, fabian: User, elsa: User):
    decide(formal, fabian, "owner")
    decide(formal, elsa, "security")
    requested = formal.requested_assets.first()
    assert requested is not None
    with refused_by("requested_asset_open_as_its_request"):
        update(requested, open=False)
    with refused_by("requested_asset_no_delete"):
        requested.delete()


def test_a_new_registered_mail_is_confirmed_first(fabian: User, elsa: User):
    formal = make_request(Status.IN_APPROVAL, new={"registered_email": "nuevo@ejemplo.mx"})
    decide(formal, fabian, "owner")
    decide(formal, elsa, "security")
    for revision_no in (None, 7):
        with refused_by("request_new_mail_confirmed"):
            update(formal, **approved_columns(), new_mail_revision=revision_no)
    update(formal, **approved_columns(), new_mail_revision=1)


@pytest.mark.clause("M7")
def test_an_access_request_needs_security_alone(elsa: User):
    formal = make_request(
        Status.IN_APPROVAL, form="access", kind="alta", new={"full_name": "Beto", "email": "b@ejemplo.mx"}
    )
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())
    decide(formal, elsa, "security")
    update(formal, **approved_columns())


def test_a_suspended_request_is_not_approved(formal: FormalRequest, fabian: User, elsa: User):
    decide(formal, fabian, "owner")
    decide(formal, elsa, "security")
    update(formal, suspended_at=now())
    with refused_by("request_suspended_stands_still"):
        update(formal, **approved_columns())
    with refused_by("request_suspended_stands_still", "request_resumed_by_security"):
        update(formal, **approved_columns(), suspended_at=None)


# -- For ever ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"verdict": "reject"}, {"reason": REASON + "!"}, {"office": "owner"}], ids=named)
def test_a_decision_is_not_edited(formal: FormalRequest, elsa: User, change: dict[str, Any]):
    decision = decide(formal, elsa, "security")
    with refused_by("change_requests_decision_no_update"):
        update(decision, **change)
    with refused_by("change_requests_decision_no_update"):
        Decision.objects.update(**change)


def test_a_decision_is_not_deleted(formal: FormalRequest, elsa: User):
    decision = decide(formal, elsa, "security")
    for table in ("decisionslot", "decision"):
        with refused_by("slot_no_delete", "change_requests_decision_no_delete"):
            execute(f"DELETE FROM change_requests_{table}")
    with refused_by("change_requests_decision_no_delete"):
        Decision.objects.filter(pk=decision.pk)._raw_delete("default")


@postgres_only
def test_decisions_are_not_truncated(formal: FormalRequest, elsa: User):
    decide(formal, elsa, "security")
    connection.check_constraints()
    with refused_by("_no_truncate"):
        execute("TRUNCATE change_requests_decision CASCADE")
    with refused_by("_no_truncate"):
        execute("TRUNCATE change_requests_decisionslot")


@postgres_only
def test_the_pin_is_a_foreign_key():
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, Decision._meta.db_table)
        cursor.execute("SELECT contype, convalidated FROM pg_constraint WHERE conname = 'decision_pins_its_revision'")
        assert cursor.fetchall() == [("f", True)]
    assert there["decision_pins_its_revision"]["columns"] == ["request_id", "revision_no", "requester_id", "sha256"]


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE", "UPDATE OR REPLACE"])
def test_a_decision_is_not_replaced(formal: FormalRequest, elsa: User, verb: str, run: Any):
    decision = decide(formal, elsa, "security")
    other = decide(formal, own_assets(), "owner")
    if verb.startswith("UPDATE"):
        with refused_by("change_requests_decision_no_update"):
            run(f"{verb} change_requests_decision SET id = %s WHERE id = %s", decision.pk, other.pk)
        with refused_by("slot_is_only_voided"):
            slot, hers = other.slots.first(), decision.slots.get()
            run(f"{verb} change_requests_decisionslot SET id = %s WHERE id = %s", hers.pk, slot.pk)
        return
    for keys in ({"id": decision.pk}, {}):
        sql, params = copy_statement(Decision, decision.pk, verb, verdict="reject", **keys)
        with refused_by("change_requests_decision_no_replace"):
            run(sql, *params)
    sql, params = copy_statement(DecisionSlot, decision.slots.get().pk, verb)
    with refused_by("slot_insert_replaces_none"):
        run(sql, *params)


def test_a_place_is_only_voided(formal: FormalRequest, elsa: User):
    slot = decide(formal, elsa, "security").slots.get()
    with refused_by("slot_voided_only_without_office"):
        update(slot, voided_at=now())
    with refused_by("slot_is_only_voided"):
        update(slot, revision_no=2)
    RoleAssignment.objects.filter(user=elsa).update(ends_at=now())
    update(slot, voided_at=now() + timedelta(seconds=1))
    with refused_by("slot_is_only_voided"):
        update(slot, voided_at=None)
    with refused_by("slot_is_only_voided"):
        update(slot, voided_at=now() + timedelta(days=1))


def test_a_voided_place_is_filled_by_another(formal: FormalRequest, fabian: User, elsa: User):
    decide(formal, fabian, "owner")
    slot = decide(formal, elsa, "security").slots.get()
    User.objects.filter(pk=elsa.pk).update(is_active=False)
    update(slot, voided_at=now())
    with refused_by("request_approved_by_every_slot"):
        update(formal, **approved_columns())
    decide(formal, make_staff(Office.SECURITY_OFFICER), "security")
    update(formal, **approved_columns())


# -- The assets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"code": "otro"}, {"fields": "[]"}], ids=named)
def test_what_an_asset_holds_never_changes(change: dict[str, Any]):
    asset = InformationAsset.objects.get(code="identity")
    with refused_by("asset_never_changes"):
        update(asset, **change)
    with refused_by("asset_no_delete"):
        execute("DELETE FROM change_requests_informationasset WHERE id = %s", asset.pk)


def test_an_alternate_has_dates_and_is_another(fabian: User):
    asset = InformationAsset.objects.get(code="identity")
    beto = make_staff(Office.INFORMATION_OWNER)
    dates = {"alternate_from": now(), "alternate_until": now() + timedelta(1)}
    with refused_by("alternate_has_dates"):
        update(asset, alternate_id=beto.pk)
    with refused_by("alternate_has_dates"):
        update(asset, alternate_id=beto.pk, alternate_from=now(), alternate_until=None)
    with refused_by("alternate_has_dates"):
        backwards = {"alternate_from": dates["alternate_until"], "alternate_until": now()}
        update(asset, alternate_id=beto.pk, **backwards)
    with refused_by("alternate_is_another"):
        update(asset, alternate_id=fabian.pk, **dates)
    update(asset, alternate_id=beto.pk, **dates)
