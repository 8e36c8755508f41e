"""The pages of emergencies: every state in words, who sees what, and nothing that a GET changes (M22, M23, M27)."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from time_machine import travel

from accounts.models import Customer, Office, User
from change_requests.emergency import list_page, operations
from change_requests.emergency.models import EmergencyAccount, EmergencyGrant
from factureya.core import clock
from factureya.core.models import Event
from factureya.core.refusals import NotAllowed
from factureya.testing.emergencies import REASON, WHY, Emergency
from factureya.testing.pages import key_in, log_in, text_of
from factureya.testing.people import PASSWORD, make_representative, make_staff
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.django_db
Status = EmergencyGrant.Status


def page(name: str, *args: Any) -> str:
    """Return the address of a page of emergencies."""
    return reverse(f"emergency:{name}", args=args)


def sign_in(person: User) -> Client:
    """Return a browser of this person."""
    client = Client()
    log_in(client, person)
    return client


@pytest.mark.clause("M22")
def test_the_list_without_accounts_says_what_to_do(cast):
    answer = sign_in(cast.elsa).get(page("list"))
    assert "Todavía no hay cuentas de emergencia" in text_of(answer)
    assert "Ninguna emergencia" in text_of(answer)
    assert "Agregar una cuenta" in text_of(answer)
    assert "Pedir una emergencia" not in text_of(answer)
    assert "Pedir una emergencia" in text_of(sign_in(cast.gina).get(page("list")))


@pytest.mark.clause("M22", "M27")
@pytest.mark.parametrize("status", [None, Status.REQUESTED, Status.AUTHORIZED, Status.OPEN, Status.ENDED])
def test_the_list_names_each_state_as_the_account_does(scene, status):
    if status:
        scene.bring(status)
    rows = list_page.list_accounts(scene.cast.elsa)
    account = EmergencyAccount.objects.get()
    assert list_page.find_state(rows[0].account) == account.state
    answer = text_of(sign_in(scene.cast.elsa).get(page("list")))
    assert ("Abierta" if status == Status.OPEN else account.state_label) in answer


def ask_data(client: Client, scene: Emergency, **changes: Any) -> dict[str, Any]:
    """Return the form of a request as a browser sends it."""
    answer = client.get(page("ask"))
    return {
        "key": key_in(answer),
        "incident": scene.ticket.number,
        "customer": scene.cast.customer.rfc,
        "cause": "datos-corruptos",
        "fields_asked": ["fiscal_address"],
        "reason": REASON,
        "minutes": "60",
        "account": str(scene.account.pk),
        **changes,
    }


@pytest.mark.clause("M23")
def test_ask_once_with_todays_values_and_errors_beside_the_field(scene):
    client = sign_in(scene.cast.gina)
    Customer.objects.filter(pk=scene.cast.customer.pk)
    data = ask_data(client, scene)
    looked = client.post(page("ask"), {**data, "ver": "1"})
    assert scene.cast.customer.legal_name in text_of(looked)
    assert f"Hoy: {scene.cast.customer.registered_email}" in text_of(looked)
    assert REASON in looked.content.decode()
    assert not EmergencyGrant.objects.exists()
    for changes, field, words in (
        ({"incident": "FY-0000-0000"}, "incident", "No hay un ticket"),
        ({"customer": "Otra Empresa"}, "customer", "revíselo"),
        ({"fields_asked": []}, "fields_asked", "Marque al menos un dato"),
        ({"reason": "corta"}, "reason", "al menos 20"),
        ({"cause": "otra"}, "cause", "Elija una causa"),
    ):
        answer = client.post(page("ask"), {**data, **changes})
        assert answer.status_code == 200
        assert words in " ".join(answer.context["form"].errors[field]), field
        assert not EmergencyGrant.objects.exists()
    first = client.post(page("ask"), data)
    again = client.post(page("ask"), data)  # a double click
    grant = EmergencyGrant.objects.get()
    assert first.url == again.url == page("grant", grant.folio)
    assert grant.fields == ["fiscal_address"]


@pytest.mark.clause("M3", "M26")
@pytest.mark.parametrize("typed", ["", "Otra Empresa", "SA de CV", "de", "s.a. de c.v.", "AAA010101AAA"])
@pytest.mark.parametrize("button", ["ver", "pedir"])
def test_a_number_alone_does_not_tell_whose_it_is(scene, typed, button):
    other = make_representative(full_name="Otra Persona")
    customer, client = other.contact.customer, sign_in(scene.cast.gina)
    data = ask_data(client, scene, incident=make_ticket(requester=other).number, customer=typed)
    events = Event.objects.count()
    shown = client.post(page("ask"), {**data, button: "1"}).content.decode()
    for secret in (customer.rfc, customer.legal_name, customer.registered_email):
        assert secret not in shown
    assert "Hoy:" not in shown
    assert not EmergencyGrant.objects.exists()
    assert Event.objects.count() == events


@pytest.mark.clause("M3", "M26")
def test_a_look_at_a_customer_is_recorded_once_in_ten_minutes(scene):
    client, customer = sign_in(scene.cast.gina), scene.cast.customer
    data = ask_data(client, scene)
    looks = Event.objects.filter(verb="customer.looked_at")
    with travel(clock.now(), tick=False) as traveller:
        for button in ({"ver": "1"}, {"ver": "1", "incident": f" {scene.ticket.number.lower()}"}, {"reason": "corta"}):
            assert f"Hoy: {customer.registered_email}" in text_of(client.post(page("ask"), {**data, **button}))
        event = looks.get()
        assert (event.chain, event.actor) == (customer.chain, scene.cast.gina)
        assert event.data["incident"] == scene.ticket.number
        traveller.shift(timedelta(minutes=11))
        client.post(page("ask"), {**data, "ver": "1"})
        assert looks.count() == 2
    elsa = sign_in(scene.cast.elsa)
    assert elsa.post(page("ask"), {**data, "ver": "1"}).url == page("list")
    assert looks.count() == 2
    with pytest.raises(NotAllowed):
        operations.record_look(customer, actor=scene.cast.elsa, incident=scene.ticket.number)


@pytest.mark.clause("M23")
def test_a_drill_is_marked_everywhere(scene):
    client = sign_in(scene.cast.gina)
    address = f"{page('ask')}?simulacro=1"
    answer = client.get(address)
    assert "incident" not in answer.context["form"].fields
    data = ask_data(client, scene, key=key_in(answer))
    del data["incident"], data["customer"]
    client.post(address, data)
    grant = EmergencyGrant.objects.get()
    assert grant.drill
    assert "Simulacro" in text_of(client.get(page("grant", grant.folio)))
    assert "Simulacro" in text_of(client.get(page("list")))


@pytest.mark.clause("M23")
def test_who_may_not_ask_is_told_why(scene):
    answer = sign_in(scene.cast.elsa).get(page("ask"), follow=True)
    assert "La pide un Implementador o un Supervisor." in text_of(answer)


@pytest.mark.clause("M23")
def test_two_officers_decide_with_password_and_reason(scene):
    grant = scene.bring(Status.REQUESTED)
    fabian = sign_in(scene.cast.fabian)
    shown = text_of(fabian.get(page("grant", grant.folio)))
    assert "¿Autoriza abrir emergencia-01 por 1 hora?" in shown
    assert f"El ticket {scene.ticket.number} sigue sin terminar y es de este cliente" in shown
    wrong = fabian.post(page("decide", grant.folio), {"verdict": "authorize", "reason": WHY, "password": "no"})
    assert "Esa no es su contraseña." in text_of(wrong)
    assert WHY in wrong.content.decode()
    less = {"verdict": "less", "reason": WHY, "password": PASSWORD}
    assert "Escriba cuántos minutos" in text_of(fabian.post(page("decide", grant.folio), less))
    fabian.post(page("decide", grant.folio), {**less, "minutes": "30"})
    decision = grant.authorizations.get()
    assert (decision.authorizer, decision.minutes) == (scene.cast.fabian, 30)
    again = fabian.post(page("decide", grant.folio), {**less, "minutes": "20"})
    assert again.status_code in {403, 409}
    elsa = sign_in(scene.cast.elsa)
    data = {"verdict": "authorize", "reason": WHY, "password": PASSWORD}
    answer = elsa.post(page("decide", grant.folio), data, follow=True)
    assert "Quedó autorizada" in text_of(answer)
    grant.refresh_from_db()
    assert (grant.status, grant.minutes) == (Status.AUTHORIZED, 30)
    event = grant.events().filter(verb="grant.authorized").get()
    assert event.data["auth"]["method"] == "password"


@pytest.mark.clause("M23")
def test_refuse_and_revoke(scene):
    grant = scene.bring(Status.REQUESTED)
    elsa = sign_in(scene.cast.elsa)
    elsa.post(page("decide", grant.folio), {"verdict": "refuse", "reason": WHY, "password": PASSWORD})
    grant.refresh_from_db()
    assert grant.status == Status.REFUSED
    other = scene.bring(Status.OPEN)
    answer = elsa.post(page("revoke", other.folio), {"reason": WHY}, follow=True)  # the password is fresh
    assert "se revocó" in text_of(answer)
    assert f"«{WHY}»" in text_of(answer)
    other.refresh_from_db()
    assert (other.status, other.end_reason) == (Status.ENDED, "revoked")
    assert elsa.post(page("revoke", other.folio), {"reason": WHY}).status_code == 409


@pytest.mark.clause("M22", "M23")
def test_two_custodians_open_and_nothing_shows_a_half(scene):
    grant = scene.bring(Status.AUTHORIZED)
    laura, jorge = sign_in(scene.cast.laura), sign_in(scene.cast.jorge)
    assert "Le toca poner su mitad" in text_of(laura.get(page("grant", grant.folio)))
    wrong = laura.post(page("open", grant.folio), {"half": "AAAA-BBBB-CCCC-DDDD-EEEE"})
    assert "Le quedan 2 intentos" in text_of(wrong)
    assert "AAAA-BBBB" not in wrong.content.decode()
    assert 'type="password"' in wrong.content.decode()
    assert wrong["Cache-Control"] == "private, no-store"
    laura.post(page("open", grant.folio), {"half": scene.halves["a"]})
    waits = jorge.get(page("open", grant.folio))
    assert "Correcta" in text_of(waits)
    assert "data-fy-until" in waits.content.decode()
    opened = jorge.post(page("open", grant.folio), {"half": scene.halves["b"].lower().replace("-", " ")}, follow=True)
    assert "La emergencia está abierta" in text_of(opened)
    for half in scene.halves.values():
        assert half not in opened.content.decode() + waits.content.decode()
    assert laura.get(page("open", grant.folio)).status_code == 302  # it is open: the page says so
    other = sign_in(scene.cast.elsa).get(page("grant", grant.folio))
    assert "Se termina sola en" in text_of(other)


@pytest.mark.clause("M22")
def test_a_half_is_seen_once_by_its_custodian_and_never_by_get(scene):
    credential = operations.start_sealing(
        scene.account.pk, custodian_a=scene.cast.laura, custodian_b=scene.cast.jorge, actor=scene.cast.elsa
    )
    address = page("seal", scene.account.alias)
    laura, elsa = sign_in(scene.cast.laura), sign_in(scene.cast.elsa)
    assert "Ver mi mitad" in text_of(laura.get(address))
    assert "Ver mi mitad" not in text_of(elsa.get(address))
    assert elsa.post(address, {"password": PASSWORD}).status_code == 403
    assert "contraseña" in text_of(laura.post(address, {"password": ""}))
    shown = laura.post(address, {"password": PASSWORD})
    half = re.search(r'<code class="fy-half">([^<]+)</code>', shown.content.decode())
    assert half
    assert shown["Cache-Control"] == "private, no-store"
    again = laura.post(address, {"password": PASSWORD})
    assert again.status_code == 409
    assert "ya se mostró una vez" in text_of(again)
    assert half.group(1) not in again.content.decode() + laura.get(address).content.decode()
    sealed = page("confirm_sealed", scene.account.alias)
    assert "Marque que el sobre" in text_of(laura.post(sealed, {"is_apart": "on"}))
    laura.post(sealed, {"is_closed": "on", "is_apart": "on"})
    credential.refresh_from_db()
    assert credential.sealed_a_at
    assert "falta la mitad de Jorge Revisa" in text_of(elsa.get(page("list")))


@pytest.mark.clause("M22")
def test_the_officer_keeps_accounts_seals_and_causes(cast):
    elsa, gina = sign_in(cast.elsa), sign_in(cast.gina)
    data = {"alias": "emergencia-02", "purpose": "Leer clientes en una falla", "scope": "read", "password": PASSWORD}
    assert "Lo hace el Responsable" in text_of(gina.post(page("add_account"), data, follow=True))
    elsa.post(page("add_account"), data)
    account = EmergencyAccount.objects.get()
    same = elsa.post(page("add_account"), data)
    assert "Ya hay una cuenta con ese alias." in text_of(same)
    start = page("start_seal", account.alias)
    one = {"custodian_a": cast.laura.pk, "custodian_b": cast.laura.pk}
    assert "Los custodios son dos personas." in text_of(elsa.post(start, one))
    elsa.post(start, {**one, "custodian_b": cast.jorge.pk})
    assert account.find_credential().custodian_ids == {cast.laura.pk, cast.jorge.pk}
    assert gina.post(start, {**one, "password": PASSWORD}).status_code in {200, 403}
    elsa.post(page("causes"), {"title": "Falla del PAC", "procedure": "Se confirma con el aviso del PAC por escrito."})
    cause = account.grants.model._meta.get_field("cause").related_model.objects.get(title="Falla del PAC")
    elsa.post(page("end_cause", cause.pk), {})
    cause.refresh_from_db()
    assert not cause.active
    elsa.post(page("retire_account", account.alias), {})
    account.refresh_from_db()
    assert account.retired_at


@pytest.mark.clause("M23")
def test_delegations_by_the_absent_officer(cast):
    fabian = sign_in(cast.fabian)
    data = {
        "office": "information_owner",
        "absent": cast.fabian.pk,
        "alternate": cast.laura.pk,
        "first_day": "2099-01-02",
        "last_day": "2099-01-01",
        "reason": "Vacaciones de invierno",
        "password": PASSWORD,
    }
    assert "termina después de que empieza" in text_of(fabian.post(page("delegations"), data))
    answer = fabian.post(page("delegations"), {**data, "last_day": "2099-01-05"}, follow=True)
    assert "Quedó registrada la suplencia" in text_of(answer)
    pk = re.search(r"/suplencias/(\d+)/terminar/", answer.content.decode()).group(1)
    fabian.post(page("end_delegation", pk), {})
    assert "Terminada" in text_of(fabian.get(page("delegations")))
    assert "Las suplencias las llevan" in text_of(sign_in(cast.gina).get(page("delegations"), follow=True))


@pytest.mark.clause("M3", "M23")
def test_who_sees_an_emergency(scene):
    grant = scene.bring(Status.OPEN)
    auditor, stranger = make_staff(Office.AUDITOR), make_staff(Office.IMPLEMENTER)
    seen = {
        person: sign_in(person).get(page("grant", grant.folio)).status_code
        for person in (*vars(scene.cast).values(), auditor, stranger)
    }
    cast = scene.cast
    readers = (cast.laura, cast.fabian, cast.elsa, cast.gina, cast.jorge, auditor)
    assert seen == {**dict.fromkeys(readers, 200), cast.ana: 404, stranger: 404}
    text = text_of(sign_in(auditor).get(page("grant", grant.folio)))
    assert "Revocar" not in text
    typo = sign_in(cast.elsa).get(page("grant", grant.folio.lower()))
    assert typo.url == page("grant", grant.folio)
    assert sign_in(auditor).get(page("review", grant.folio)).status_code == 200
    assert sign_in(stranger).get(page("dossier", grant.folio)).status_code == 404


@pytest.mark.clause("M17", "M22")
def test_a_half_that_arrives_without_session_is_kept_nowhere(scene, settings):
    grant = scene.bring(Status.AUTHORIZED)
    client = sign_in(scene.cast.laura)
    client.get(page("open", grant.folio))
    del client.cookies[settings.SESSION_COOKIE_NAME]
    answer = client.post(page("open", grant.folio), {"half": scene.halves["a"], "reason": REASON})
    assert answer.status_code == 302
    kept = [session.get_decoded() for session in Session.objects.all()]
    assert REASON in str(kept)  # what was typed beside it is kept until the login
    assert scene.halves["a"] not in str(kept)
    log_in(client, scene.cast.laura)
    assert scene.halves["a"] not in client.get(page("open", grant.folio)).content.decode()
