"""A filled form by mail is the same request as in the portal; a fault is answered and applies nothing (M7, M8, M20)."""

import json
from email.message import EmailMessage
from functools import partial
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from change_requests import operations
from change_requests.documents import form_draw, form_fields, form_read
from change_requests.documents.form_read import Fault
from change_requests.models import FormalRequest
from factureya.core.mail.intake import Outcome, Postponed
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.core.running.limited import NotRun
from factureya.testing import pdfs, request_histories
from factureya.testing.inbound_mails import AUTHSERV, became, deliver
from factureya.testing.people import Cast, make_customer, make_representative
from factureya.testing.races import race
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
ACCESS, CHANGE = form_fields.ACCESS, form_fields.CHANGE
Status = FormalRequest.Status
SUPPORT, DESK = "soporte@factureya.com", "mesadecontrol@factureya.com"
PDF = "application/pdf"


@pytest.fixture(autouse=True)
def _our_server(settings: Any) -> None:
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV


def answers(form: str, cast: Cast, **values: str) -> dict[str, str]:
    """The usual answers, of Ana's company."""
    return pdfs.ANSWERS[form] | {"rfc": cast.customer.rfc} | values


def letter(
    sender: User | str, *files: tuple[str, bytes], to: str = DESK, verdict: str = "pass", text: str = ""
) -> bytes:
    """A mail with files that our mail server vouches for."""
    address = sender if isinstance(sender, str) else sender.email
    message = EmailMessage()
    message["Authentication-Results"] = f"{AUTHSERV}; dmarc={verdict} header.from={address.rpartition('@')[2]}"
    message["From"], message["To"], message["Subject"] = address, to, f"Envío mi solicitud {text}"
    message["Message-ID"] = f"<{len(files)}.{InboundMessage.objects.count()}@cliente.example>"
    message.set_content(text or "Adjunto el formato.")
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message.as_bytes()


def answered(to: str) -> list[str]:
    """The kinds of the mails of ours about forms that went to an address."""
    mails = OutboxMessage.objects.filter(to=to, kind__startswith="change_requests/").order_by("pk")
    return [mail.kind.removeprefix("change_requests/") for mail in mails]


def only_request() -> FormalRequest:
    return FormalRequest.objects.get()


# -- Taken -------------------------------------------------------------------------------------------


@pytest.mark.clause("M8", "M20")
def test_a_form_that_the_machine_could_not_read_is_read_when_the_mail_comes_again(cast, monkeypatch):
    def fail(_content: bytes) -> None:
        raise NotRun("BlockingIOError")

    raw = letter(cast.ana, ("solicitud.pdf", pdfs.filled(CHANGE, answers(CHANGE, cast))))
    with monkeypatch.context() as patch:
        patch.setattr(form_read, "read_form", fail)
        with pytest.raises(Postponed):
            deliver(raw)
    assert not FormalRequest.objects.exists()
    assert answered(cast.ana.email) == []  # nobody is told that the form is too complex
    assert deliver(raw).disposition == "accept-request"


