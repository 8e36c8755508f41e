"""An emergency is authorized by two others, refused, revoked, or it lapses (M23)."""

from datetime import timedelta

import pytest
from time_machine import travel

from accounts.models import Office, User
from change_requests.emergency import operations, policy
from change_requests.emergency.models import EmergencyGrant, GrantAuthorization
from change_requests.emergency.operations import granting
from factureya.core import clock
from factureya.core.clock import now
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.emergencies import WHY, Emergency, Status
from factureya.testing.people import give_office, make_customer, make_staff, make_superuser
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]


def delegate(scene: Emergency, office: str, absent: User, alternate: User, actor: User | None = None) -> None:
    operations.delegate_office(
        office=office,
        absent=absent,
        alternate=alternate,
        starts_at=now(),
        ends_at=now() + timedelta(days=7),
        reason="Está de vacaciones.",
        actor=actor or absent,
    )


def test_two_authorize_and_it_may_be_opened_for_half_an_hour(scene: Emergency):
    cast = scene.cast
    grant = scene.request(minutes=120)
    assert policy.may_authorize(cast.fabian, grant) == "owner_or_it_head"
    assert policy.may_authorize(cast.elsa, grant) == "security"
    grant = operations.authorize_grant(grant.pk, actor=cast.fabian, reason=WHY)
    assert (grant.status, grant.minutes) == (Status.REQUESTED, None)
    assert policy.may_authorize(cast.fabian, grant) is None
    grant = operations.authorize_grant(grant.pk, actor=cast.elsa, reason=WHY, minutes=45)
    assert (grant.status, grant.minutes, grant.minutes_granted) == (Status.AUTHORIZED, 45, 45)
    assert grant.start_before is not None
    assert timedelta(minutes=29) < grant.start_before - now() <= timedelta(minutes=30)
    verdicts = list(grant.authorizations.order_by("pk").values_list("verdict", "minutes"))
    assert verdicts == [("authorize", 120), ("less", 45)]
    verbs = list(grant.events().values_list("verb", flat=True))
    assert verbs == ["grant.requested", "grant.authorized_by", "grant.authorized"]
    assert policy.may_authorize(cast.elsa, grant) is None
    with pytest.raises(WrongStatus):
        operations.authorize_grant(grant.pk, actor=cast.elsa, reason=WHY)


def test_the_head_of_it_may_take_the_owners_place():
    scene = Emergency()
    head = make_staff(Office.IT_HEAD)
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=head, reason=WHY)
    with pytest.raises(WrongStatus, match="ya decidió"):
        operations.authorize_grant(grant.pk, actor=scene.cast.fabian, reason=WHY)
    assert operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY).status == Status.AUTHORIZED


def test_nobody_takes_two_parts(scene: Emergency):
    cast = scene.cast
    give_office(cast.gina, Office.SECURITY_OFFICER)
    grant = scene.request()
    with pytest.raises(NotAllowed, match="Quien la usa"):
        operations.authorize_grant(grant.pk, actor=cast.gina, reason=WHY)
    with pytest.raises(NotAllowed, match="guarda una mitad"):
        operations.authorize_grant(grant.pk, actor=cast.jorge, reason=WHY)
    for person in (cast.laura, cast.ana, make_superuser(), make_staff(Office.AUDITOR)):
        with pytest.raises(NotAllowed, match="La autorizan"):
            operations.authorize_grant(grant.pk, actor=person, reason=WHY)
    with pytest.raises(NotAllowed, match="La autorizan"):
        operations.authorize_grant(grant.pk, actor=cast.elsa, reason=WHY, slot="tercero")
    give_office(cast.fabian, Office.SECURITY_OFFICER)
    operations.authorize_grant(grant.pk, actor=cast.fabian, reason=WHY, slot="security")
    with pytest.raises(NotAllowed, match="Esa persona ya decidió"):
        operations.authorize_grant(grant.pk, actor=cast.fabian, reason=WHY, slot="owner_or_it_head")
    assert GrantAuthorization.objects.count() == 1


