"""The customer's pages of a request: where it stands, why, what may still be done, and who may see it (M7, M8, M19)."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import User
from change_requests import operations
from change_requests.customer import wording
from change_requests.models import FormalRequest
from factureya.core import numbers
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing.pages import hidden_in, key_in, log_in, png, text_of
from factureya.testing.people import PASSWORD, Neighbours, make_agent, make_representative, make_superuser
from factureya.testing.request_histories import REASON, WHY, code_in_mail, confirm, draft, link_in_mail, make, seen
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.django_db
Status = FormalRequest.Status


@pytest.fixture(autouse=True)
def quick(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    settings.SENSITIVE_FREEZE_HOURS = 0


@pytest.fixture
def ana(client, cast):
    log_in(client, cast.ana)
    return client


def detail(formal) -> str:
    return reverse("requests:detail", args=[formal.folio])


def path(name, formal) -> str:
    return reverse(f"requests:{name}", args=[formal.folio])


def fresh(formal) -> FormalRequest:
    return FormalRequest.objects.get(pk=formal.pk)


# -- The list ----------------------------------------------------------------------------------------


@pytest.mark.clause("M19")
def test_an_empty_list_says_what_to_do(ana):
    page = ana.get("/solicitudes/")
    assert "Todavía no hay solicitudes" in text_of(page)
    assert reverse("requests:new_change") in page.content.decode()
    assert "Todavía no hay" in text_of(ana.get("/solicitudes/?vista=terminadas"))


@pytest.mark.clause("M19")
def test_the_list_tells_what_each_asks_and_whose_turn_it_is(ana, cast):
    begun, sent = draft(cast, items={"phone": "1"}), make(cast, "submitted")
    ended = operations.withdraw(draft(cast).pk, actor=cast.ana, reason="Ya no hace falta")
    page = text_of(ana.get("/solicitudes/"))
    for told in ("Cambio de teléfono", "Borrador", "Enviada", "le toca a usted", begun.folio, sent.folio):
        assert told in page
    assert ended.folio not in page
    assert ended.folio in text_of(ana.get("/solicitudes/?vista=terminadas"))
    assert "Cambio de domicilio fiscal y teléfono" in page


@pytest.mark.clause("M19")
def test_the_list_goes_on_by_folio(ana, cast, monkeypatch):
    monkeypatch.setattr("change_requests.customer.views_list.PAGE", 2)
    folios = [draft(cast).folio for _ in range(3)]
    first = ana.get("/solicitudes/")
    assert folios[0] not in text_of(first)
    following = ana.get("/solicitudes/" + first.context["next_url"])
    assert folios[0] in text_of(following)
    assert folios[2] not in text_of(following)
    assert folios[2] in text_of(ana.get("/solicitudes/?despues=nada&vista=otra"))


@pytest.mark.clause("M8")
def test_a_place_in_the_list_at_a_folio_of_another_company_tells_nothing_of_it(ana, cast):
    own = draft(cast)
    theirs = operations.create_draft(
        actor=cast.carla, customer=cast.carla.contact.customer, form=own.form, kind=own.kind
    )
    unused = numbers.make_number(own.folio[:2])
    pages = [text_of(ana.get("/solicitudes/", {"despues": folio})) for folio in (theirs.folio, unused)]
    assert pages[0] == pages[1]
    assert own.folio not in pages[0]


# -- One request, in every status --------------------------------------------------------------------


def returned(cast):
    return operations.return_to_requester(make(cast, "verifying").pk, actor=cast.laura, reason="Falta el comprobante.")


def rejected(cast):
    formal = make(cast, "in_approval")
    return operations.reject(formal.pk, actor=cast.fabian, reason="El comprobante es ajeno.", seen_hash=seen(formal))


def withdrawn(cast):
    return operations.withdraw(make(cast, "submitted").pk, actor=cast.ana, reason="Ya no nos mudamos.")


def expired(cast):
    formal = make(cast, "submitted")
    with time_machine.travel(now() + timedelta(days=3), tick=False):
        operations.expire_due(now())
    return fresh(formal)


def closed(cast):
    return operations.close(make(cast, "executed").pk, actor=cast.laura)


def failed(cast):
    formal = make(cast, "approved", form="access", kind="baja", person={"user": cast.beto.pk})
    User.objects.filter(pk=cast.beto.pk).update(is_active=False)  # as an administrator did meanwhile
    operations.execute(formal.pk, actor=cast.gina)
    return fresh(formal)


def stopped(cast):
    return operations.not_me(make(cast, "in_approval").pk)


def in_status(status: str) -> Callable[[Neighbours], FormalRequest]:
    """Return what brings a request of Ana's to this status."""
    return partial(make, status=status)


