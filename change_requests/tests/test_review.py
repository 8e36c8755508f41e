"""Holes that a review found: each way in is tried, and stays shut (M5, M7, M8, M21, M24)."""

import re
from datetime import timedelta
from io import BytesIO, TextIOWrapper
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import CONTROL_OFFICES, Customer, Office, Provider, RoleAssignment, User
from accounts.operations import Refused, accept_invitation, grant_office
from change_requests import links, operations, policy
from change_requests.customer import request_page
from change_requests.documents import receipt
from change_requests.models import Clarification, Execution, FormalRequest
from change_requests.tests.test_inbound import CHANGE, answers, letter
from factureya.core import clock
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import OutboxMessage
from factureya.testing import pdfs, request_histories
from factureya.testing.inbound_mails import AUTHSERV, bounce_of, deliver
from factureya.testing.pages import log_in
from factureya.testing.people import (
    Cast,
    end_offices,
    give_office,
    make_customer,
    make_staff,
    make_superuser,
    own_assets,
)
from factureya.testing.raw_sql import copy_statement, execute, execute_bare, refused_by, sqlite_only, update
from factureya.testing.request_histories import Form, Kind, Status, make
from factureya.testing.requests import decide, make_request
from factureya.testing.tickets import make_ticket
from tickets import notifications as ticket_mails

pytestmark = pytest.mark.django_db
WHY = "Se pidió por error, según la empresa."


@pytest.fixture(autouse=True)
def _our_server(settings: Any) -> None:
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV


# -- Who prepared a request doesn't carry it out (M24) -----------------------------------------------


@pytest.mark.clause("M24")
def test_who_prepared_a_revert_does_not_implement_it(cast: Cast):
    give_office(cast.laura, Office.IMPLEMENTER)
    undoing = operations.revert(make(cast, Status.EXECUTED).pk, actor=cast.laura, reason=WHY)
    for reached in (Status.VERIFYING, Status.IN_APPROVAL):
        undoing = request_histories.step(cast, undoing, reached)

    with pytest.raises(operations.Invalid, match="Quien la preparó no implementa"):
        operations.designate(undoing.pk, actor=cast.elsa, implementer=cast.laura)
    with refused_by("request_implementer_is_no_author"):
        update(undoing, implementer_id=cast.laura.pk, designated_by_id=cast.elsa.pk, designated_at=now())


@pytest.mark.clause("M21", "M24")
def test_a_revert_needs_an_implementer_besides_who_prepares_it(cast: Cast):
    done = make(cast, Status.EXECUTED)
    give_office(cast.laura, Office.IMPLEMENTER)
    end_offices(cast.gina)

    with pytest.raises(operations.NoPeople, match="Implementador"):
        operations.revert(done.pk, actor=cast.laura, reason=WHY)


@pytest.mark.clause("M20")
def test_a_receipt_is_the_same_whenever_it_is_drawn(cast: Cast):
    formal = request_histories.add_file(
        cast, request_histories.draft(cast, items={"legal_name": "Nueva Razón SA de CV"})
    )
    formal = request_histories.step(cast, formal, Status.SUBMITTED)
    mailed = receipt.render_receipt(formal)

    for reached in request_histories.ORDER[2:]:
        formal = request_histories.step(cast, formal, reached)
    User.objects.filter(pk=cast.ana.pk).update(full_name="Ana de Otro Nombre")

    drawn = FormalRequest.objects.get(pk=formal.pk)
    assert drawn.customer.legal_name == "Nueva Razón SA de CV"
    assert receipt.render_receipt(drawn) == mailed


# -- The registered mail confirms (M8) ---------------------------------------------------------------


@pytest.mark.clause("M8")
def test_what_undoes_an_undoing_is_confirmed_from_todays_registered_mail(cast: Cast):
    old = cast.customer.registered_email
    thief = {"registered_email": "ladron@ejemplo.mx"}
    undone = _applied(cast, make(cast, Status.APPROVED, items=thief))
    undoing = operations.revert(undone.pk, actor=cast.laura, reason=WHY)
    assert links.find_confirming_mail(undoing) == old
    for reached in request_histories.ORDER[2:5]:
        undoing = request_histories.step(cast, undoing, reached)
    undoing = _applied(cast, undoing)
    assert Customer.objects.get(pk=cast.customer.pk).registered_email == old

    again = operations.revert(undoing.pk, actor=cast.ana, reason=WHY)

    assert links.find_confirming_mail(FormalRequest.objects.get(pk=again.pk)) == old
    assert OutboxMessage.objects.get(kind="change_requests/confirm", about=again.chain).to == old


