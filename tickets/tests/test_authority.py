"""What an authority asks for through the portal: form, notice, mails, mesa de control, guards (M2)."""

import re
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Office, User
from factureya.core.files import store
from factureya.core.models import Attachment, OutboxMessage
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from factureya.testing.pages import make_client, png, text_of
from factureya.testing.people import make_agent, make_auditor, make_staff
from factureya.testing.races import kinds, race
from factureya.testing.raw_sql import execute, insert, refused_by, update
from tickets.customer import views_authority
from tickets.models import AuthorityRequest
from tickets.operations.authority import close_request, receive_request

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M2")]
FORM, SENT = reverse("tickets:authority"), reverse("tickets:authority_sent")
LIST = reverse("admin:tickets_ticket_authority")
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
ANSWERS = {
    "unit": "Administración Desconcentrada de Auditoría Fiscal de Puebla",
    "official": "Lic. Marta Ríos",
    "position": "Subadministradora",
    "email": "Marta.Rios@sat.gob.mx",
    "document_number": "500-46-2026-1234",
    "taxpayer_rfc": "poc-930314-qx7",
    "body": "Los comprobantes emitidos de enero a marzo de 2026.",
}
DONE = "Se verificó por teléfono con la unidad y se entregó por escrito."


@pytest.fixture(autouse=True)
def _store(tmp_path, settings) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def laura() -> User:
    return make_staff(Office.SUPERVISOR, full_name="Laura Mesa")


def oficio(name: str = "oficio.pdf", content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "application/pdf")


def send(client: Client, **changed: Any) -> Any:
    key = re.search(r'name="form_key" value="([^"]+)"', client.get(FORM).content.decode())
    assert key
    return client.post(FORM, {**ANSWERS, "form_key": key[1], "document": oficio(), **changed})


def test_a_request_gets_its_folio_a_receipt_and_a_notice_to_mesa_de_control(client, laura):
    answer = send(client)
    assert answer.url == SENT
    request = AuthorityRequest.objects.get()
    assert re.fullmatch(r"RA-\w{4}-\w{4}", request.folio)
    assert (request.email, request.taxpayer_rfc) == ("marta.rios@sat.gob.mx", "POC930314QX7")
    assert request.folio in text_of(client.get(SENT))
    assert Attachment.objects.get().draft == ""
    event = request.events().get()
    assert (event.verb, event.actor, event.data["sha256"]) == ("authority.received", None, request.document.sha256)
    mails = {mail.kind: mail for mail in OutboxMessage.objects.all()}
    assert mails["authority/received"].to == "marta.rios@sat.gob.mx"
    assert mails["authority/arrived"].to == laura.email
    for mail in mails.values():
        assert mail.subject.startswith(request.folio)
        assert mail.body.startswith("Qué sigue: ")
        assert "POC930314QX7" not in mail.body  # of the taxpayer nothing leaves
    path = re.search(r"http://testserver(/admin/\S+)", mails["authority/arrived"].body)
    assert path
    assert make_client(laura).get(path[1]).status_code == 200


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"unit": ""}, "Escriba la unidad administrativa."),
        ({"official": "x" * 151}, "Son hasta 150 caracteres y escribió 151."),
        ({"email": "marta@gmail.com"}, "termina en gob.mx"),
        ({"email": "marta@fakegob.mx"}, "termina en gob.mx"),
        ({"email": "marta"}, "Escriba el correo completo"),
        ({"taxpayer_rfc": "POC93"}, "El RFC tiene 12"),
        ({"body": ""}, "Escriba qué información requiere."),
        ({"body": "x" * 4001}, "Son hasta 4000 caracteres"),
        ({"document": ""}, "Adjunte el oficio en PDF."),
        ({"document": oficio("oficio.exe")}, "El oficio debe ser un PDF."),
        ({"document": oficio(content=png().read())}, "El oficio debe ser un PDF."),
        ({"document": oficio(content=b"MZ no es un PDF")}, "oficio.pdf"),
        ({"form_key": "forged"}, "perdió su validez"),
    ],
)
def test_what_is_missing_is_told_and_what_was_typed_is_kept(client, changed, says):
    page = send(client, **changed)
    assert says in text_of(page)
    assert "500-46-2026-1234" in page.content.decode()
    assert not AuthorityRequest.objects.exists()
    assert client.get(SENT).url == FORM


def test_a_double_click_makes_one_request(client, laura):
    page = client.get(FORM).content.decode()
    key = re.search(r'name="form_key" value="([^"]+)"', page)
    assert key
    for _ in range(2):
        assert client.post(FORM, {**ANSWERS, "form_key": key[1], "document": oficio()}).status_code == 302
    assert AuthorityRequest.objects.count() == 1
    assert OutboxMessage.objects.count() == 2


def test_too_many_requests_of_one_address_are_told_to_wait(client, monkeypatch):
    monkeypatch.setattr(views_authority, "PER_ADDRESS", 1)
    assert send(client, unit="").status_code == 200  # what is not complete does not count
    assert send(client).status_code == 302
    late = send(client)
    assert late.status_code == 429
    assert "Llegaron demasiados requerimientos" in text_of(late)
    assert ANSWERS["body"] in late.content.decode()  # nothing that was typed is lost
    assert AuthorityRequest.objects.count() == 1