@pytest.mark.clause("M8", "M20")
def test_a_change_form_at_mesa_de_control_is_a_request_that_waits_for_its_confirmation(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    outcome = deliver(letter(cast.ana, ("solicitud.pdf", content)))

    request = only_request()
    assert (outcome.disposition, outcome.about, outcome.accepted) == ("accept-request", request.chain, (True,))
    assert (request.status, request.channel, request.requester) == (Status.SUBMITTED, "email", cast.ana)
    said = json.loads(request.revisions.get().payload)
    assert {item["field"]: item["new"] for item in said["items"]} == {
        "fiscal_address": " ".join(pdfs.ADDRESS.split()),
        "phone": "222 555 0178",
    }
    assert not Ticket.objects.exists()
    assert "confirm" in answered(cast.customer.registered_email)
    cast.customer.refresh_from_db()
    assert cast.customer.phone != "222 555 0178"  # nothing is applied by a mail


@pytest.mark.clause("M7")
@pytest.mark.parametrize("box", [SUPPORT, DESK])
def test_an_access_form_is_taken_at_both_mailboxes(cast, box):
    content = pdfs.filled(ACCESS, answers(ACCESS, cast))

    outcome = deliver(letter(cast.ana, ("control-de-acceso.pdf", content), to=box))

    assert outcome.disposition == "accept-request"
    assert (only_request().kind, only_request().status) == ("alta", Status.SUBMITTED)


@pytest.mark.clause("M7")
@pytest.mark.parametrize("kind", ["Baja", "Clave"])
def test_a_baja_and_a_clave_name_the_person_by_mail(cast, kind):
    colleague = cast.colleague(email="beto@ejemplo.mx")
    content = pdfs.filled(ACCESS, answers(ACCESS, cast, kind=f"/{kind}", person_email="Beto@ejemplo.mx"))

    deliver(letter(cast.ana, ("f.pdf", content)))

    assert (only_request().kind, only_request().status) == (kind.lower(), Status.SUBMITTED)
    assert only_request().draft["person"] == {"user": colleague.pk}


@pytest.mark.clause("M19")
def test_a_baja_of_the_service_by_mail(cast):
    content = pdfs.filled(CHANGE, {**answers(CHANGE, cast), "kind": "/Baja", "new_phone": "", "new_fiscal_address": ""})

    deliver(letter(cast.ana, ("f.pdf", content)))

    assert (only_request().kind, only_request().status) == ("baja", Status.SUBMITTED)


@pytest.mark.clause("M20")
def test_a_drafts_form_sends_that_draft_and_the_other_files_are_its_evidence(cast):
    draft = operations.create_draft(actor=cast.ana, customer=cast.customer, form=CHANGE, kind="change")
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(draft))
    content = pdfs.fill(
        blank, {"new_phone": "222 555 0178", "reason": "Cambió el número de la oficina.", "oath": "/Yes"}
    )
    proof = b"%PDF-1.4 recibo %%EOF"

    outcome = deliver(letter(cast.ana, ("recibo.pdf", proof), ("formato.pdf", content)))

    assert outcome.accepted == (True, True)
    assert only_request() == draft
    assert only_request().status == Status.SUBMITTED
    assert [file.attachment.name for file in draft.evidence.all()] == ["recibo.pdf"]


@pytest.mark.clause("M20")
def test_a_file_that_cannot_be_kept_is_told_and_the_request_is_taken(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    outcome = deliver(letter(cast.ana, ("formato.pdf", content), ("programa.exe", b"MZ")))

    assert outcome.accepted == (True, False)
    assert "form_left_out" in answered(cast.ana.email)


@pytest.mark.clause("M8")
def test_the_registered_mail_is_its_representatives_word(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    deliver(letter(cast.customer.registered_email, ("f.pdf", content)))

    assert only_request().requester == cast.ana


@pytest.mark.clause("M20")
def test_receive_email_says_the_folio(cast, monkeypatch, capsys):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))
    raw = letter(cast.ana, ("f.pdf", content))
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(raw)))

    call_command("receive_email", as_json=True)

    said = json.loads(capsys.readouterr().out)
    assert (said["disposition"], said["folio"], said["ticket"]) == ("accept-request", only_request().folio, None)


@pytest.mark.clause("M8", "M20", "M21")
def test_a_request_by_mail_lives_as_one_of_the_portal_and_ends_the_same(cast):
    answered_in_portal = {"fiscal_address": pdfs.ADDRESS, "phone": "222 555 0178"}
    reason = pdfs.CHANGE_ANSWERS["reason"]
    web = request_histories.make(cast, Status.SUBMITTED, items=answered_in_portal, reason=reason)
    by_web = json.loads(web.revisions.get().payload)
    operations.withdraw(web.pk, actor=cast.ana, reason="La envío por correo.")

    deliver(letter(cast.ana, ("f.pdf", pdfs.filled(CHANGE, answers(CHANGE, cast)))))
    mailed = FormalRequest.objects.get(channel="email")
    by_mail = json.loads(mailed.revisions.get().payload)
    for status in (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED, Status.CLOSED):
        mailed = request_histories.step(cast, mailed, status)

    assert by_mail == by_web | {"folio": mailed.folio}
    cast.customer.refresh_from_db()
    assert (cast.customer.phone, cast.customer.fiscal_address) == ("222 555 0178", " ".join(pdfs.ADDRESS.split()))


# -- Once --------------------------------------------------------------------------------------------