def _applied(cast: Cast, request: FormalRequest) -> FormalRequest:
    with clock.at(request.execute_after):
        operations.execute(request.pk, actor=cast.gina)
    request.refresh_from_db()
    return request


@pytest.mark.clause("M8")
def test_a_resumed_request_can_still_be_confirmed(cast: Cast):
    formal, start = make(cast, Status.SUBMITTED), now()
    operations.not_me(formal.pk)
    with clock.at(start + timedelta(days=5)):
        operations.resume(formal.pk, actor=cast.elsa, reason="Hablé con la empresa por teléfono.")

        named = links.read_confirm_link(_token(formal))
        assert operations.confirm_from_registered_email(named.pk, actor=cast.ana, revision_no=named.revision_no)


@pytest.mark.clause("M8")
def test_a2c_powers_that_ended_confirm_nothing(client: Client):
    cast = Cast(ana=request_histories.representative_for(days=0))
    formal = make(cast, Status.SUBMITTED)
    link = f"/solicitudes/confirmar/{_token(formal)}/"
    with clock.at(now() + timedelta(hours=47)):
        log_in(client, cast.ana)
        assert client.post(link).status_code == 403
        with pytest.raises(operations.NotAllowed, match="poderes vigentes"):
            operations.confirm_from_registered_email(formal.pk, actor=cast.ana, revision_no=formal.revision_no)


@pytest.mark.clause("M8")
def test_a2c_who_was_replaced_confirms_what_undoes_it(cast: Cast):
    """Whoever stole the account brought a representative in: undoing that needs no word of his."""
    rosa = cast.colleague(full_name="Rosa Nueva")
    items = {
        "representative_name": "Rosa Nueva",
        "representative_rfc": "NURO800101AB1",
        "representative_email": rosa.email,
        "representative_power_kind": "attorney",
        "representative_instrument": "Escritura 9",
        "representative_valid_from": "2026-01-01",
    }
    formal = request_histories.add_file(cast, request_histories.draft(cast, items=items))
    for reached in request_histories.ORDER[1:5]:
        formal = request_histories.step(cast, formal, reached)
    undone = _applied(cast, formal)
    with clock.at(undone.executed_at + timedelta(hours=1)):
        undoing = operations.revert(undone.pk, actor=cast.laura, reason=WHY)
        assert policy.find_powers(User.objects.get(pk=cast.ana.pk), cast.customer) is None
        with pytest.raises(operations.NotAllowed):
            operations.confirm_from_registered_email(
                undoing.pk, actor=cast.colleague(), revision_no=undoing.revision_no
            )
        confirmed = operations.confirm_from_registered_email(
            undoing.pk, actor=cast.ana, revision_no=undoing.revision_no
        )
        assert confirmed.status == Status.VERIFYING


def _token(formal: FormalRequest) -> str:
    mail = OutboxMessage.objects.filter(kind="change_requests/confirm", about=formal.chain)
    found = re.search(r"/solicitudes/confirmar/(\S+)/", mail.latest("pk").body)
    assert found is not None
    return found.group(1)


@pytest.mark.clause("M5", "M8")
def test_an_address_of_staff_never_becomes_the_registered_mail(cast: Cast):
    formal = make(cast, Status.IN_APPROVAL, items={"registered_email": cast.laura.email})
    for decider in (cast.fabian, cast.elsa):
        with pytest.raises(operations.Refused, match="del personal"):
            operations.approve(
                formal.pk, actor=decider, reason=request_histories.WHY, seen_hash=request_histories.seen(formal)
            )
    assert not formal.decisions.exists()


@pytest.mark.clause("M5")
def test_a_form_from_an_address_of_staff_asks_for_nothing(cast: Cast):
    """Also where it is the registered mail of a company: whoever had it works here now."""
    make_staff(Office.AGENT, email=cast.customer.registered_email)
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    deliver(letter(cast.customer.registered_email, ("formato.pdf", content)))

    assert not FormalRequest.objects.exists()


# -- By mail, to the end (M8, M20) -------------------------------------------------------------------


