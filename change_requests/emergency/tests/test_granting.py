"""An emergency is asked for an incident, a cause, a customer and some fields, and authorized by two others (M23)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Customer, Method, Office, Proof, User
from change_requests.emergency import operations, policy
from change_requests.emergency.models import EmergencyGrant
from factureya.core import clock
from factureya.core.clock import now
from factureya.core.refusals import FormUsed, Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.emergencies import REASON, Emergency, Status, end_offices
from factureya.testing.people import give_office, make_contact, make_customer, make_hugo, make_staff, make_superuser
from factureya.testing.requests import Status as RequestStatus
from factureya.testing.requests import make_request
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]


# -- Asking ------------------------------------------------------------------------------------------


def test_a_request_says_why_on_whom_and_for_how_long(scene: Emergency):
    proof = Proof(Method.PASSWORD, factor=True, at=now(), ip="10.1.1.1")
    grant = scene.request(fields=["phone", "fiscal_address"], proof=proof)
    assert grant.folio.startswith("EM-")
    assert (grant.status, str(grant), grant.is_live) == (Status.REQUESTED, grant.folio, True)
    assert (grant.customer, grant.incident, grant.incident_kind) == (scene.cast.customer, scene.ticket.number, "ticket")
    assert grant.fields == ["fiscal_address", "phone"]  # in the order of kinds.fields
    assert grant.minutes_granted == 60
    event = grant.events().get()
    assert (event.verb, event.actor, event.data["auth"]["ip"]) == ("grant.requested", scene.cast.gina, "10.1.1.1")
    assert event.data["customer"]["rfc"] == scene.cast.customer.rfc


def test_a_number_is_read_as_people_type_it(scene: Emergency):
    typed = scene.ticket.number.lower().replace("-", " ")
    assert scene.request(incident=typed).incident == scene.ticket.number


def test_a_formal_request_is_an_incident_too(scene: Emergency):
    formal = make_request(RequestStatus.VERIFYING, requester=scene.cast.ana)
    grant = scene.request(incident=formal.folio)
    assert (grant.incident_kind, grant.incident, grant.customer) == ("request", formal.folio, scene.cast.customer)


@pytest.mark.parametrize("minutes", [-1, 0, 241, 10_000])
def test_four_hours_at_most(scene: Emergency, minutes: int, settings):
    with pytest.raises(Invalid) as refusal:
        scene.request(minutes=minutes)
    assert refusal.value.field == "minutes"
    settings.EMERGENCY_MAX_MINUTES = 30
    with pytest.raises(Invalid, match="entre 1 y 30"):
        scene.request(minutes=31)
    assert scene.request(minutes=30).pk


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cause", "otro"),
        ("cause", ""),
        ("incident", "FY-0000-0000"),
        ("incident", "nada"),
        ("fields", []),
        ("fields", ["representative"]),
        ("fields", ["fiscal_address", "verified_at"]),
        ("reason", "muy corta"),
    ],
)
def test_what_is_incomplete_is_refused_at_its_field(scene: Emergency, field: str, value: Any):
    with pytest.raises(Invalid) as refusal:
        scene.request(**{field: value})
    assert refusal.value.field == field
    assert not EmergencyGrant.objects.exists()


def test_the_incident_is_open_and_of_a_verified_company(scene: Emergency):
    closed = make_ticket("closed", requester=scene.cast.ana)
    draft = make_request(requester=scene.cast.ana)
    for incident in (closed.number, draft.folio):
        with pytest.raises(Invalid) as refusal:
            scene.request(incident=incident)
        assert refusal.value.field == "incident"
    Customer.objects.filter(pk=make_ticket().customer_id)
    other = make_ticket()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Customer, "is_verified", property(lambda _: False))
        with pytest.raises(Invalid, match="no está verificada"):
            scene.request(incident=other.number)


def test_a_cause_that_ended_is_off_the_list(scene: Emergency):
    cause = operations.add_cause(
        title="Una causa breve", procedure="Se confirma por teléfono y por escrito.", actor=scene.cast.elsa
    )
    operations.end_cause(cause.pk, actor=scene.cast.elsa)
    with pytest.raises(Invalid):
        scene.request(cause=cause.code)


def test_an_account_that_only_reads_names_no_field():
    scene = Emergency(scope="read")
    with pytest.raises(Invalid, match="solo lee"):
        scene.request(fields=["phone"])
    assert scene.request().fields == []


def test_who_may_not_ask(scene: Emergency):
    cast = scene.cast
    for person in (cast.elsa, cast.fabian, cast.jorge, cast.ana, make_superuser(), make_staff(Office.AUDITOR)):
        with pytest.raises(NotAllowed, match="Implementador o un Supervisor"):
            scene.request(actor=person)
    with pytest.raises(NotAllowed, match="Desarrollo"):
        scene.request(actor=make_hugo())
    with pytest.raises(NotAllowed, match="guarda una mitad"):
        scene.request(actor=cast.laura)
    User.objects.filter(pk=cast.gina.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        scene.request()


def test_an_account_to_be_sealed_or_in_course_is_not_granted(scene: Emergency):
    cast = scene.cast
    other = operations.add_account(alias="emergencia-02", purpose="Leer a un cliente", scope="fix", actor=cast.elsa)
    with pytest.raises(WrongStatus, match="por sellar"):
        operations.request_grant(
            other.pk,
            actor=cast.gina,
            incident=scene.ticket.number,
            cause="datos-corruptos",
            fields=["phone"],
            reason=REASON,
            minutes=5,
        )
    operations.start_sealing(other.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    assert isinstance(policy.why_not_request_grant(cast.gina, other), WrongStatus)
    scene.request()
    with pytest.raises(WrongStatus, match="emergencia en curso"):
        scene.request(actor=make_staff(Office.IMPLEMENTER))
    second = Emergency(cast=cast, alias="emergencia-03")
    with pytest.raises(WrongStatus, match="Usted ya tiene"):
        second.request()


def test_an_account_waits_for_the_review_of_its_last_emergency(scene: Emergency):
    scene.bring(Status.ENDED)
    scene.seal()
    with pytest.raises(WrongStatus, match="Falta la revisión"):
        scene.request()


def test_an_open_account_is_left_open_by_the_next_request(scene: Emergency):
    grant = scene.bring(Status.OPEN)
    with pytest.raises(WrongStatus, match="emergencia en curso"):
        scene.request(actor=make_staff(Office.IMPLEMENTER))
    assert policy.find_open_grant(scene.account.user) == grant


def test_nobody_to_authorize_is_said_at_once(scene: Emergency):
    end_offices(scene.cast.elsa)
    with pytest.raises(Refused, match="falta Responsable de Seguridad"):
        scene.request()
    give_office(scene.cast.fabian, Office.SECURITY_OFFICER)
    with pytest.raises(Refused, match="falta Propietario"):  # one person, two places
        scene.request()


def test_a_double_click_makes_one_emergency(scene: Emergency):
    first = scene.request(form_key="k1")
    assert scene.request(form_key="k1") == first
    assert first.events().count() == 1
    with pytest.raises(FormUsed):
        scene.request(form_key="k1", actor=make_staff(Office.IMPLEMENTER))
    with pytest.raises(FormUsed):
        operations.request_grant(
            Emergency(cast=scene.cast, alias="emergencia-02").account.pk,
            actor=scene.cast.gina,
            incident="",
            cause="",
            fields=[],
            reason="",
            minutes=0,
            form_key="k1",
        )


@pytest.mark.parametrize("seconds", [-300, -3, 3, 300])
def test_clocks_that_differ_refuse_new_emergencies(scene: Emergency, seconds: int, monkeypatch):
    monkeypatch.setattr(clock, "_database_offset", timedelta(seconds=seconds))
    with pytest.raises(Refused, match="reloj"):
        scene.request()
    monkeypatch.setattr(clock, "_database_offset", timedelta(seconds=1))
    assert scene.request().pk


# -- Drills ------------------------------------------------------------------------------------------


def test_a_drill_is_on_a_company_that_does_not_exist_and_is_marked(scene: Emergency):
    grant = scene.request(drill=True, incident="")
    assert (grant.drill, grant.incident, grant.incident_kind) == (True, "SIMULACRO", "drill")
    assert grant.customer.is_drill
    assert grant.customer != scene.cast.customer
    scene.open(scene.authorize(grant))
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    assert Customer.objects.filter(is_drill=True).count() == 1
    assert operations.find_drill_customer(scene.cast.elsa) == grant.customer


def test_a_real_emergency_is_never_on_the_company_of_drills(scene: Emergency):
    ticket = make_ticket(requester=make_contact(make_customer(is_drill=True)))
    with pytest.raises(Invalid):
        scene.request(incident=ticket.number)