@pytest.mark.clause("M20")
def test_the_same_folio_by_web_and_then_by_mail_is_one_request_and_the_second_is_told(cast):
    request = request_histories.draft(cast)
    content = pdfs.fill(form_draw.render_form(CHANGE, form_draw.read_form_data(request)), {"oath": "/Yes"})
    operations.submit(request.pk, actor=cast.ana)

    outcome = deliver(letter(cast.ana, ("f.pdf", content)))

    assert (outcome.disposition, outcome.reason, outcome.about) == ("accept-request", "form-already", request.chain)
    assert request.revisions.count() == 1
    assert answered(cast.ana.email)[-1] == "form_already"
    assert "Ya recibida" in OutboxMessage.objects.latest("pk").subject


@pytest.mark.clause("M20")
def test_the_same_file_twice_is_one_request(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    first = deliver(letter(cast.ana, ("f.pdf", content)))
    second = deliver(letter(cast.ana, ("f.pdf", content), text="Otra vez"))

    assert first.about == second.about
    assert (second.reason, FormalRequest.objects.count()) == ("form-already", 1)


@pytest.mark.clause("M20")
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_same_folio_by_web_and_by_mail_at_once_is_one_request(cast, race_rounds):
    for _ in range(race_rounds):
        request = request_histories.draft(cast)
        content = pdfs.fill(form_draw.render_form(CHANGE, form_draw.read_form_data(request)), {"oath": "/Yes"})
        by_mail = partial(deliver, letter(cast.ana, ("f.pdf", content)))
        web, mail = race(partial(operations.submit, request.pk, actor=cast.ana), by_mail)
        assert isinstance(web, operations.Refused if mail.reason == "" else FormalRequest), web
        assert mail.reason in ("", "form-already")
        assert request.revisions.count() == 1
        request.refresh_from_db()
        operations.withdraw(request.pk, actor=cast.ana, reason="Para la vuelta siguiente.")


@pytest.mark.clause("M20")
def test_a_returned_request_is_sent_again_by_mail_as_a_new_version(cast):
    request = request_histories.make(cast, Status.RETURNED)
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(request))
    content = pdfs.fill(blank, {"new_phone": "222 555 0777", "oath": "/Yes"})

    deliver(letter(cast.ana, ("f.pdf", content)))

    request.refresh_from_db()
    assert (request.status, request.revision_no) == (Status.SUBMITTED, 2)


# -- Not taken: a ticket that a person reads, and an answer of its own -------------------------------


def refused(raw: bytes, fault: Fault, to: str) -> Outcome:
    """Deliver a mail whose form has this fault: nothing is applied, a person sees it, its sender is told."""
    outcome = deliver(raw)
    assert outcome.disposition == "accept-new"
    assert became(outcome).category == Ticket.Category.REQUESTS
    mail = OutboxMessage.objects.get(kind="change_requests/form_refused", to=to)
    assert fault.label in mail.body
    assert became(outcome).number in mail.body
    assert "/solicitudes/formatos/baja-o-cambio.pdf" in mail.body
    return outcome


@pytest.mark.once
@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (pdfs.with_javascript, Fault.JAVASCRIPT),
        (pdfs.with_launch, Fault.LAUNCH),
        (pdfs.with_file, Fault.EMBEDDED),
        (pdfs.with_pages, Fault.PAGES),
        (pdfs.with_password, Fault.ENCRYPTED),
        (pdfs.flattened, Fault.SCAN),
    ],
)
def test_a_hostile_or_scanned_form_applies_nothing_and_is_answered(cast, change, fault):
    content = pdfs.changed(pdfs.filled(CHANGE, answers(CHANGE, cast)), change)

    refused(letter(cast.ana, ("f.pdf", content)), fault, cast.ana.email)

    assert not FormalRequest.objects.exists()


@pytest.mark.once
@pytest.mark.clause("M7", "M20")
@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"version": "2019-01"}, Fault.OLD_VERSION),
        ({"folio": "SC-7K3M-9QX1", "seal": "0" * 24}, Fault.FORGED),
        ({"rfc": "XIA190128J61"}, Fault.RFC),
        ({"signer_email": "otra@otra.example"}, Fault.EMAIL),
        ({"effective_date": "pronto"}, Fault.INCOMPLETE),
    ],
)
def test_a_form_that_does_not_agree_applies_nothing_and_is_answered(cast, values, fault):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast, **values))

    refused(letter(cast.ana, ("f.pdf", content)), fault, cast.ana.email)

    assert not FormalRequest.objects.exists()