@pytest.mark.clause("M1", "M8", "M20")
def test_address_phone_and_registered_mail_by_a_mailed_form_end_as_in_the_portal(
    cast: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.SENSITIVE_FREEZE_HOURS = 0
    old, new = cast.customer.registered_email, "nuevo@ejemplo.mx"
    content = pdfs.filled(CHANGE, answers(CHANGE, cast, new_registered_email=new))
    raw = letter(cast.ana, ("formato.pdf", content))
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(raw)))

    call_command("receive_email", as_json=True)
    formal = FormalRequest.objects.get()
    for reached in request_histories.ORDER[2:]:
        formal = request_histories.step(cast, formal, reached)

    customer = Customer.objects.get(pk=cast.customer.pk)
    assert (formal.channel, formal.status) == ("email", Status.CLOSED)
    assert (customer.registered_email, customer.phone) == (new, "222 555 0178")
    assert customer.fiscal_address == " ".join(pdfs.ADDRESS.split())
    told = set(OutboxMessage.objects.filter(to=old).values_list("kind", flat=True))
    assert {"change_requests/confirm", "change_requests/warn_executed"} <= told


# -- The link of an ALTA works once (M7) -------------------------------------------------------------


@pytest.mark.clause("M7")
def test_the_link_of_an_alta_lets_one_person_in_once(cast: Cast):
    make(cast, Status.CLOSED, Form.ACCESS, Kind.ALTA)
    mail = OutboxMessage.objects.get(kind="accounts/invited")
    (token,) = re.findall(r"/([^/\s]+)/\s", mail.body.partition("http")[2])

    rosa = accept_invitation(token, full_name="Rosa Nueva", password="Clave-larga-de-Rosa-2026")

    assert (rosa.email, rosa.contact.customer, rosa.contact.role) == (mail.to, cast.customer, "contact")
    with pytest.raises(Refused):
        accept_invitation(token, full_name="Otra", password="Otra-clave-larga-2026")


@pytest.mark.clause("M7", "M8")
def test_the_link_of_an_alta_dies_with_the_role_of_who_asked(cast: Cast):
    make(cast, Status.EXECUTED, Form.ACCESS, Kind.ALTA)
    mail = OutboxMessage.objects.get(kind="accounts/invited")
    (token,) = re.findall(r"/([^/\s]+)/\s", mail.body.partition("http")[2])
    User.objects.filter(pk=cast.ana.pk).update(is_active=False)

    with pytest.raises(Refused):
        accept_invitation(token, full_name="Rosa Nueva", password="Clave-larga-de-Rosa-2026")


# -- An old cookie does not revive (M7) --------------------------------------------------------------


@pytest.mark.clause("M7")
@pytest.mark.parametrize("kind", [Kind.BAJA, Kind.CLAVE])
def test_a_session_of_before_stays_ended_whatever_follows(client: Client, cast: Cast, kind: str):
    beto = cast.colleague()
    client.force_login(beto)
    assert client.get("/cuenta/").status_code == 200
    old = beto.password
    make(cast, Status.EXECUTED, Form.ACCESS, kind, person={"user": beto.pk})

    User.objects.filter(pk=beto.pk).update(is_active=True, password=old)

    assert client.get("/cuenta/").status_code == 302


# -- Third parties take no part in approvals (M3) ----------------------------------------------------


@pytest.mark.clause("M3")
@pytest.mark.parametrize("office", sorted(CONTROL_OFFICES - {Office.SUPERVISOR}))
def test_a_third_partys_agent_gets_no_office_of_mesa_de_control(office: str):
    root, third = make_superuser(), Provider.objects.create(name="Tercero")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=third)
    with pytest.raises(Refused, match="tercero"):
        grant_office(irma.pk, office=office, actor=root)
    officer_ = make_staff(office)
    with pytest.raises(Refused, match="tercero"):
        grant_office(officer_.pk, office=Office.THIRD_PARTY_AGENT, provider=third, actor=root)


# -- What changed since it was asked (M7, M21) -------------------------------------------------------


@pytest.mark.clause("M21")
def test_an_rfc_that_another_company_took_meanwhile_is_drift(cast: Cast):
    formal = request_histories.add_file(cast, request_histories.draft(cast, items={"rfc": "EKU9003173C9"}))
    for reached in request_histories.ORDER[1:5]:
        formal = request_histories.step(cast, formal, reached)
    before = cast.customer.rfc
    make_customer("EKU9003173C9")

    done = operations.execute(formal.pk, actor=cast.gina)

    assert (done.result, done.before) == (Execution.Result.DRIFT, {"rfc": "(es de otra empresa)"})
    assert Customer.objects.get(pk=cast.customer.pk).rfc == before
    formal.refresh_from_db()
    assert formal.status == Status.FAILED