def test_the_addresses_of_one_ipv6_network_count_as_one(monkeypatch):
    monkeypatch.setattr(views_authority, "PER_ADDRESS", 1)
    codes = [send(Client(REMOTE_ADDR=ip)).status_code for ip in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")]
    assert codes == [302, 429, 302]


def test_a_picture_with_the_name_of_a_pdf_is_not_kept(client):
    send(client, document=oficio(content=png().read()))
    assert not Attachment.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_same_form_at_the_same_instant_makes_one_request(rounds):
    for number in rounds:
        papers = [store.store(oficio(), draft=f"key{number}") for _ in range(3)]
        results = race(*[partial(receive, paper, f"key{number}") for paper in papers])
        assert kinds(results) == {"ok": 3}
        assert len({request.pk for request in results}) == 1
        assert results[0].events().count() == 1


def receive(document: Attachment, key: str) -> AuthorityRequest:
    """Receive a request with this document by the form with this key."""
    return receive_request(document=document, form_key=key, **{**ANSWERS, "taxpayer_rfc": "POC930314QX7"})


def test_a_supervisor_reads_it_and_says_how_it_was_answered(client, laura):
    send(client)
    request = AuthorityRequest.objects.get()
    address = reverse("admin:tickets_ticket_authority_request", args=[request.pk])
    mesa = make_client(laura)
    assert request.folio in text_of(mesa.get(LIST))
    page = text_of(mesa.get(address))
    assert "Verifique antes de entregar." in page
    assert ANSWERS["body"] in page
    file = mesa.get(reverse("admin:tickets_ticket_authority_document", args=[request.pk]))
    assert b"".join(file) == PDF
    assert "attachment" in file["Content-Disposition"]
    for text, says in (("", "Escriba qué se hizo."), ("corto", "de 10 a 1,000 caracteres"), ("x" * 1001, "o menos")):
        assert says in text_of(mesa.post(address, {"outcome": text, "resultado": "no-procede"}))
    assert "Elija si se respondió o si no procede." in text_of(mesa.post(address, {"outcome": DONE}))
    assert AuthorityRequest.objects.get().is_open
    done = mesa.post(address, {"outcome": DONE, "resultado": "respondido"}, follow=True)
    assert "Recibió un requerimiento de la autoridad" in text_of(done)
    assert DONE in text_of(done)
    request.refresh_from_db()
    assert (request.status, request.closed_by) == ("answered", laura)
    assert request.events().last().verb == "authority.closed"
    assert "Ya se atendió" in text_of(mesa.post(address, {"outcome": DONE, "resultado": "respondido"}))
    assert request.folio not in text_of(mesa.get(LIST))
    assert request.folio in text_of(mesa.get(f"{LIST}?ver=todos"))


@pytest.mark.clause("M3", "M26")
def test_nobody_else_reads_or_answers_it(client, laura):
    send(client)
    request = AuthorityRequest.objects.get()
    address = reverse("admin:tickets_ticket_authority_request", args=[request.pk])
    agent, olga = make_agent(), make_auditor()
    assert make_client(agent).get(address).status_code == 403
    assert make_client(olga).get(address).status_code == 200
    assert make_client(olga).post(address, {"outcome": DONE}).status_code == 403
    with pytest.raises(NotAllowed):
        close_request(request.pk, actor=agent, is_answered=True, outcome=DONE)
    with pytest.raises(Invalid):
        close_request(request.pk, actor=laura, is_answered=True, outcome=" ")
    assert close_request(request.pk, actor=laura, is_answered=False, outcome=DONE).status == "refused"
    with pytest.raises(WrongStatus):
        close_request(request.pk, actor=laura, is_answered=True, outcome=DONE)


@pytest.mark.clause("M26")
def test_raw_sql_changes_no_request(client, laura):
    send(client)
    request = AuthorityRequest.objects.get()
    closed = {"status": "answered", "outcome": DONE, "closed_by_id": laura.pk, "closed_at": request.received_at}
    for columns, name in (
        ({"body": "Otra cosa"}, "authority_request_stays_as_sent"),
        (closed, "authority_request_is_closed_with_its_event"),
        ({"status": "answered"}, "authority_request_says_what_was_done|authority_request_is_closed_with_its_event"),
    ):
        with refused_by(name):
            update(request, **columns)
    other = store.store(oficio(), draft="otra")
    with refused_by("authority_request_is_received_first"):
        insert(request, folio="RA-OTRO", form_key="otra", document_id=other.pk, **closed)
    with refused_by("tickets_authorityrequest_no_delete"):
        execute("DELETE FROM tickets_authorityrequest")
    close_request(request.pk, actor=laura, is_answered=True, outcome=DONE)
    with refused_by("authority_request_is_closed_with_its_event|authority_request_says_what_was_done"):
        update(request, status="received", outcome="", closed_by_id=None, closed_at=None)


def test_the_portal_of_the_sat_leads_to_the_form(client):
    assert FORM in client.get(reverse("portal:sat")).content.decode()