@pytest.mark.clause("M7", "M20")
def test_another_customers_folio_is_refused_and_his_draft_stays_as_it_was(cast):
    theirs = make_representative(email="carla@otra.example")
    draft = operations.create_draft(actor=theirs, customer=theirs.contact.customer, form=CHANGE, kind="change")
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(draft))
    content = pdfs.fill(blank, answers(CHANGE, cast))

    refused(letter(cast.ana, ("f.pdf", content)), Fault.OTHER_CUSTOMER, cast.ana.email)

    draft.refresh_from_db()
    assert (draft.status, draft.draft) == (Status.DRAFT, {})
    assert FormalRequest.objects.count() == 1


@pytest.mark.clause("M8")
def test_an_ordinary_contact_cannot_ask(cast):
    beto = cast.colleague(email="beto@ejemplo.mx")
    content = pdfs.filled(ACCESS, answers(ACCESS, cast))

    refused(letter(beto, ("f.pdf", content)), Fault.POWERS, beto.email)

    assert not FormalRequest.objects.exists()


@pytest.mark.clause("M8")
def test_a_person_who_is_not_of_the_company_is_named_in_the_answer(cast):
    content = pdfs.filled(ACCESS, answers(ACCESS, cast, kind="/Clave", person_email="nadie@ejemplo.mx"))

    refused(letter(cast.ana, ("f.pdf", content)), Fault.INCOMPLETE, cast.ana.email)

    body = OutboxMessage.objects.get(kind="change_requests/form_refused").body
    assert "- Correo de la persona: No hay una persona activa de su empresa con ese correo." in body


@pytest.mark.clause("M20")
def test_the_folio_of_another_kind_is_refused(cast):
    request = request_histories.draft(cast)
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(request))
    content = pdfs.fill(blank, {"kind": "/Baja", "oath": "/Yes"})

    refused(letter(cast.ana, ("f.pdf", content)), Fault.INCOMPLETE, cast.ana.email)

    request.refresh_from_db()
    assert (request.status, request.kind) == (Status.DRAFT, "change")


@pytest.mark.clause("M20")
def test_a_change_form_at_soporte_is_redirected(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    outcome = deliver(letter(cast.ana, ("f.pdf", content), to=SUPPORT))

    assert outcome.disposition == "accept-new"
    mail = OutboxMessage.objects.get(kind="change_requests/form_refused")
    assert Fault.WRONG_BOX.label in mail.body
    assert not FormalRequest.objects.exists()


@pytest.mark.clause("M7", "M20")
def test_a_mail_to_mesa_de_control_without_a_form_is_a_ticket_and_told_where_to_get_one(cast):
    outcome = deliver(letter(cast.ana, text="Quiero cambiar mi domicilio."))

    assert became(outcome).category == Ticket.Category.REQUESTS
    mail = OutboxMessage.objects.get(kind="change_requests/form_missing", to=cast.ana.email)
    assert "/solicitudes/formatos/control-de-acceso.pdf" in mail.body
    assert mail.headers["Auto-Submitted"] == "auto-replied"


@pytest.mark.once
@pytest.mark.clause("M6")
@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.4 una factura %%EOF",
        pdfs.changed(pdfs.filled(CHANGE), pdfs.foreign),
        form_draw.render_form(CHANGE)[:2000],
    ],
)
def test_any_other_pdf_at_soporte_is_a_tickets_file_and_nothing_else(cast, content):
    outcome = deliver(letter(cast.ana, ("factura.pdf", content), to=SUPPORT))

    assert outcome.disposition == "accept-new"
    assert answered(cast.ana.email) == []


@pytest.mark.once
@pytest.mark.clause("M7")
def test_a_scanned_access_form_at_soporte_is_known_by_its_name(cast):
    content = pdfs.changed(pdfs.filled(ACCESS), pdfs.flattened)

    deliver(letter(cast.ana, ("control-de-acceso.pdf", content), to=SUPPORT))

    assert answered(cast.ana.email) == ["form_refused"]


