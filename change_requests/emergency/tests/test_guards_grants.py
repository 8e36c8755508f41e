"""What no raw SQL does to an emergency and its authorizations: never longer, never alone (M23), on both engines."""

import json
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, RoleAssignment
from change_requests.emergency import operations
from change_requests.emergency.models import EmergencyGrant, GrantAuthorization
from factureya.core.clock import now
from factureya.testing.emergencies import WHY, Emergency, Status
from factureya.testing.people import make_customer, make_hugo, make_staff
from factureya.testing.raw_sql import insert, refused_by, update
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]
LATER = timedelta(minutes=1)


@pytest.fixture
def ended(scene: Emergency) -> EmergencyGrant:
    """A refused emergency of a sealed account, to be copied."""
    grant = scene.request()
    return operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")


def again(grant: EmergencyGrant, **columns: Any) -> None:
    """INSERT a copy as a new request, with other columns."""
    born = {"folio": "EM-0000-0001", "status": "requested", "ended_at": None, "ended_by_id": None}
    insert(grant, **{**born, "requested_at": now(), **columns})


# -- Born --------------------------------------------------------------------------------------------


def test_a_whole_copy_is_let_through(ended: EmergencyGrant):
    again(ended)
    assert EmergencyGrant.objects.count() == 2


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"status": "authorized"}, "grant_born_requested|authorized_grant_is_whole"),
        ({"minutes": 5}, "grant_born_requested"),
        ({"half_a_at": "now", "half_a_by_id": "laura"}, "grant_born_requested"),
        ({"last_seen_at": "now"}, "grant_born_requested"),
        ({"operator_id": "laura"}, "grant_operator_keeps_no_half"),
        ({"operator_id": "elsa"}, "grant_operator_is_fit"),
        ({"operator_id": "ana"}, "grant_operator_is_fit"),
        ({"fields": json.dumps(["representative"])}, "grant_names_its_fields"),
        ({"fields": json.dumps(["phone", "verified_at"])}, "grant_names_its_fields"),
        ({"fields": json.dumps([])}, "grant_names_its_fields"),
        ({"minutes_asked": 241}, "grant_minutes_are_bounded"),
        ({"minutes_asked": 0}, "grant_minutes_are_bounded"),
        ({"reason": "    corta     "}, "grant_has_reason"),
        ({"incident": ""}, "grant_has_incident|grant_incident_is_of_its_customer"),
        ({"incident": "FY-0000-0000"}, "grant_incident_is_of_its_customer"),
        ({"incident_kind": "request"}, "grant_incident_is_of_its_customer"),
        ({"incident_kind": "rumor"}, "grant_incident_is_known|grant_incident_is_of_its_customer"),
        ({"drill": True}, "grant_customer_fits|grant_incident_is_known"),
        ({"drill": True, "incident_kind": "drill"}, "grant_customer_fits"),
        ({"status": "rara"}, "grant_status_is_known|grant_born_requested"),
    ],
    ids=str,
)
def test_a_request_is_lawful_from_its_first_second(
    scene: Emergency, ended: EmergencyGrant, columns: dict[str, Any], name: str
):
    people = {"laura", "elsa", "ana"}
    values = {
        key: getattr(scene.cast, text).pk if text in people else text
        for key, text in columns.items()
        if not isinstance(text, bool | int)
    } | {k: v for k, v in columns.items() if isinstance(v, bool | int)}
    values = {key: now() if value == "now" else value for key, value in values.items()}
    with refused_by(name):
        again(ended, **values)


def test_a_developer_or_a_closed_account_operates_nothing(ended: EmergencyGrant):
    with refused_by("grant_operator_is_fit"):
        again(ended, operator_id=make_hugo().pk)
    with refused_by("grant_operator_is_fit"):
        again(ended, operator_id=make_staff(Office.IMPLEMENTER, is_active=False).pk)


def test_the_company_is_verified_and_the_tickets_own(ended: EmergencyGrant):
    with refused_by("grant_customer_fits", "grant_incident_is_of_its_customer"):
        again(ended, customer_id=make_customer(verified=False).pk)
    with refused_by("grant_incident_is_of_its_customer"):
        again(ended, incident=make_ticket().number)


def test_a_cause_that_ended_is_off_the_list(scene: Emergency, ended: EmergencyGrant):
    operations.end_cause(ended.cause_id, actor=scene.cast.elsa)
    with refused_by("grant_cause_is_on_the_list"):
        again(ended)