STATES = {
    "draft": (draft, "Borrador", "Termine y envíe su solicitud"),
    "submitted": (in_status("submitted"), "Enviada", "Enviamos un enlace a contacto@ocaso.mx"),
    "verifying": (in_status("verifying"), "En verificación", "La revisa la mesa de control"),
    "in_approval": (in_status("in_approval"), "En aprobación", "Espera la aprobación de dos personas"),
    "approved": (in_status("approved"), "Aprobada", "Está aprobada; falta aplicarla"),
    "executed": (in_status("executed"), "Implementada", "Ya se aplicó"),
    "closed": (closed, "Cerrada", "Terminó"),
    "returned": (returned, "Devuelta", "Falta el comprobante."),
    "rejected": (rejected, "Rechazada", "El comprobante es ajeno."),
    "cancelled": (withdrawn, "Cancelada", "Ya no nos mudamos."),
    "expired": (expired, "Vencida", "haga otra solicitud"),
    "failed": (failed, "Fallida", "no escribimos nada"),
    "stopped": (stopped, "Detenida por «No fui yo»", "Nada se aplica mientras tanto"),
}


@pytest.mark.clause("M7", "M16", "M19")
@pytest.mark.parametrize("name", STATES)
def test_every_status_in_words(ana, cast, name):
    make, label, told = STATES[name]
    formal = make(cast)
    page = ana.get(detail(formal))
    text = text_of(page)
    assert label in text
    assert told in text
    assert formal.folio in text
    assert page.content.decode().count('aria-current="step"') == (0 if name == "closed" else 1)


# The officers' own events, and the steps of a draft.
HIDDEN = {
    "request.saved",
    "request.evidence_added",
    "request.evidence_dropped",
    "request.reminded",
    "request.waived",
    "request.waiver_checked",
    "request.evidence_altered",
    "request.mail_kept",
    "request.expediente_downloaded",
    "request.evidence_read",
    "request.execution_intended",
}


@pytest.mark.clause("M16")
def test_every_event_of_a_request_is_told_or_is_the_officers_own():
    folder = Path(operations.__file__).parent
    written = "".join(module.read_text() for module in folder.glob("*.py"))
    verbs = set(re.findall(r'"(request\.[a-z_]+)"', written))
    assert verbs == set(wording.VERBS) | HIDDEN


@pytest.mark.clause("M7")
def test_an_access_request_has_its_own_words(ana, cast):
    formal = make(cast, "in_approval", form="access", kind="baja", person={"user": cast.beto.pk})
    page = text_of(ana.get(detail(formal)))
    assert "Baja de acceso de beto@ocaso.mx" in page
    assert "Verificada" in page
    assert "Espera la aprobación del Responsable de Seguridad Informática" in page
    assert "Sin acceso" in page


@pytest.mark.clause("M19")
def test_the_page_shows_old_and_new_reason_decisions_and_history(ana, cast):
    page = text_of(ana.get(detail(make(cast, "approved"))))
    for told in (
        "222 555 0134",
        "222 555 0199",
        REASON,
        WHY,
        "La mesa de control la verificó",
        "Aprobó el Propietario de la Información",
        "Se confirmó desde el correo registrado",
    ):
        assert told in page


# -- Who sees it -------------------------------------------------------------------------------------


@pytest.mark.clause("M8")
def test_only_who_has_powers_in_force_sees_requests(cast):
    formal = make(cast, "submitted")
    pages = [detail(formal), path("acuse", formal), path("withdraw", formal), path("sent", formal)]
    for person, code in ((cast.carla, 404), (cast.beto, 403), (cast.laura, 403), (cast.elsa, 403)):
        client = Client()
        log_in(client, person)
        assert [client.get(page).status_code for page in pages] == [code] * 4
        assert formal.folio not in client.get("/solicitudes/").content.decode()
    assert Client().get(detail(formal)).url.startswith(reverse("account_login"))


@pytest.mark.clause("M8")
def test_powers_that_ended_are_told(client, cast):
    log_in(client, cast.dana)
    assert client.get("/solicitudes/").status_code == 200
    with time_machine.travel(now() + timedelta(days=12), tick=False):
        log_in(client, cast.dana)
        page = client.get("/solicitudes/")
    assert page.status_code == 403
    assert "Las solicitudes las hace el representante legal" in text_of(page)