@pytest.mark.clause("M7")
def test_who_got_powers_since_is_not_shut_out_by_an_older_baja(cast: Cast):
    beto = cast.colleague(full_name="Beto Luna")
    baja = make(cast, Status.APPROVED, Form.ACCESS, Kind.BAJA, person={"user": beto.pk})
    powers = {
        "replaces": "",
        "name": "Beto Luna",
        "email": beto.email,
        "rfc": "VECJ880326XXX",
        "power": "attorney",
        "instrument": "Escritura 5",
        "valid_from": "2026-01-01",
    }
    items = {f"representative_{part}": text for part, text in powers.items()}
    entry = request_histories.add_file(cast, request_histories.draft(cast, items=items))
    for reached in request_histories.ORDER[1:5]:
        entry = request_histories.step(cast, entry, reached)
    _applied(cast, entry)

    with clock.at(entry.execute_after):
        done = operations.execute(baja.pk, actor=cast.gina)

    assert done.result == Execution.Result.DRIFT
    beto.refresh_from_db()
    assert beto.is_active


@pytest.mark.clause("M21")
def test_an_edit_closes_the_question_that_was_open(cast: Cast):
    formal = make(cast, Status.IN_APPROVAL)
    operations.ask_clarification(formal.pk, actor=cast.elsa, question="¿Cuál es el número exterior?")
    assert request_page.read_facts(_read(formal), cast.ana).question is not None

    operations.reopen_draft(formal.pk, actor=cast.ana)
    for reached in request_histories.ORDER[1:4]:
        formal = request_histories.step(cast, formal, reached)

    assert request_page.read_facts(_read(formal), cast.ana).question is None


def _read(formal: FormalRequest) -> FormalRequest:
    return FormalRequest.objects.select_related("customer", "requester").get(pk=formal.pk)


@pytest.mark.clause("M8")
def test_a_draft_begun_with_powers_that_were_replaced_since_is_not_sent(cast: Cast):
    begun = request_histories.draft(cast)
    renewal = request_histories.add_file(
        cast,
        request_histories.draft(
            cast, items={"representative_rfc": "VECJ880326XXX", "representative_instrument": "Escritura 6"}
        ),
    )
    for reached in request_histories.ORDER[1:5]:
        renewal = request_histories.step(cast, renewal, reached)
    _applied(cast, renewal)

    with clock.at(renewal.execute_after), pytest.raises(operations.NotAllowed, match="haga otra"):
        operations.submit(begun.pk, actor=cast.ana)


@pytest.mark.clause("M1", "M8")
def test_a_contacts_mail_is_changed_by_nobody(cast: Cast):
    """Neither by a superuser at a shell: who has the mail gets the password, and then the powers."""
    with refused_by("contact_keeps_the_mail"):
        User.objects.filter(pk=cast.ana.pk).update(email="ladron@ejemplo.mx")
    cast.ana.email = "ladron@ejemplo.mx"
    with refused_by("contact_keeps_the_mail"):
        cast.ana.save(update_fields=["email"])
    User.objects.filter(pk=cast.gina.pk).update(email="gina.nueva@factureya.com")  # staff may


@sqlite_only
@pytest.mark.clause("M1")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_a_contacts_account_is_not_replaced(cast: Cast, run: Any):
    sql, params = copy_statement(User, cast.ana.pk, "INSERT OR REPLACE", id=cast.ana.pk, email="ladron@ejemplo.mx")
    with refused_by("accounts_user_no_replace"):
        run(sql, *params)


# -- An office that was taken away counts for nothing, whatever instant a row claims (M21) ------------


@pytest.mark.clause("M21")
def test_a_decision_of_a_revoked_office_is_refused_also_backdated():
    own_assets()
    formal = make_request(Status.IN_APPROVAL, new={"phone": "222 555 0199"})
    elsa = make_staff(Office.SECURITY_OFFICER, full_name="Elsa Seguridad")
    held = RoleAssignment.objects.get(user=elsa)
    end_offices(elsa)

    with refused_by("decision_by_office_in_force"):
        decide(formal, elsa, "security", assignment=held, decided_at=held.starts_at)


# -- A post whose session had ended comes back to a page that exists (M17) ---------------------------