def test_the_account_is_sealed_in_use_and_reviewed(scene: Emergency, ended: EmergencyGrant):
    cast = scene.cast
    scene.open(scene.authorize(scene.request()))
    with refused_by("one_live_grant_per_account", "grant_insert_replaces_none"):
        again(ended)
    operations.end_grant(EmergencyGrant.objects.latest("pk").pk, actor=cast.gina)
    with refused_by("grant_of_a_sealed_account", "grant_after_its_review"):
        again(ended)
    scene.seal()
    with refused_by("grant_after_its_review"):
        again(ended)
    other = operations.add_account(alias="emergencia-02", purpose="Para otra cosa", scope="fix", actor=cast.elsa)
    with refused_by("grant_of_a_sealed_account"):
        again(ended, account_id=other.pk)
    operations.start_sealing(other.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    with refused_by("grant_of_a_sealed_account"):
        again(ended, account_id=other.pk)


def test_an_account_that_only_reads_names_no_field():
    scene = Emergency(scope="read")
    grant = scene.request()
    grant = operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    with refused_by("grant_names_its_fields"):
        again(grant, fields=json.dumps(["phone"]))


# -- The steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"reason": "Otra razón, bastante larga."},
        {"minutes_asked": 240},
        {"fields": json.dumps(["rfc"])},
        {"incident": "FY-0000-0000"},
        {"operator_name": "Otra"},
        {"requested_at": now()},
        {"decide_before": now() + timedelta(days=9)},
        {"folio": "EM-0000-0002"},
    ],
    ids=["reason", "minutes", "fields", "incident", "name", "requested", "decide", "folio"],
)
@pytest.mark.parametrize("status", [Status.REQUESTED, Status.OPEN])
def test_what_was_asked_stays(scene: Emergency, columns: dict[str, Any], status: str):
    with refused_by("grant_facts_stay"):
        update(scene.bring(status), **columns)


def test_customer_operator_and_account_stay(scene: Emergency):
    grant = scene.bring(Status.OPEN)
    for columns in (
        {"customer_id": make_customer().pk},
        {"operator_id": make_staff(Office.IMPLEMENTER).pk},
        {"cause_id": grant.cause_id + 1},
    ):
        with refused_by("grant_facts_stay"):
            update(grant, **columns)


def whole(grant: EmergencyGrant, status: str) -> dict[str, Any]:
    """What goes with a status, so that only the guards are against it."""
    authorized = {"minutes": 60, "authorized_at": now(), "start_before": now() + timedelta(minutes=30)}
    return {
        "requested": {},
        "authorized": authorized,
        "refused": {"ended_at": now()},
        "lapsed": {"ended_at": now(), "end_reason": "time"},
        "open": {},
        "ended": {"ended_at": now(), "end_reason": "used"},
        "reviewed": {"ended_at": now(), "end_reason": "used"},
    }[status] | {"status": status}


@pytest.mark.parametrize("after", Status.values)
@pytest.mark.parametrize("before", [Status.REQUESTED, Status.AUTHORIZED, Status.OPEN, Status.ENDED, Status.REFUSED])
def test_a_step_that_does_not_exist_is_refused(scene: Emergency, before: str, after: str):
    edges = {
        "requested": ("authorized", "refused", "lapsed"),
        "authorized": ("open", "refused", "lapsed"),
        "open": ("ended",),
        "ended": ("reviewed",),
    }
    if before == Status.REFUSED:
        grant = scene.request()
        operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    else:
        grant = scene.bring(before)
    if after == before or after in edges.get(before, ()):
        return
    unlawful = ("grant_moves_step_by_step", "_is_whole", "grant_written_once", "grant_reviewed_by_its_review")
    with refused_by(*unlawful):
        update(grant, **whole(grant, after))
    with refused_by(*unlawful):
        update(grant, status=after)


def test_nothing_is_authorized_without_two(scene: Emergency):
    grant = scene.request()
    with refused_by("grant_authorized_by_two"):
        update(grant, **whole(grant, "authorized"))
    operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY, minutes=20)
    with refused_by("grant_authorized_by_two"):
        update(grant, **{**whole(grant, "authorized"), "minutes": 20})


