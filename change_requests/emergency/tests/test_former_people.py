"""Who was an alternate or a custodian, and is now of Auditoría or Desarrollo, acts by neither (M22, M23, M26)."""

from datetime import timedelta

import pytest

from accounts.models import Office, RoleAssignment, User
from change_requests.emergency import operations, policy, roles
from change_requests.emergency.models import EmergencyGrant, GrantAuthorization
from change_requests.emergency.tests.test_pages import page, sign_in
from factureya.core.clock import now
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.emergencies import WHY, Emergency, Status
from factureya.testing.people import PASSWORD, end_offices, give_office, make_auditor, make_staff
from factureya.testing.raw_sql import insert, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M22", "M23", "M26")]


def move(person: User, office: str) -> User:
    """Give the person an office that ends or joins the others, and return the person as the database says now."""
    if office == Office.AUDITOR:
        end_offices(person)
    if office:
        give_office(person, office)
    else:
        end_offices(person)
    return User.objects.get(pk=person.pk)


def stand_in(scene: Emergency, alternate: User) -> None:
    """Let somebody stand in for Elsa."""
    operations.delegate_office(
        office=Office.SECURITY_OFFICER,
        absent=scene.cast.elsa,
        alternate=alternate,
        starts_at=now(),
        ends_at=now() + timedelta(days=9),
        reason="Está de vacaciones.",
        actor=scene.cast.elsa,
    )


@pytest.mark.parametrize("office", [Office.AUDITOR, Office.DEVELOPER, ""])
def test_a_former_alternate_neither_authorizes_nor_reviews(scene: Emergency, office: str):
    dora = make_staff(Office.SUPERVISOR)
    stand_in(scene, dora)
    used = scene.bring(Status.ENDED)
    assert policy.why_not_review(User.objects.get(pk=dora.pk), used) is None
    assert dora.pk in roles.find_authorizers("security")
    dora = move(dora, office)
    assert isinstance(policy.why_not_review(dora, used), NotAllowed)
    assert dora.pk not in roles.find_authorizers("security")
    assert roles.find_mandate(dora, "security") is None
    grant = EmergencyGrant(account=scene.account, operator=scene.cast.gina)
    assert isinstance(policy.why_not_fill(dora, grant, "security"), NotAllowed)
    if office != Office.AUDITOR:
        assert not policy.visible_to(dora).exists()


@pytest.mark.parametrize("office", [Office.AUDITOR, Office.DEVELOPER])
def test_the_database_knows_who_is_still_an_alternate(scene: Emergency, office: str):
    dora = make_staff(Office.SUPERVISOR)
    stand_in(scene, dora)
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=scene.cast.fabian, reason=WHY)
    move(dora, office)
    by_elsa = {
        "slot": "security",
        "office": Office.SECURITY_OFFICER,
        "authorizer_id": dora.pk,
        "assignment_id": RoleAssignment.objects.get(user=scene.cast.elsa).pk,
        "delegation_id": scene.cast.elsa.events().latest("pk").data["delegation"],
        "decided_at": now(),
    }
    with refused_by("authorization_by_office_in_force"):
        insert(grant.authorizations.get(), **by_elsa)
    assert GrantAuthorization.objects.count() == 1


def test_an_alternate_who_became_auditor_opens_nothing_that_he_authorized(scene: Emergency):
    dora = make_staff(Office.SUPERVISOR)
    stand_in(scene, dora)
    grant = scene.request()
    for person in (dora, scene.cast.fabian):
        grant = operations.authorize_grant(grant.pk, actor=person, reason=WHY)
    move(dora, Office.AUDITOR)
    with pytest.raises(WrongStatus, match="ya no tiene el cargo"):
        operations.give_half(grant.pk, scene.halves["a"], actor=scene.cast.laura)


@pytest.mark.parametrize("office", [Office.AUDITOR, Office.DEVELOPER, ""])
def test_a_former_custodian_gives_no_half_and_his_seal_opens_nothing(scene: Emergency, office: str):
    grant = scene.bring(Status.AUTHORIZED)
    laura = move(scene.cast.laura, office)
    with pytest.raises(NotAllowed, match="su custodio"):
        operations.give_half(grant.pk, scene.halves["a"], actor=laura)
    with pytest.raises(WrongStatus, match="otros custodios"):
        operations.give_half(grant.pk, scene.halves["b"], actor=scene.cast.jorge)
    with refused_by("grant_half_by_control_staff"):
        update(grant, half_a_at=now(), half_a_by_id=laura.pk)
    update(grant, half_b_at=now(), half_b_by_id=scene.cast.jorge.pk)


@pytest.mark.parametrize("office", [Office.AUDITOR, Office.DEVELOPER])
def test_a_former_custodian_neither_sees_nor_seals_a_half(scene: Emergency, office: str):
    cast = scene.cast
    seal = operations.start_sealing(scene.account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    operations.reveal_half(seal.pk, actor=cast.jorge)
    laura, jorge = move(cast.laura, office), move(cast.jorge, office)
    with pytest.raises(NotAllowed):
        operations.reveal_half(seal.pk, actor=laura)
    with pytest.raises(NotAllowed):
        operations.confirm_sealed(seal.pk, actor=jorge)
    with refused_by("credential_half_by_control_staff"):
        update(seal, half_a_hash="x", revealed_a_at=now())
    with refused_by("credential_half_by_control_staff"):
        update(seal, sealed_b_at=now())


@pytest.mark.parametrize("office", [Office.AUDITOR, Office.DEVELOPER])
def test_the_database_names_no_such_custodian_or_alternate(scene: Emergency, office: str):
    cast, person = scene.cast, make_staff(office)
    with pytest.raises(Invalid):
        operations.start_sealing(scene.account.pk, custodian_a=person, custodian_b=cast.jorge, actor=cast.elsa)
    other = operations.add_account(alias="emergencia-09", purpose="Para otra cosa", scope="fix", actor=cast.elsa)
    seal = operations.start_sealing(scene.account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    with refused_by("credential_custodians_are_staff"):
        insert(seal, account_id=other.pk, generation=1, custodian_a_id=person.pk)
    stand_in(scene, cast.laura)
    delegation = cast.elsa.events().latest("pk").data["delegation"]
    with refused_by("delegation_of_a_held_office"):
        insert(policy.Delegation.objects.get(pk=delegation), alternate_id=person.pk, granted_at=now())


def test_auditoria_posts_nothing_in_emergencies(scene: Emergency):
    grant, olga = scene.bring(Status.AUTHORIZED), make_auditor()
    client = sign_in(olga)
    assert client.get(page("grant", grant.folio)).status_code == 200
    sent = {"half": scene.halves["a"], "verdict": "authorize", "reason": WHY, "password": PASSWORD}
    for address in (
        *(page(name) for name in ("ask", "add_account", "causes", "delegations")),
        *(page(name, scene.account.alias) for name in ("seal", "start_seal", "confirm_sealed", "retire_account")),
        *(page(name, grant.folio) for name in ("decide", "revoke", "open", "enter")),
        page("end_delegation", 1),
    ):
        assert client.post(address, sent).status_code == 403, address