def test_an_alternate_counts_as_himself_and_as_the_absent(scene: Emergency):
    cast = scene.cast
    dora, raul = make_staff(Office.SUPERVISOR), make_staff(Office.SUPERVISOR)
    delegate(scene, Office.SECURITY_OFFICER, cast.elsa, dora)
    give_office(cast.elsa, Office.INFORMATION_OWNER)
    delegate(scene, Office.INFORMATION_OWNER, cast.elsa, raul)
    delegate(scene, Office.INFORMATION_OWNER, cast.fabian, cast.gina)
    grant = scene.request()
    with pytest.raises(NotAllowed, match="Quien la usa"):
        operations.authorize_grant(grant.pk, actor=cast.gina, reason=WHY)
    grant = operations.authorize_grant(grant.pk, actor=dora, reason=WHY)
    decision = grant.authorizations.get()
    assert decision.delegation is not None
    assert (decision.authorizer, decision.assignment.user, decision.delegation.absent) == (dora, cast.elsa, cast.elsa)
    event = grant.events().last()
    assert event is not None
    assert event.data["delegation"]["absent"]["name"] == "Elsa Segura"
    for person in (raul, cast.elsa):  # both would act by Elsa's office
        with pytest.raises(NotAllowed, match="ya decidió"):
            operations.authorize_grant(grant.pk, actor=person, reason=WHY, slot="owner_or_it_head")
    assert operations.authorize_grant(grant.pk, actor=cast.fabian, reason=WHY).status == Status.AUTHORIZED


def test_the_absent_who_operates_is_not_authorized_by_his_alternate(scene: Emergency):
    cast, dora = scene.cast, make_staff(Office.SUPERVISOR)
    give_office(cast.gina, Office.IT_HEAD)
    delegate(scene, Office.IT_HEAD, cast.gina, dora)
    grant = scene.request()
    with pytest.raises(NotAllowed, match="Quien la usa"):
        operations.authorize_grant(grant.pk, actor=dora, reason=WHY)


@pytest.mark.parametrize("chosen_first", [True, False])
def test_who_gives_one_authorization_does_not_choose_who_gives_the_other(scene: Emergency, *, chosen_first: bool):
    cast, crony = scene.cast, make_staff(Office.SUPERVISOR)
    delegate(scene, Office.INFORMATION_OWNER, cast.fabian, crony, actor=cast.elsa)
    first, second = (crony, cast.elsa) if chosen_first else (cast.elsa, crony)
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=first, reason=WHY)
    with pytest.raises(NotAllowed, match="no elige a quien da la otra"):
        operations.authorize_grant(grant.pk, actor=second, reason=WHY)
    assert policy.find_slots(second, grant) == []
    if not chosen_first:  # Fabián himself names the same person: that is his choice
        delegate(scene, Office.INFORMATION_OWNER, cast.fabian, crony)
        assert operations.authorize_grant(grant.pk, actor=crony, reason=WHY).status == Status.AUTHORIZED


def test_one_person_does_not_name_both_alternates(scene: Emergency):
    cast, root = scene.cast, make_superuser()
    dora, raul = make_staff(Office.SUPERVISOR), make_staff(Office.SUPERVISOR)
    delegate(scene, Office.SECURITY_OFFICER, cast.elsa, dora, actor=root)
    delegate(scene, Office.INFORMATION_OWNER, cast.fabian, raul, actor=root)
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=dora, reason=WHY)
    with pytest.raises(NotAllowed, match="no elige a quien da la otra"):
        operations.authorize_grant(grant.pk, actor=raul, reason=WHY)
    assert operations.authorize_grant(grant.pk, actor=cast.fabian, reason=WHY).status == Status.AUTHORIZED


def test_the_operator_chooses_no_authorizer_and_no_reviewer(scene: Emergency):
    cast, crony = scene.cast, make_staff(Office.SUPERVISOR)
    give_office(cast.gina, Office.SECURITY_OFFICER)
    delegate(scene, Office.INFORMATION_OWNER, cast.fabian, crony, actor=cast.gina)
    delegate(scene, Office.SECURITY_OFFICER, cast.elsa, crony, actor=cast.gina)
    used = scene.bring(Status.ENDED)
    assert isinstance(policy.why_not_review(crony, used), NotAllowed)
    for slot in ("owner_or_it_head", "security"):
        refusal = policy.why_not_fill(crony, used, slot)
        assert "ni elige quién lo hace" in str(refusal)


@pytest.mark.parametrize("minutes", [0, 61])
def test_nobody_authorizes_more_than_was_asked(scene: Emergency, minutes: int):
    grant = scene.request()
    with pytest.raises(Invalid):
        operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY, minutes=minutes)
    with pytest.raises(Invalid) as refusal:
        operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason="sí")
    assert refusal.value.field == "reason"