def test_the_shorter_time_counts(scene: Emergency):
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY, minutes=20)
    grant.refresh_from_db()
    fabian = scene.cast.fabian
    copy = GrantAuthorization.objects.get(grant=grant)
    insert(
        copy,
        slot="owner_or_it_head",
        office="information_owner",
        authorizer_id=fabian.pk,
        assignment_id=RoleAssignment.objects.get(user=fabian).pk,
        minutes=60,
        verdict="authorize",
        decided_at=now(),
    )
    with refused_by("grant_authorized_by_two"):
        update(grant, **whole(grant, "authorized"))
    with refused_by("grant_starts_soon"):
        update(grant, **{**whole(grant, "authorized"), "minutes": 20, "start_before": now() + timedelta(minutes=241)})
    with refused_by("authorized_grant_is_whole"):
        update(grant, **{**whole(grant, "authorized"), "minutes": 20, "start_before": None})
    update(grant, **{**whole(grant, "authorized"), "minutes": 20})


# -- The window --------------------------------------------------------------------------------------


def opened(scene: Emergency, grant: EmergencyGrant, **changes: Any) -> dict[str, Any]:
    """What goes with the opening of an authorized emergency whose halves were given."""
    credential = scene.account.find_credential()
    assert credential is not None
    assert grant.minutes is not None
    at = now()
    window = {"opened_at": at, "ends_at": at + timedelta(minutes=grant.minutes)}
    return {"status": "open", "credential_id": credential.pk, **window, **changes}


@pytest.fixture
def ready(scene: Emergency) -> EmergencyGrant:
    """An authorized emergency with both halves given and its seal used, and not opened."""
    grant = scene.bring(Status.AUTHORIZED)
    update(grant, half_a_at=now(), half_a_by_id=scene.cast.laura.pk)
    update(grant, half_b_at=now(), half_b_by_id=scene.cast.jorge.pk)
    credential = scene.account.find_credential()
    assert credential is not None
    update(credential, used_at=now())
    return grant


@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_no_window_is_longer_than_authorized(scene: Emergency, ready: EmergencyGrant, seconds: int):
    longer = now() + timedelta(minutes=60, seconds=seconds)
    with refused_by("grant_window_as_authorized"):
        update(ready, **opened(scene, ready, ends_at=longer))
    update(ready, **opened(scene, ready))
    for columns in (
        {"ends_at": longer},
        {"opened_at": now() + LATER},
        {"minutes": 240},
        {"minutes": 60, "start_before": now() + timedelta(hours=3)},
        {"credential_id": None},
        {"ends_at": now()},
    ):
        with refused_by("grant_written_once", "grant_window_as_authorized", "opened_grant_is_whole", "bounded"):
            update(ready, **columns)


def test_it_opens_with_its_own_seal_in_its_time(scene: Emergency, ready: EmergencyGrant):
    other = Emergency(cast=scene.cast, alias="emergencia-02")
    credential = other.account.find_credential()
    assert credential is not None
    with refused_by("grant_opens_with_its_seal"):
        update(ready, **opened(scene, ready, credential_id=credential.pk))
    with refused_by("opened_grant_is_whole", "grant_opens_with_its_seal"):
        update(ready, **opened(scene, ready, credential_id=None))
    with refused_by("grant_opened_when_both_halves_were", "opened_grant_is_whole"):
        early = EmergencyGrant.objects.values_list("half_b_at", flat=True).get(pk=ready.pk) - timedelta(milliseconds=20)
        update(ready, **opened(scene, ready, opened_at=early, ends_at=early + LATER))
    with refused_by("opened_grant_is_whole"):
        late = now() + timedelta(minutes=31)
        update(ready, **opened(scene, ready, opened_at=late, ends_at=late + LATER))
    with refused_by("opened_grant_is_whole"):
        update(ready, **opened(scene, ready, ends_at=now() - LATER))
    update(ready, **opened(scene, ready))


@pytest.mark.clause("M22")
@pytest.mark.parametrize("again", ["a", "b"])
def test_a_half_of_an_older_seal_opens_nothing(scene: Emergency, ready: EmergencyGrant, again: str):
    credential = scene.seal()
    update(credential, used_at=now())
    update(ready, **{f"half_{again}_at": now()})  # the other is of the seal before
    with refused_by("grant_opens_with_its_seal"):
        update(ready, **opened(scene, ready))
    update(ready, half_a_at=now())
    update(ready, half_b_at=now())
    update(ready, **opened(scene, ready))


