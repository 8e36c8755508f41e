"""The critical password: two halves, two custodians, each shown once, renewed after use and at 90 days (M22)."""

import logging
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.views.debug import ExceptionReporter
from time_machine import travel

from accounts.models import Office, User
from change_requests.emergency import operations, policy
from change_requests.emergency.models import CriticalCredential, EmergencyAccount
from change_requests.emergency.operations import sealing
from factureya.core.clock import now
from factureya.core.models import Event, OutboxMessage
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.emergencies import Emergency, Status
from factureya.testing.people import Cast, give_office, make_hugo, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M22")]
State = EmergencyAccount.State
HALF = re.compile(r"([2-9A-HJKMNP-TV-Z]{4}-){4}[2-9A-HJKMNP-TV-Z]{4}")


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def account(cast: Cast) -> EmergencyAccount:
    """An account that nobody sealed yet."""
    return operations.add_account(alias="emergencia-07", purpose="Corregir un dato", scope="fix", actor=cast.elsa)


@pytest.fixture
def credential(cast: Cast, account: EmergencyAccount) -> CriticalCredential:
    """A seal that was begun; no half was shown."""
    return operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)


def verbs(account: EmergencyAccount) -> list[str]:
    return list(account.events().values_list("verb", flat=True))


def test_each_custodian_sees_his_half_once_and_seals_it(
    cast: Cast, account: EmergencyAccount, credential: CriticalCredential
):
    assert account.state == State.UNSEALED
    halves = [operations.reveal_half(credential.pk, actor=person) for person in (cast.laura, cast.jorge)]
    assert all(HALF.fullmatch(half) for half in halves)
    assert halves[0] != halves[1]
    for person in (cast.laura, cast.jorge):
        with pytest.raises(WrongStatus, match="ya se mostró"):
            operations.reveal_half(credential.pk, actor=person)
    assert operations.confirm_sealed(credential.pk, actor=cast.laura).renew_by is None
    assert account.state == State.UNSEALED
    sealed = operations.confirm_sealed(credential.pk, actor=cast.jorge)
    assert sealed.is_sealed
    assert not sealed.is_overdue
    assert sealed.renew_by is not None
    assert sealed.renew_by - now() > timedelta(days=89, hours=23)
    assert account.state == State.SEALED
    assert account.state_label == "Sellada"
    with pytest.raises(WrongStatus, match="ya está sellada"):
        operations.confirm_sealed(credential.pk, actor=cast.laura)
    assert verbs(account)[-4:] == ["credential.revealed"] * 2 + ["credential.sealed"] * 2


def test_a_half_is_compared_without_case_dashes_or_blanks():
    half = sealing.make_half()
    stored = sealing.hash_half(half)
    assert half not in stored
    for typed in (half, half.lower(), half.replace("-", ""), f"  {half.replace('-', ' ')} "):
        assert sealing.matches_half(typed, stored)
    assert not sealing.matches_half(half[:-1], stored)
    assert not sealing.matches_half("", "")
    assert not sealing.matches_half(half, "")


@pytest.mark.clause("M22")
def test_each_half_has_a_digit_since_letters_alone_are_taken_for_words(monkeypatch):
    """A run without a digit is not hidden (`halves.hide_halves`), so that no half is one."""
    drawn = iter("ABCD" * 5 + "ABC2" * 5)
    monkeypatch.setattr(sealing.secrets, "choice", lambda _alphabet: next(drawn))
    assert sealing.make_half() == "ABC2-ABC2-ABC2-ABC2-ABC2"


def test_halves_are_all_different_and_have_no_letters_that_look_alike():
    halves = [sealing.make_half() for _ in range(200)]
    assert len(set(halves)) == 200
    assert not set("01ILOU") & set("".join(halves))
    assert len(halves[0].replace("-", "")) == 20


def test_only_its_custodian_sees_or_seals_a_half(cast: Cast, credential: CriticalCredential):
    for person in (cast.elsa, cast.gina, cast.fabian, cast.ana):
        with pytest.raises(NotAllowed, match="Solo su custodio ve"):
            operations.reveal_half(credential.pk, actor=person)
        with pytest.raises(NotAllowed, match="Solo su custodio sella"):
            operations.confirm_sealed(credential.pk, actor=person)
    with pytest.raises(WrongStatus, match="Primero vea su mitad"):
        operations.confirm_sealed(credential.pk, actor=cast.laura)
    User.objects.filter(pk=cast.laura.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        operations.reveal_half(credential.pk, actor=cast.laura)
    with pytest.raises(NotAllowed):
        operations.confirm_sealed(credential.pk, actor=cast.laura)


def test_only_security_begins_a_seal_with_two_fit_people(cast: Cast, account: EmergencyAccount):
    for person in (cast.laura, cast.jorge, cast.fabian, cast.gina):
        with pytest.raises(NotAllowed, match="Responsable de Seguridad"):
            operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=person)
    with pytest.raises(Invalid, match="dos personas") as same:
        operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.laura, actor=cast.elsa)
    assert same.value.field == "custodian_b"
    for unfit in (cast.ana, make_hugo(), make_staff(Office.AUDITOR), make_staff(is_active=False)):
        with pytest.raises(Invalid, match="Un custodio es del personal"):
            operations.start_sealing(account.pk, custodian_a=unfit, custodian_b=cast.jorge, actor=cast.elsa)
    assert not account.credentials.exists()


