"""Who is told of an emergency: everybody who takes part or watches, and afterwards the customer (M22, M23, M27)."""

from datetime import datetime, timedelta

import pytest
from time_machine import travel

from accounts.models import Office
from change_requests.emergency import operations
from change_requests.emergency.models import EmergencyChange, EmergencyGrant
from change_requests.emergency.operations import opening
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.emergencies import Emergency, Status
from factureya.testing.people import make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]


def give(scene: Emergency, grant: EmergencyGrant, letter: str, half: str | None = None) -> EmergencyGrant:
    text = scene.halves[letter] if half is None else half
    return operations.give_half(grant.pk, text, actor=scene.custodians[letter])


def mailed(kind: str) -> set[str]:
    return set(OutboxMessage.objects.filter(kind=f"emergency/{kind}").values_list("to", flat=True))


def test_everybody_who_takes_part_or_watches_is_told_of_each_step(scene: Emergency):
    cast, auditor = scene.cast, make_staff(Office.AUDITOR)
    everybody = {p.email for p in (cast.gina, cast.laura, cast.jorge, cast.elsa, cast.fabian, auditor)}
    scene.bring(Status.ENDED)
    for kind in ("requested", "authorized_by", "authorized", "half_given", "opened", "ended"):
        assert mailed(kind) == everybody, kind
    assert mailed("sealing") == {cast.laura.email, cast.jorge.email}
    assert mailed("customer") == set()
    body = OutboxMessage.objects.get(kind="emergency/requested", to=cast.elsa.email).body
    assert "entre y decida" in body
    assert "entre y decida" not in OutboxMessage.objects.get(kind="emergency/requested", to=cast.jorge.email).body


def test_who_stands_in_is_told_that_it_is_his_turn(scene: Emergency):
    cast, dora = scene.cast, make_staff(Office.SUPERVISOR)
    operations.delegate_office(
        office=Office.SECURITY_OFFICER,
        absent=cast.elsa,
        alternate=dora,
        starts_at=now(),
        ends_at=now() + timedelta(days=7),
        reason="Está de vacaciones.",
        actor=cast.elsa,
    )
    scene.request()
    assert "entre y decida" in OutboxMessage.objects.get(kind="emergency/requested", to=dora.email).body


def test_a_delegation_and_its_end_are_told_to_the_absent_the_officers_and_auditoria(scene: Emergency):
    cast, auditor, dora = scene.cast, make_staff(Office.AUDITOR), make_staff(Office.SUPERVISOR, full_name="Dora Suple")
    delegation = operations.delegate_office(
        office=Office.INFORMATION_OWNER,
        absent=cast.fabian,
        alternate=dora,
        starts_at=now(),
        ends_at=now() + timedelta(days=7),
        reason="Está de vacaciones.",
        actor=cast.elsa,
    )
    everybody = {p.email for p in (cast.fabian, dora, cast.elsa, cast.jorge, auditor)}
    assert mailed("delegated") == everybody
    mail = OutboxMessage.objects.get(kind="emergency/delegated", to=cast.fabian.email)
    assert mail.subject == "Dora Suple suple a Fabián Dueño"
    for text in ("La otorgó: Elsa Segura", "Propietario de la Información", "/control/emergencias/suplencias/"):
        assert text in mail.body
    operations.end_delegation(delegation.pk, actor=cast.elsa)
    ended = OutboxMessage.objects.filter(kind="emergency/delegated", to=cast.fabian.email).latest("pk")
    assert ended.subject == "Terminó la suplencia de Fabián Dueño"
    assert "La terminó: Elsa Segura" in ended.body
    assert OutboxMessage.objects.filter(kind="emergency/delegated").count() == 2 * len(everybody)


def test_refused_lapsed_and_lost_seals_are_told(scene: Emergency):
    start = now()
    grant = scene.request()
    operations.refuse_grant(grant.pk, actor=scene.cast.elsa, reason="No es una emergencia.")
    assert scene.cast.gina.email in mailed("refused")
    grant = scene.bring(Status.AUTHORIZED)
    for _ in range(3):
        with pytest.raises(operations.WrongHalf):
            give(scene, grant, "a", "AAAA")
    assert scene.cast.laura.email in mailed("seal_lost")
    with travel(start + timedelta(hours=1), tick=False):
        operations.lapse_due()
    assert scene.cast.gina.email in mailed("lapsed")


@pytest.mark.clause("M27")
def test_a_review_that_is_overdue_is_told_once(scene: Emergency):
    grant = scene.bring(Status.ENDED)
    assert operations.remind_reviews() == 0
    with travel(now() + timedelta(days=9), tick=False):
        assert operations.remind_reviews() == 1
        assert operations.remind_reviews() == 0
        assert not operations.sweeping._remind_review(grant.pk)
    assert scene.cast.elsa.email in mailed("review_overdue")


def test_the_customer_is_told_what_was_changed(scene: Emergency, monkeypatch):
    grant = scene.bring(Status.OPEN, fields=["fiscal_address", "registered_email"])
    old = grant.customer.registered_email
    rows = [
        EmergencyChange(grant=grant, customer=grant.customer, operator=scene.cast.gina, reason="Se perdió.", **columns)
        for columns in (
            {"field": "fiscal_address", "old": "", "new": "Calle Nueva 5"},
            {"field": "registered_email", "old": old, "new": "nuevo@ocaso.mx"},
        )
    ]
    event = grant.events().last()
    assert event is not None

    class Changes:
        def order_by(self, *_: str) -> list[EmergencyChange]:
            return rows

    monkeypatch.setattr(EmergencyGrant, "changes", property(lambda _: Changes()))
    opening.notifications.mail_customer(grant, event)
    assert mailed("customer") == {old, "nuevo@ocaso.mx", scene.cast.ana.email}
    body = OutboxMessage.objects.filter(kind="emergency/customer").first().body  # type: ignore[union-attr]
    for text in ("Domicilio fiscal", "(ninguno)", "Calle Nueva 5", "¿No fue correcto?", scene.ticket.number):
        assert text in body


def test_a_sweep_that_fails_stops_no_other(scene: Emergency, monkeypatch, caplog):
    scene.bring(Status.ENDED)

    def fail(_instant: datetime) -> int:
        raise ZeroDivisionError

    fail.__name__ = "lapse_due"
    monkeypatch.setattr(operations.sweeping, "lapse_due", fail)
    with travel(now() + timedelta(days=9), tick=False):
        assert operations.tidy() == 1
    assert "lapse_due: the sweep goes on" in caplog.text
    assert outbox is not None