@pytest.mark.parametrize("letter", ["a", "b"])
def test_a_half_of_an_hour_ago_opens_nothing(scene: Emergency, ready: EmergencyGrant, letter: str):
    update(ready, **{f"half_{letter}_at": now() - timedelta(minutes=61)})
    with refused_by(f"grant_half_{letter}_is_fresh"):
        update(ready, **opened(scene, ready))


def test_an_unused_seal_opens_nothing(scene: Emergency):
    grant = scene.bring(Status.AUTHORIZED)
    update(grant, half_a_at=now(), half_a_by_id=scene.cast.laura.pk)
    update(grant, half_b_at=now(), half_b_by_id=scene.cast.jorge.pk)
    with refused_by("grant_opens_with_its_seal"):
        update(grant, **opened(scene, grant))


def test_each_half_is_given_by_its_custodian_apart(scene: Emergency):
    cast, grant = scene.cast, scene.bring(Status.AUTHORIZED)
    for letter, other in (("a", cast.jorge), ("b", cast.laura)):
        with refused_by("grant_half_by_its_custodian"):
            update(grant, **{f"half_{letter}_at": now(), f"half_{letter}_by_id": other.pk})
        with refused_by("half_given_names_who"):
            update(grant, **{f"half_{letter}_at": now()})
        with refused_by("operator_gives_no_half", "grant_half_by_its_custodian"):
            update(grant, **{f"half_{letter}_at": now(), f"half_{letter}_by_id": cast.gina.pk})
    with refused_by("grant_halves_apart"):
        update(grant, half_a_at=now(), half_a_by_id=cast.laura.pk, half_b_at=now(), half_b_by_id=cast.jorge.pk)
    update(grant, half_a_at=now(), half_a_by_id=cast.laura.pk)
    with refused_by("halves_given_by_two", "grant_half_by_its_custodian"):
        update(grant, half_b_at=now(), half_b_by_id=cast.laura.pk)


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.OPEN])
def test_halves_are_given_when_it_is_authorized(scene: Emergency, status: str):
    with refused_by("grant_halves_while_authorized"):
        update(scene.bring(status), half_a_at=now() + LATER, half_a_by_id=scene.cast.laura.pk)


def test_it_ends_once_inside_its_window(scene: Emergency):
    grant = scene.bring(Status.OPEN)
    late = grant.ends_at + LATER
    end = {"status": "ended", "end_reason": "used"}
    with refused_by("grant_ends_inside_its_window"):
        update(grant, **end, ended_at=late)
    with refused_by("grant_ends_inside_its_window"):
        update(grant, **end, ended_at=grant.opened_at - LATER)
    with refused_by("ended_grant_is_whole"):
        update(grant, status="ended", ended_at=now())
    with refused_by("ended_grant_is_whole"):
        update(grant, ended_at=now(), end_reason="used")
    with refused_by("entered_grant_has_its_session"):
        update(grant, session_key_hash="x")
    update(grant, last_seen_at=now())
    with refused_by("grant_seen_forward"):
        update(grant, last_seen_at=now() - LATER)
    with refused_by("grant_seen_forward"):
        update(grant, last_seen_at=None)
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    for columns in (
        {"ended_at": grant.opened_at},
        {"end_reason": "time"},
        {"end_note": "otra"},
        {"session_key_hash": "x", "entered_at": now()},
        {"last_seen_at": now() + LATER},
    ):
        with refused_by("grant_written_once"):
            update(grant, **columns)
    with refused_by("grant_reviewed_by_its_review"):
        update(grant, status="reviewed")
    with refused_by("grant_moves_step_by_step", "_is_whole", "grant_written_once"):
        update(grant, status="open", ended_at=None, end_reason="", ended_by_id=None)


def test_one_seal_serves_one_emergency(scene: Emergency):
    grant = scene.bring(Status.ENDED)
    other = Emergency(cast=scene.cast, alias="emergencia-02")
    second = other.bring(Status.AUTHORIZED)
    update(second, half_a_at=now(), half_a_by_id=scene.cast.laura.pk)
    update(second, half_b_at=now(), half_b_by_id=scene.cast.jorge.pk)
    with refused_by("credential_id", "grant_opens_with_its_seal", "replaces_none", "no_replace"):
        update(second, **opened(other, second, credential_id=grant.credential_id))
