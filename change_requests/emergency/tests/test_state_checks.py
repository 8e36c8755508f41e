"""A row that its owner changed behind the guards is found by its events (M22, M23, M26)."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models

from accounts.models import Office
from change_requests.emergency import operations
from change_requests.emergency.models import Delegation, EmergencyCause, EmergencyGrant
from change_requests.emergency.state_checks import find_flaws
from factureya.core import guard_install
from factureya.core.clock import now
from factureya.testing.emergencies import Emergency, Status
from factureya.testing.raw_sql import execute, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23", "M26")]
LATER = timedelta(days=3)


@pytest.fixture
def grant(scene: Emergency) -> EmergencyGrant:
    """An emergency that ended, with a cause and a delegation of the house beside it."""
    cast = scene.cast
    operations.add_cause(title="Una causa breve", procedure="Se confirma por teléfono y por escrito.", actor=cast.elsa)
    for alternate in (cast.gina, cast.laura):
        delegation = operations.delegate_office(
            office=Office.IT_HEAD,
            absent=cast.jorge,
            alternate=alternate,
            starts_at=now(),
            ends_at=now() + LATER,
            reason="Está de vacaciones.",
            actor=cast.jorge,
        )
    operations.end_delegation(delegation.pk, actor=cast.jorge)
    return scene.bring(Status.ENDED)


def found() -> list[tuple[str, str]]:
    """Return the chain and the name of each flaw."""
    return [(flaw.chain.partition(":")[0], flaw.problem.partition(":")[0]) for flaw in find_flaws()]


def tamper(row: models.Model, **columns: Any) -> list[tuple[str, str]]:
    """Change a row as its owner could, and return what is found; put it back."""
    before = {name: getattr(row, name) for name in columns}
    with guard_install.lifted(connection):
        update(row, **columns)
        flaws = found()
        update(row, **before)
    assert found() == []
    return flaws


def test_what_the_operations_wrote_is_whole(grant: EmergencyGrant, scene: Emergency):
    assert found() == []
    other = Emergency(cast=scene.cast, alias="emergencia-02")
    refused = other.request(drill=True, incident="")
    operations.refuse_grant(refused.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    operations.revoke_grant(other.request().pk, actor=scene.cast.gina, reason="Ya no hace falta.")
    lapsed = other.bring(Status.AUTHORIZED)
    lapsed.refresh_from_db()
    other.seal()
    operations.revoke_grant(lapsed.pk, actor=scene.cast.gina, reason="Ya no hace falta.")
    operations.retire_account(other.account.pk, actor=scene.cast.elsa)
    operations.end_cause(EmergencyCause.objects.latest("pk").pk, actor=scene.cast.elsa)
    assert found() == []


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"minutes": 59}, "minutes"),
        ({"minutes_asked": 240}, "minutes_asked"),
        ({"reason": "Otra razón, bastante larga."}, "reason"),
        ({"incident": "FY-0000-0000"}, "incident"),
        ({"fields": '["rfc"]'}, "fields"),
        ({"end_reason": "time"}, "end_reason"),
        ({"status": "open", "ended_at": None, "end_reason": ""}, "ended_at"),
    ],
    ids=["minutes", "asked", "reason", "incident", "fields", "end", "reopened"],
)
def test_a_changed_emergency_is_found(grant: EmergencyGrant, columns: dict[str, Any], name: str):
    before = {key: getattr(grant, key) for key in columns}
    with guard_install.lifted(connection):
        update(grant, **columns)
        assert ("grant", name) in found()
    assert before


def test_a_longer_window_and_another_operator_are_found(grant: EmergencyGrant, scene: Emergency):
    assert grant.ends_at is not None
    assert tamper(grant, ends_at=grant.ends_at + timedelta(minutes=1)) == [("grant", "ends_at")]
    assert tamper(grant, operator_id=scene.cast.fabian.pk) == [("grant", "operator")]


def test_a_changed_authorization_is_found(grant: EmergencyGrant, scene: Emergency):
    decision = grant.authorizations.get(slot="security")
    assert tamper(decision, reason="Otra razón cualquiera.") == [("grant", "decision security")]
    assert tamper(decision, authorizer_id=scene.cast.laura.pk) == [("grant", "decision security")]


def test_a_changed_account_or_seal_is_found(grant: EmergencyGrant, scene: Emergency):
    assert grant.credential is not None
    assert tamper(scene.account, scope="read") == [("emergency", "scope")]
    assert tamper(grant.credential, half_a_hash="otro") == [("emergency", "seal 1 half_a")]
    assert tamper(grant.credential, custodian_b_id=scene.cast.elsa.pk) == [("emergency", "seal 1 custodian_b")]
    assert tamper(grant.credential, renew_by=now() + LATER) == [("emergency", "seal 1 renew_by")]


def test_a_changed_cause_or_delegation_is_found(grant: EmergencyGrant, scene: Emergency):
    cause, delegation = EmergencyCause.objects.latest("pk"), Delegation.objects.latest("pk")
    assert tamper(cause, title="Otro título") == [("emergency-cause", "title")]
    assert tamper(delegation, ends_at=now() + LATER * 9) == [("user", "ends_at")]
    assert tamper(delegation, alternate_id=scene.cast.gina.pk) == [("user", "alternate")]


def test_a_row_that_is_gone_is_found(scene: Emergency):
    grant = scene.request()
    with guard_install.lifted(connection):
        execute("DELETE FROM change_requests_emergencygrant WHERE id = %s", grant.pk)
        assert ("grant", "la fila ya no está") in found()