@pytest.mark.clause("M8")
def test_another_representative_reads_and_withdraws_but_does_not_edit(client, cast):
    formal = draft(cast)
    log_in(client, cast.dana)
    page = text_of(client.get(detail(formal)))
    assert "La sigue Ana Robles, que la comenzó." in page
    assert "Continuar la solicitud" not in page
    for name in ("kind", "data", "reason", "sign", "review"):
        assert client.get(path(name, formal)).url == detail(formal)
        assert client.post(path(name, formal)).url == detail(formal)
    key = key_in(client.get(path("withdraw", formal)))
    client.post(path("withdraw", formal), {"key": key})
    assert fresh(formal).status == "cancelled"


@pytest.mark.clause("M8", "M10")
def test_a_folio_typed_otherwise_leads_to_its_address_and_a_wrong_one_nowhere(ana, cast):
    formal = draft(cast)
    assert ana.get(f"/solicitudes/{formal.folio.lower()}/").url == detail(formal)
    assert ana.get("/solicitudes/SC-0000-0001/").status_code == 404
    assert ana.get("/solicitudes/FY-7K3M-9QX1/").status_code == 404


# -- Documents ---------------------------------------------------------------------------------------


@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize("name", ["form_access", "form_change"])
def test_the_blank_forms_are_for_everybody(client, name, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get(reverse(f"requests:{name}"))
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")


@pytest.mark.clause("M20")
def test_a_drafts_form_is_its_representatives(ana, cast):
    formal = draft(cast)
    url = f"{reverse('requests:form_change')}?folio={formal.folio}"
    assert ana.get(url).content.startswith(b"%PDF")
    assert ana.get(url.replace("baja-o-cambio", "control-de-acceso")).status_code == 404
    assert Client().get(url).url.startswith(reverse("account_login"))
    for person in (cast.carla, cast.beto, cast.laura):
        client = Client()
        log_in(client, person)
        assert client.get(url).status_code == 404
    assert ana.get(f"{reverse('requests:form_change')}?folio=x").status_code == 404


@pytest.mark.clause("M20")
def test_the_acuse_is_there_once_it_was_sent(ana, cast):
    assert ana.get(path("acuse", draft(cast))).status_code == 404
    answer = ana.get(path("acuse", make(cast, "submitted")))
    assert answer.content.startswith(b"%PDF")
    assert "attachment" in answer["Content-Disposition"]


@pytest.mark.clause("M8", "M17")
def test_evidence_leaves_by_the_requests_policy(ana, cast):
    formal = draft(cast)
    page = ana.get(path("reason", formal))
    ana.post(path("reason", formal), {"key": key_in(page), "reason": REASON, "files": png("fachada.png")})
    token = formal.evidence.get().attachment.token
    url = reverse("requests:evidence", args=[token])
    answer = ana.get(url)
    assert b"".join(answer).startswith(b"\x89PNG")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert Client().get(url).url.startswith(reverse("account_login"))
    for person in (cast.carla, cast.beto, cast.laura):
        client = Client()
        log_in(client, person)
        assert client.get(url).status_code == 404
    formal.evidence.get().attachment.file.storage.delete(formal.evidence.get().attachment.file.name)
    assert ana.get(url).status_code == 404


# -- What the customer does --------------------------------------------------------------------------


@pytest.mark.clause("M21")
def test_a_question_is_answered_once_and_the_content_stays(ana, cast):
    formal = operations.ask_clarification(
        make(cast, "in_approval").pk, actor=cast.elsa, question="¿Desde cuándo se mudan?"
    )
    page = ana.get(detail(formal))
    assert "¿Desde cuándo se mudan?" in text_of(page)
    assert "Responda la pregunta que le hicimos" in text_of(page)
    fields = {"key": key_in(page), "answer": " "}
    refused = ana.post(path("answer", formal), fields)
    assert "Escriba su respuesta" in text_of(refused)
    assert "<title>Error: " in refused.content.decode()
    fields["answer"] = "Desde el 1 de diciembre."
    assert ana.post(path("answer", formal), fields).url == detail(formal)
    assert ana.post(path("answer", formal), fields).url == detail(formal)
    assert formal.clarifications.count() == 2
    assert fresh(formal).revision_no == 1
    assert "Desde el 1 de diciembre." in text_of(ana.get(detail(formal)))


@pytest.mark.clause("M21")
def test_an_answer_that_outlived_its_session_comes_back(client, cast):
    formal = operations.ask_clarification(
        make(cast, "in_approval").pk, actor=cast.elsa, question="¿Desde cuándo se mudan?"
    )
    log_in(client, cast.ana)
    key = key_in(client.get(detail(formal)))
    client.logout()
    client.post(path("answer", formal), {"key": key, "answer": "Desde diciembre, todo."})
    kept = client.session["form.draft"]
    log_in(client, cast.ana)
    session = client.session
    session["form.draft"] = kept
    session.save()
    assert "Desde diciembre, todo." in client.get(detail(formal)).content.decode()


@pytest.mark.clause("M8")
def test_a_new_mail_is_proven_by_its_code(ana, cast):
    formal = confirm(cast, make(cast, "submitted", items={"registered_email": "nuevo@ocaso.mx"}))
    assert "Escriba el código que enviamos al correo nuevo" in text_of(ana.get(detail(formal)))
    wrong = ana.post(path("code", formal), {"code": "000000"})
    assert "código no es correcto" in text_of(wrong)
    assert "Escriba el código de 6 números" in text_of(ana.post(path("code", formal), {"code": ""}))
    ana.post(path("resend_code", formal))
    code = code_in_mail("nuevo@ocaso.mx")
    assert ana.post(path("code", formal), {"code": code}).url == detail(formal)
    assert formal.events().get(verb="request.new_mail_proven").actor == cast.ana
    assert fresh(formal).new_mail_revision == 1
    assert "La revisa la mesa de control" in text_of(ana.get(detail(formal)))
    assert ana.post(path("resend_code", formal)).url == detail(formal)


@pytest.mark.clause("M8")
def test_codes_are_not_guessed(ana, cast):
    formal = confirm(cast, make(cast, "submitted", items={"registered_email": "nuevo@ocaso.mx"}))
    codes = [ana.post(path("code", formal), {"code": f"00000{n}"}).status_code for n in range(6)]
    assert codes == [200] * 5 + [429]


@pytest.mark.clause("M19")
@pytest.mark.parametrize("make", [in_status("submitted"), in_status("in_approval"), in_status("approved")])
def test_it_is_withdrawn_before_it_is_carried_out(ana, cast, make):
    formal = make(cast)
    page = ana.get(path("withdraw", formal))
    assert "Escriba por qué la retira" in text_of(ana.post(path("withdraw", formal), {"key": key_in(page)}))
    fields = {"key": key_in(page), "reason": "Ya no nos mudamos."}
    assert ana.post(path("withdraw", formal), fields).url == reverse("requests:list")
    assert ana.post(path("withdraw", formal), fields).url == detail(formal)
    assert fresh(formal).status == "cancelled"


@pytest.mark.clause("M19")
def test_a_draft_is_discarded_and_an_executed_request_is_not(ana, cast):
    formal = draft(cast)
    page = ana.get(path("withdraw", formal))
    assert "¿Descartar el borrador?" in text_of(page)
    assert ana.post(path("withdraw", formal), {"key": key_in(page)}).url == reverse("requests:list")
    done = make(cast, "executed")
    assert ana.get(path("withdraw", done)).url == detail(done)
    assert "Retirar la solicitud" not in text_of(ana.get(detail(done)))


@pytest.mark.clause("M19", "M21")
def test_a_returned_request_is_corrected_and_sent_again_with_its_folio(ana, cast):
    formal = returned(cast)
    assert ana.get(path("correct", formal)).status_code == 405
    assert ana.post(path("correct", formal)).url == path("data", formal)
    assert ana.post(path("correct", formal)).url == path("data", formal)
    page = ana.get(path("data", formal))
    assert 'value="222 555 0199"' in page.content.decode()
    fields = {"key": key_in(page), "c_phone": "on", "phone": "222 555 0999"}
    assert ana.post(path("data", formal), fields).url == path("reason", formal)
    review = ana.get(path("review", formal))
    ana.post(path("review", formal), hidden_in(review) | {"confirm": "on"})
    assert (fresh(formal).status, fresh(formal).revision_no) == ("submitted", 2)


@pytest.mark.clause("M21")
def test_correcting_while_it_is_decided_is_offered_and_told(ana, cast):
    formal = make(cast, "in_approval")
    assert "las aprobaciones anteriores no cuentan" in text_of(ana.get(detail(formal)))
    assert ana.post(path("correct", formal)).url == path("data", formal)
    done = make(cast, "executed")
    assert ana.post(path("correct", done)).url == detail(done)


@pytest.mark.clause("M8")
def test_not_me_asks_then_stops_and_saying_it_twice_is_harmless(ana, cast):
    formal = make(cast, "in_approval")
    assert "¿Usted no la pidió?" in text_of(ana.get(path("not_me_here", formal)))
    assert fresh(formal).suspended_at is None
    for _ in range(2):
        assert ana.post(path("not_me_here", formal)).url == detail(formal)
    assert fresh(formal).suspended_at is not None
    assert ana.get(path("not_me_here", formal)).url == detail(formal)


# -- By a signed link --------------------------------------------------------------------------------


@pytest.mark.clause("M8", "M20")
def test_the_registered_mail_confirms_get_shows_and_post_decides(client, ana, cast):
    formal = make(cast, "submitted")
    link = link_in_mail("contacto@ocaso.mx", "confirmar")
    page = client.get(link)
    assert "¿Confirma esta solicitud?" in text_of(page)
    assert "222 555 0199" in text_of(page)
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-store" in page["Cache-Control"]
    assert fresh(formal).status == "submitted"
    for _ in range(2):
        assert client.post(link).url == link
    assert fresh(formal).status == "verifying"
    assert "La solicitud está confirmada" in text_of(client.get(link))


@pytest.mark.clause("M3", "M8", "M16")
def test_a2c_the_link_alone_confirms_nothing_whoever_has_it(client, cast):
    formal = make(cast, "submitted")
    link = link_in_mail("contacto@ocaso.mx", "confirmar")
    shown = client.get(link)
    assert "Ingrese para confirmar la solicitud" in text_of(shown)
    assert "222 555 0199" not in shown.content.decode()  # no data without a login
    way_back = re.search(r'href="(/cuenta/ingresar/[^"]+)"', shown.content.decode()).group(1)
    assert client.post(link).status_code == 403
    carla = make_representative(full_name="Carla Ajena")
    for person in (cast.laura, cast.elsa, cast.beto, carla, make_agent(), make_superuser()):
        log_in(client, person)
        page = client.get(link)
        assert (page.status_code, client.post(link).status_code) == (403, 403)
        assert "Esta cuenta no puede confirmar la solicitud" in text_of(page)
        assert "222 555 0199" not in page.content.decode()
        with pytest.raises(operations.NotAllowed):
            operations.confirm_from_registered_email(formal.pk, actor=person, revision_no=formal.revision_no)
    assert fresh(formal).status == "submitted"
    client.logout()
    client.post(way_back, {"login": cast.ana.email, "password": PASSWORD})
    assert "¿Confirma esta solicitud?" in text_of(client.get(link))
    client.post(link)
    event = formal.events().filter(verb="request.confirmed").get()
    assert (event.actor, event.data["by_link"], event.data["revision"]) == (cast.ana, True, 1)


@pytest.mark.clause("M8")
def test_a_confirmation_of_an_older_version_or_too_late_explains_itself(client, ana, cast):
    formal = make(cast, "submitted")
    link = link_in_mail("contacto@ocaso.mx", "confirmar")
    with time_machine.travel(now() + timedelta(hours=48, seconds=1), tick=False):
        assert client.get(link).status_code == 410
        assert client.post(link).status_code == 410
    operations.submit(operations.reopen_draft(formal.pk, actor=cast.ana).pk, actor=cast.ana)
    page = client.get(link)
    assert page.status_code == 410
    assert "El enlace ya no sirve" in text_of(page)
    assert client.get("/solicitudes/confirmar/forjado/").status_code == 410


@pytest.mark.clause("M8")
def test_a_withdrawn_or_stopped_request_cannot_be_confirmed(client, ana, cast):
    formal = make(cast, "submitted")
    link = link_in_mail("contacto@ocaso.mx", "confirmar")
    operations.not_me(formal.pk)
    assert "La solicitud está detenida" in text_of(client.get(link))
    client.post(link)
    assert fresh(formal).status == "submitted"
    operations.withdraw(formal.pk, actor=cast.ana, reason="No fuimos nosotros")
    assert "Ya no se puede confirmar" in text_of(client.get(link))


@pytest.mark.clause("M8")
def test_not_me_by_link_stops_without_a_login(client, cast):
    formal = make(cast, "submitted", items={"registered_email": "nuevo@ocaso.mx"})
    link = link_in_mail("contacto@ocaso.mx", "no-fui-yo")
    assert "¿Ustedes no la pidieron?" in text_of(client.get(link))
    assert fresh(formal).suspended_at is None
    assert client.post(link).url == link
    assert fresh(formal).suspended_at is not None
    assert "La solicitud está detenida" in text_of(client.get(link))
    assert client.post(link).url == link
    operations.withdraw(formal.pk, actor=cast.laura, reason="Lo avisó la empresa")
    assert client.get("/solicitudes/no-fui-yo/x/").status_code == 410


@pytest.mark.clause("M8")
def test_not_me_after_the_fact_says_whom_to_call(client, cast):
    operations.withdraw(make(cast, "submitted").pk, actor=cast.ana, reason="Ya no hace falta")
    link = link_in_mail("contacto@ocaso.mx", "no-fui-yo")
    assert "Ya no hay qué detener" in text_of(client.get(link))


@pytest.mark.clause("M7")
def test_a_new_password_by_the_link_once_within_its_minutes(client, cast):
    log_in(client, cast.beto)
    assert client.get(reverse("accounts:home")).status_code == 200
    make(cast, "executed", form="access", kind="clave", person={"user": cast.beto.pk})
    assert client.get(reverse("accounts:home")).status_code == 302  # old sessions are anonymous
    link = link_in_mail("beto@ocaso.mx", "clave")
    page = Client().get(link)
    assert "beto@ocaso.mx" in text_of(page)
    assert "Elija una contraseña" in text_of(Client().post(link, {"password": "corta"}))
    with time_machine.travel(now() + timedelta(minutes=30), tick=False):
        assert Client().get(link).status_code == 410
    assert Client().post(link, {"password": "tormenta-de-julio-88"}).url == reverse("account_login")
    assert Client().get(link).status_code == 410
    assert Client().post(link, {"password": "otra-mas-larga-99"}).status_code == 410
    beto = User.objects.get(pk=cast.beto.pk)
    assert beto.check_password("tormenta-de-julio-88")
    assert not beto.check_password(PASSWORD)


@pytest.mark.clause("M7")
def test_an_alta_ends_in_an_account(client, cast):
    person = {"full_name": "Rosa Paz", "email": "rosa@ocaso.mx", "position": "Cajera", "phone": ""}
    make(cast, "executed", form="access", kind="alta", person=person)
    body = OutboxMessage.objects.filter(to="rosa@ocaso.mx").latest("pk").body
    link = re.search(r"/cuenta/invitacion/\S+/", body).group()
    answer = client.post(link, {"full_name": "Rosa Paz", "password": "tormenta-de-julio-88"})
    assert answer.url == reverse("accounts:home")
    assert User.objects.get(email="rosa@ocaso.mx").contact.customer == cast.ana.contact.customer


# -- A company whose service ended -------------------------------------------------------------------


@pytest.mark.clause("M19")
def test_the_portal_of_a_suspended_company_is_read_only_and_says_why(client, cast):
    ticket = make_ticket(requester=cast.ana)
    formal = make(cast, "executed", kind="baja", items={"status": "suspended"})
    log_in(client, User.objects.get(pk=cast.ana.pk))
    for page in (reverse("tickets:list"), f"/tickets/{ticket.number}/", "/solicitudes/", detail(formal)):
        assert client.get(page).status_code == 200
    told = text_of(client.get(f"/tickets/{ticket.number}/"))
    assert "está suspendido desde el" in told
    assert "Enviar respuesta" not in told
    for page in (
        reverse("tickets:new"),
        f"/tickets/{ticket.number}/confirmar/",
        "/solicitudes/cambio/nueva/",
        "/solicitudes/acceso/nueva/",
    ):
        answer = client.get(page)
        assert answer.status_code == 403
        assert "El portal es de solo lectura" in text_of(answer)
    assert client.post(f"/tickets/{ticket.number}/informacion/", {"body": "Hola"}).status_code == 403
    limit = {"person": "beto@ocaso.mx", "own_tickets_only": "1"}
    assert client.post(reverse("accounts:limit_person"), limit).status_code == 403
    assert client.get(reverse("accounts:people")).status_code == 200
    assert ticket.messages.count() == 1