def test_one_refusal_ends_it(scene: Emergency):
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=scene.cast.fabian, reason=WHY)
    grant = operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    assert (grant.status, grant.ended_by, grant.is_live) == (Status.REFUSED, scene.cast.elsa, False)
    with pytest.raises(WrongStatus, match="no autorizada"):
        operations.authorize_grant(grant.pk, actor=scene.cast.jorge, reason=WHY, slot="owner_or_it_head")
    assert scene.request().pk != grant.pk  # another may be asked


def test_what_nobody_authorizes_or_opens_in_time_lapses(scene: Emergency):
    start = now()
    grant = scene.request()
    with travel(start + timedelta(minutes=239), tick=False):
        assert operations.lapse_due() == 0
    with travel(start + timedelta(minutes=241), tick=False):
        assert policy.find_slots(scene.cast.elsa, grant) == []
        with pytest.raises(WrongStatus, match="Ya pasó el tiempo"):
            operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY)
        assert operations.tidy() == 1
        grant.refresh_from_db()
        assert (grant.status, grant.end_reason) == (Status.LAPSED, "time")
        grant = scene.authorize(scene.request())
    with travel(start + timedelta(minutes=241 + 31), tick=False):
        assert operations.lapse_due() == 1
        assert operations.lapse_due() == 0
        with pytest.raises(WrongStatus):
            scene.open(grant)


@pytest.mark.parametrize(("minutes", "is_late"), [(239, False), (241, True)])
def test_the_databases_clock_counts_for_the_time_to_authorize(scene: Emergency, monkeypatch, minutes, is_late):
    grant = scene.request()
    monkeypatch.setattr(clock, "_database_offset", timedelta(minutes=minutes))
    assert policy.find_slots(scene.cast.elsa, grant) == ([] if is_late else ["security"])
    if is_late:
        for decide in (operations.authorize_grant, operations.refuse_grant):
            with pytest.raises(WrongStatus, match="Ya pasó el tiempo"):
                decide(grant.pk, actor=scene.cast.elsa, reason=WHY)
    else:
        operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY)


def test_the_next_request_does_not_wait_for_the_sweep(scene: Emergency):
    start = now()
    first = scene.authorize(scene.request())
    with travel(start + timedelta(minutes=31), tick=False):
        second = scene.open(scene.authorize(scene.request()))
    first.refresh_from_db()
    assert first.status == Status.LAPSED
    with travel(start + timedelta(minutes=31 + 61), tick=False):
        with pytest.raises(WrongStatus, match="Falta la revisión"):  # it ended, whoever tidied
            scene.request()
        assert (
            granting.Status(EmergencyGrant.objects.get(pk=second.pk).status) == Status.OPEN
        )  # undone with the refusal


def test_a_sweep_leaves_what_somebody_acted_on_in_between(scene: Emergency):
    grant = scene.request()
    with operations._common.lock_grant(grant.pk) as locked:
        assert not granting._lapse(locked)
    operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    with operations._common.lock_grant(grant.pk) as locked:
        assert not granting._lapse(locked)


# -- Revoking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.AUTHORIZED, Status.OPEN])
def test_it_is_revoked_at_any_time_before_its_end(scene: Emergency, status: str):
    grant = scene.bring(status)
    for person in (scene.cast.laura, scene.cast.ana, make_staff(Office.AUDITOR)):
        with pytest.raises(NotAllowed):
            operations.revoke_grant(grant.pk, actor=person, reason="Ya no hace falta.")
    with pytest.raises(Invalid):
        operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="no")
    grant = operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta.")
    assert grant.status == (Status.ENDED if status == Status.OPEN else Status.REFUSED)
    assert (grant.end_reason, grant.end_note, grant.ended_by) == ("revoked", "Ya no hace falta.", scene.cast.elsa)
    assert policy.find_open_grant(scene.account.user) is None
    with pytest.raises(WrongStatus):
        operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta.")


def test_who_lost_the_account_revokes_nothing(scene: Emergency):
    grant = scene.request()
    User.objects.filter(pk=scene.cast.gina.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        operations.revoke_grant(grant.pk, actor=scene.cast.gina, reason="Ya no hace falta.")


def test_whose_ticket_it_is_says_whose_data(scene: Emergency):
    other = make_ticket()
    assert scene.request(incident=other.number).customer == other.customer
    assert make_customer() != other.customer