def test_a_new_seal_retires_the_one_before(cast: Cast, account: EmergencyAccount, credential: CriticalCredential):
    operations.reveal_half(credential.pk, actor=cast.laura)
    again = operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    credential.refresh_from_db()
    assert (credential.retired_reason, again.generation) == ("resealed", 2)
    assert account.find_credential() == again
    with pytest.raises(WrongStatus, match="ya no vale"):
        operations.reveal_half(credential.pk, actor=cast.jorge)
    with pytest.raises(WrongStatus, match="ya no vale"):
        operations.confirm_sealed(credential.pk, actor=cast.laura)


def test_an_open_or_retired_account_is_not_sealed(scene: Emergency):
    scene.bring(Status.OPEN)
    with pytest.raises(WrongStatus, match="está abierta"):
        scene.seal()
    cast = scene.cast
    other = operations.add_account(alias="emergencia-09", purpose="Leer clientes", scope="read", actor=cast.elsa)
    operations.retire_account(other.pk, actor=cast.elsa)
    with pytest.raises(WrongStatus, match="retirada"):
        operations.start_sealing(other.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)


def test_a_used_seal_is_retired_and_the_account_is_to_be_sealed_again(scene: Emergency):
    grant = scene.bring(Status.ENDED)
    assert grant.credential is not None
    assert grant.credential.retired_reason == "used"
    assert scene.account.find_credential() is None


def test_a_seal_due_soon_and_one_overdue_are_told_once(scene: Emergency):
    start = now()
    credential = scene.account.find_credential()
    assert credential is not None
    kind = {"kind": "emergency/renewal"}
    for days, told in ((79, 0), (81, 3), (82, 3), (91, 6), (95, 6)):
        with travel(start + timedelta(days=days), tick=False):
            operations.remind_credentials()
            assert OutboxMessage.objects.filter(**kind).count() == told, days
    credential.refresh_from_db()
    with travel(start + timedelta(days=91), tick=False):
        assert credential.is_overdue
        assert policy.blocks_next_grant(scene.account) == ""  # a real emergency is not refused for it


def test_a_reminder_is_not_sent_for_a_seal_that_was_replaced_meanwhile(scene: Emergency, monkeypatch):
    with travel(now() + timedelta(days=85), tick=False):
        pks = CriticalCredential.objects.values_list("pk", "account")
        old = next(iter(pks))
        scene.seal()
        assert not operations.sweeping._remind_credential(*old, now())
        fresh = scene.account.find_credential()
        assert fresh is not None
        assert operations.sweeping._remind_credential(fresh.pk, scene.account.pk, now())
        assert not operations.sweeping._remind_credential(fresh.pk, scene.account.pk, now())


def test_a_half_is_in_no_row_no_event_no_mail_and_no_log(scene: Emergency, caplog: pytest.LogCaptureFixture, tmp_path):
    caplog.set_level(logging.DEBUG)
    grant = scene.bring(Status.AUTHORIZED)
    with pytest.raises(operations.WrongHalf):
        operations.give_half(grant.pk, scene.halves["b"], actor=scene.cast.laura)  # the other's half
    scene.open(grant)
    assert OutboxMessage.objects.exists()
    assert Event.objects.exists()
    dump = tmp_path / "dump.json"
    call_command("dumpdata", all=True, output=str(dump))
    text = dump.read_text() + caplog.text
    assert grant.folio in text
    joined = "".join(scene.halves.values())
    for canary in [*scene.halves.values(), joined]:
        for form in (canary, canary.lower(), canary.replace("-", ""), canary.replace("-", "").lower()):
            assert form not in text


def test_a_half_is_hidden_in_reports_of_errors(cast: Cast, credential: CriticalCredential, monkeypatch):
    monkeypatch.setattr(sealing.secrets, "choice", lambda _alphabet: "7")
    monkeypatch.setattr(sealing.policy, "why_not_reveal", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        operations.reveal_half(credential.pk, actor=cast.laura)
    report = ExceptionReporter(None, error.type, error.value, error.tb).get_traceback_html()
    assert "reveal_half" in report
    assert "-".join(["7777"] * 2) not in report


def test_a_custodian_who_became_a_developer_keeps_no_new_half(cast: Cast, account: EmergencyAccount):
    give_office(cast.laura, Office.DEVELOPER)
    with pytest.raises(Invalid):
        operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