@pytest.mark.clause("M19")
def test_answers_that_cannot_be_sent_are_kept_as_a_draft_and_told_field_by_field(cast):
    content = pdfs.filled(
        CHANGE, answers(CHANGE, cast, reason="Porque sí", new_registered_email=cast.customer.registered_email)
    )

    outcome = deliver(letter(cast.ana, ("f.pdf", content)))

    assert (outcome.disposition, outcome.reason) == ("accept-request", "form-draft")
    assert only_request().status == Status.DRAFT
    mail = OutboxMessage.objects.get(kind="change_requests/form_held")
    assert only_request().folio in mail.subject
    assert "- Motivo: " in mail.body
    assert "- Correo registrado: " in mail.body


@pytest.mark.clause("M20")
def test_too_many_files_keep_the_answers_and_are_told(cast):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))
    proofs = [(f"recibo-{n}.pdf", b"%PDF-1.4 recibo %%EOF") for n in range(11)]

    outcome = deliver(letter(cast.ana, ("formato.pdf", content), *proofs))

    assert outcome.reason == "form-draft"
    assert only_request().draft["items"]["phone"] == "222 555 0178"
    assert "- Evidencia: " in OutboxMessage.objects.get(kind="change_requests/form_held").body


@pytest.mark.clause("M8")
def test_of_a_suspended_service_nothing_is_begun_and_a_person_reads_it(cast, monkeypatch):
    def suspended(**_values: Any) -> None:
        raise operations.NotAllowed("El servicio de la empresa está suspendido; escriba a mesa de control.")

    monkeypatch.setattr(operations, "create_draft", suspended)

    outcome = deliver(letter(cast.ana, ("f.pdf", pdfs.filled(CHANGE, answers(CHANGE, cast)))))

    assert (outcome.disposition, outcome.reason) == ("reject-malformed", "form-refused")
    assert "está suspendido" in OutboxMessage.objects.get(kind="change_requests/form_held").body


# -- Who ---------------------------------------------------------------------------------------------


@pytest.mark.clause("M5", "M8")
@pytest.mark.parametrize("verdict", ["fail", "none"])
def test_a_sender_whom_nobody_vouches_for_asks_for_nothing(cast, verdict):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    outcome = deliver(letter(cast.ana, ("f.pdf", content), verdict=verdict))

    assert outcome.disposition == "reject-unregistered"
    assert not FormalRequest.objects.exists()
    assert not OutboxMessage.objects.filter(kind__startswith="change_requests/").exists()


@pytest.mark.clause("M5")
@pytest.mark.parametrize("who", ["extraño@nadie.example", DESK])
def test_a_stranger_and_our_own_address_learn_nothing(cast, who):
    content = pdfs.filled(CHANGE, answers(CHANGE, cast))

    outcome = deliver(letter(who.replace("ñ", "n"), ("f.pdf", content)))

    assert outcome.disposition == "reject-unregistered"
    assert not OutboxMessage.objects.filter(kind__startswith="change_requests/").exists()


@pytest.mark.clause("M6")
def test_a_machine_asks_for_nothing(cast):
    raw = letter(cast.ana, ("f.pdf", pdfs.filled(CHANGE, answers(CHANGE, cast))))

    outcome = deliver(b"Auto-Submitted: auto-generated\r\n" + raw)

    assert outcome.disposition == "ignore-auto"
    assert not FormalRequest.objects.exists()


@pytest.mark.clause("M8")
def test_of_two_companies_with_one_address_the_form_says_which(cast):
    other = make_representative(
        make_customer(verified=False, registered_email=cast.customer.registered_email, rfc="XIA190128J61")
    )
    content = pdfs.filled(CHANGE, answers(CHANGE, cast, rfc="XIA190128J61"))

    deliver(letter(cast.customer.registered_email, ("f.pdf", content)))

    assert only_request().requester == other


@pytest.mark.clause("M6")
def test_a_sender_is_answered_so_often_an_hour(cast, settings):
    settings.MAIL_ANSWERS_PER_SENDER = 2
    for number in range(4):
        deliver(letter(cast.ana, text=f"Sin formato {number}"))

    assert answered(cast.ana.email) == ["form_missing"] * 2