@pytest.mark.clause("M17")
@pytest.mark.parametrize("page", ["aclaracion", "codigo", "codigo/nuevo", "corregir"])
def test_a_customers_post_without_session_leads_back_to_the_request(client: Client, cast: Cast, page: str):
    formal = make(cast, Status.IN_APPROVAL)

    answer = client.post(f"/solicitudes/{formal.folio}/{page}/")

    client.force_login(cast.ana)
    assert client.get(_next(answer["Location"]), follow=True).status_code == 200


@pytest.mark.clause("M21")
@pytest.mark.parametrize("page", ["decidir", "implementar", "devolver"])
def test_an_officers_post_without_session_leads_back_to_the_request(client: Client, cast: Cast, page: str):
    formal = make(cast, Status.IN_APPROVAL)

    answer = client.post(f"/control/{formal.folio}/{page}/")

    client.force_login(cast.elsa)
    assert client.get(_next(answer["Location"]), follow=True).status_code == 200


def _next(location: str) -> str:
    return parse_qs(urlsplit(location).query)["next"][0]


@pytest.mark.clause("M8", "M21")
def test_who_took_a_company_over_does_not_withdraw_what_undoes_it(cast: Cast):
    undoing = operations.revert(make(cast, Status.EXECUTED).pk, actor=cast.laura, reason=WHY)
    with pytest.raises(operations.NotAllowed, match="mesa de control"):
        operations.withdraw(undoing.pk, actor=cast.ana, reason="No hace falta.")
    assert operations.withdraw(undoing.pk, actor=cast.laura, reason=WHY).status == Status.CANCELLED


@pytest.mark.clause("M8", "M21")
def test_a_representative_withdraws_the_revert_he_asked_for(cast: Cast):
    undoing = operations.revert(make(cast, Status.EXECUTED).pk, actor=cast.ana, reason=WHY)
    undoing = operations.withdraw(undoing.pk, actor=cast.ana, reason="No hace falta.")
    assert undoing.status == Status.CANCELLED


# -- The link of a cambio de clave comes back (M7, M16) ----------------------------------------------


@pytest.mark.clause("M6", "M7", "M16")
def test_a2_the_link_of_a_cambio_de_clave_whose_mail_came_back_is_void(cast: Cast, client: Client):
    make(cast, Status.EXECUTED, Form.ACCESS, Kind.CLAVE)
    mail = OutboxMessage.objects.get(kind="change_requests/set_password")
    found = re.search(r"/solicitudes/clave/(\S+)/", mail.body)
    assert found is not None
    assert client.get(found.group()).status_code == 200
    deliver(bounce_of(mail))
    assert client.get(found.group()).status_code == 410
    with pytest.raises(links.BadLink):
        operations.set_password(found.group(1), password="tormenta-de-julio-88")
    told = OutboxMessage.objects.filter(kind="change_requests/link_undelivered")
    assert {cast.laura.email, cast.ana.email} <= {mail.to for mail in told}
    assert mail.to not in {mail.to for mail in told}
    person = User.objects.get(email=mail.to)
    assert "person.password_link_voided" in [event.verb for event in person.events()]


@pytest.mark.clause("M7")
def test_a2_a_link_that_was_used_before_the_bounce_stays_used(cast: Cast):
    make(cast, Status.EXECUTED, Form.ACCESS, Kind.CLAVE)
    mail = OutboxMessage.objects.get(kind="change_requests/set_password")
    found = re.search(r"/solicitudes/clave/(\S+)/", mail.body)
    assert found is not None
    operations.set_password(found.group(1), password="tormenta-de-julio-88")
    deliver(bounce_of(mail))
    assert not OutboxMessage.objects.filter(kind="change_requests/link_undelivered").exists()


@pytest.mark.clause("M16")
def test_a2_a_link_that_is_pasted_into_a_request_is_cut_out(cast: Cast):
    ticket = make_ticket(requester=cast.ana)
    url = own_links.make_url(own_links.TICKET, ticket_mails.make_link_token(cast.ana, ticket))
    formal = request_histories.step(
        cast, request_histories.draft(cast, reason=f"Lo pedimos en {url} hace días."), Status.SUBMITTED
    )
    formal = request_histories.step(cast, formal, Status.VERIFYING)
    operations.ask_clarification(formal.pk, actor=cast.laura, question=f"¿Es lo de {url}?")
    token = url.split("/")[-2]
    assert token not in formal.read_revision().payload
    assert own_links.MARK in formal.read_revision().payload
    asked = Clarification.objects.get(request=formal).body
    assert own_links.MARK in asked
    assert token not in asked
