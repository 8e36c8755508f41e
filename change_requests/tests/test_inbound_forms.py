"""Every form of a mail is a request of its own, and the words beside it reach mesa de control (M6, M7, M20)."""

import hashlib
import json
from datetime import UTC
from io import BytesIO, TextIOWrapper

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from accounts.models import Customer, User
from change_requests import operations
from change_requests.documents import form_draw
from change_requests.models import Evidence, FormalRequest, MailText, MailTextFile, ReceivedForm
from change_requests.record import state_checks
from change_requests.tests.control.test_control_pages import look
from change_requests.tests.test_inbound import ACCESS, CHANGE, answers, letter
from factureya.core import clock, guard_install
from factureya.core.files import from_mail, store
from factureya.core.models import OutboxMessage
from factureya.testing import pdfs, request_histories
from factureya.testing.inbound_mails import AUTHSERV, deliver
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import Cast, make_contact, make_customer, make_superuser, represent
from factureya.testing.raw_sql import execute, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6", "M7", "M20")]
Status = FormalRequest.Status
WORDS = (
    "Buen día, adjunto dos solicitudes: Jimena y Rodrigo. Además, desde ayer no nos deja timbrar en la serie B "
    "(error CFDI40147); ¿nos ayudan con eso?"
)
PROOF = b"%PDF-1.4 recibo %%EOF"


@pytest.fixture(autouse=True)
def _our_server(settings, tmp_path):
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV
    settings.MEDIA_ROOT = tmp_path


def alta(cast: Cast, name: str, **values: str) -> tuple[str, bytes]:
    said = {"person_full_name": name, "person_email": f"{name.lower()}@ocaso.example", **values}
    return f"control-de-acceso {name}.pdf", pdfs.filled(ACCESS, answers(ACCESS, cast, **said))


def by_mail(name: str) -> FormalRequest:
    return FormalRequest.objects.get(draft__person__email=f"{name.lower()}@ocaso.example")


def mails(verb: str) -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(kind=f"change_requests/{verb}").order_by("pk"))


def mail_events(request: FormalRequest) -> list[dict[str, object]]:
    return [event.data for event in request.events().filter(verb="request.mail_kept")]


# -- Case 4: two forms are two requests ---------------------------------------------------------------


def test_r4_two_forms_in_a_mail_are_two_requests(cast, monkeypatch, capsys):
    raw = letter(cast.ana, alta(cast, "Jimena"), alta(cast, "Rodrigo"), text=WORDS)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(raw)))

    call_command("receive_email", as_json=True)

    jimena, rodrigo = by_mail("Jimena"), by_mail("Rodrigo")
    said = json.loads(capsys.readouterr().out)
    assert (said["disposition"], said["folio"]) == ("accept-request", jimena.folio)
    assert {jimena.status, rodrigo.status} == {Status.SUBMITTED}
    assert not Evidence.objects.exists()
    assert [one["beside"] for one in mail_events(jimena)] == [[rodrigo.folio]]
    assert [one["beside"] for one in mail_events(rodrigo)] == [[jimena.folio]]
    assert len(mails("confirm")) == 2


def test_r4_the_same_forms_in_another_mail_are_already_received(cast):
    forms = [alta(cast, "Jimena"), alta(cast, "Rodrigo")]
    first = deliver(letter(cast.ana, *forms))
    again = deliver(letter(cast.ana, *forms, text="Otra vez"))
    assert (first.reason, again.reason) == ("", "form-already")
    assert again.about == first.about
    assert again.accepted == (False, False)
    assert FormalRequest.objects.count() == 2
    assert len(mails("form_already")) == 2


def test_r4_an_alta_and_a_baja_in_one_mail(cast):
    cast.colleague(email="beto@ejemplo.mx")
    baja = pdfs.filled(ACCESS, answers(ACCESS, cast, kind="/Baja", person_email="beto@ejemplo.mx"))
    outcome = deliver(letter(cast.ana, alta(cast, "Jimena"), ("otra.pdf", baja)))
    assert outcome.accepted == (True, True)
    assert set(FormalRequest.objects.values_list("kind", "status")) == {("alta", "submitted"), ("baja", "submitted")}


@pytest.mark.parametrize("order", [1, -1])
def test_r4_a_faulty_form_beside_a_good_one_is_answered_by_its_name(cast, order):
    files = [alta(cast, "Jimena"), alta(cast, "Rodrigo", rfc="POC930314QX7")][::order]
    outcome = deliver(letter(cast.ana, *files, ("recibo.pdf", PROOF)))
    request = FormalRequest.objects.get()
    assert outcome.about == request.chain
    assert outcome.accepted == (*("Jimena" in name for name, _ in files), True)
    (answer,) = mails("form_refused")
    assert "«control-de-acceso Rodrigo.pdf»" in answer.body
    assert not Evidence.objects.exists()  # of whom the receipt is nobody knows


def test_r4_one_that_cannot_be_sent_is_a_draft_beside_one_that_is(cast):
    outcome = deliver(letter(cast.ana, alta(cast, "Jimena", reason="No"), alta(cast, "Rodrigo")))
    assert (by_mail("Jimena").status, by_mail("Rodrigo").status) == (Status.DRAFT, Status.SUBMITTED)
    assert outcome.reason == ""
    assert "«control-de-acceso Jimena.pdf»" in mails("form_held")[0].body


def test_r4_files_beside_several_forms_are_nobodys_evidence_and_mesa_reads_them(cast):
    raw = letter(cast.ana, ("acta.pdf", PROOF), alta(cast, "Jimena"), alta(cast, "Rodrigo"), text=WORDS)
    assert deliver(raw).accepted == (True, True, True)
    assert not Evidence.objects.exists()
    (answer,) = mails("form_left_out")
    for words in ("- acta.pdf", by_mail("Jimena").folio, by_mail("Rodrigo").folio, "mesa de control"):
        assert words in answer.body
    for request in (by_mail("Jimena"), by_mail("Rodrigo")):
        kept = MailTextFile.objects.get(text__request=request).attachment
        assert kept.draft == ""
        page = look(cast.laura, request)
        assert "acta.pdf" in text_of(page)
        url = f"/control/{request.folio}/archivos/{kept.token}/"
        assert url in page.content.decode()
        answer = make_client(cast.laura).get(url)
        assert b"".join(answer.streaming_content) == PROOF
    assert store.purge_orphans() == 0


def test_r4_a_file_named_with_a_drafts_folio_goes_there(cast):
    begin = {"actor": cast.ana, "customer": cast.customer, "form": CHANGE, "kind": "change"}
    draft = operations.create_draft(**begin)
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(draft))
    reason = "Cambió el número de la oficina."
    change = pdfs.fill(blank, {"new_phone": "222 555 0178", "reason": reason, "oath": "/Yes"})
    files = [(f"recibo {draft.folio}.pdf", PROOF), ("otro.pdf", PROOF + b" ")]

    deliver(letter(cast.ana, ("f.pdf", change), alta(cast, "Jimena"), *files))

    assert [e.attachment.name for e in draft.evidence.all()] == [files[0][0]]
    assert not Evidence.objects.exclude(request=draft).exists()
    names = MailTextFile.objects.values_list("attachment__name", flat=True)
    assert set(names) == {"otro.pdf"}


def test_r4_forms_beyond_the_fourth_are_named_to_the_sender(cast):
    names = ("Ana", "Berta", "Celia", "Dora", "Eva")
    forms = [("formato.pdf", alta(cast, name)[1]) for name in names[:4]]
    deliver(letter(cast.ana, *forms, alta(cast, "Eva")))
    assert FormalRequest.objects.count() == 4
    (answer,) = mails("form_left_out")
    assert "por" in answer.body
    assert "mándelos en otro" in answer.body
    assert not Evidence.objects.exists()


def test_r4_receipts_with_fields_hidden_from_outside_are_never_evidence_unread(cast):
    packed = PROOF.replace(b"recibo", b"recibo /Type /ObjStm")
    files = [(f"{n}.pdf", packed) for n in range(5)]
    deliver(letter(cast.ana, alta(cast, "Jimena"), *files))
    assert Evidence.objects.count() <= 3
    assert "No los leímos" in mails("form_left_out")[0].body


# -- Case 5: the words beside a form ------------------------------------------------------------------


def test_r5_the_words_reach_mesa_de_control_and_the_customer(cast):
    deliver(letter(cast.ana, alta(cast, "Jimena"), text=WORDS))
    request = by_mail("Jimena")
    kept = MailText.objects.get(request=request)
    assert (kept.body, kept.author) == (WORDS, cast.ana)
    assert "CFDI40147" in text_of(look(cast.laura, request))
    assert "CFDI40147" in text_of(make_client(cast.ana).get(f"/solicitudes/{request.folio}/"))
    operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)
    turn = OutboxMessage.objects.get(kind="change_requests/your_turn", to=cast.laura.email)
    assert "dice algo más que el formato" in turn.body
    assert "CFDI40147" not in turn.body
    request.refresh_from_db()
    operations.verify(request.pk, actor=cast.laura)
    assert "dice algo más" not in mails("your_turn")[-1].body


def test_r5_the_words_of_a_form_that_stays_a_draft_are_read_too(cast):
    outcome = deliver(letter(cast.ana, alta(cast, "Jimena", reason="No"), text=WORDS))
    request = by_mail("Jimena")
    assert outcome.reason == "form-draft"
    (told,) = mails("mail_kept")
    assert told.to == cast.laura.email
    assert "CFDI40147" in text_of(look(cast.laura, request))
    assert "CFDI40147" in text_of(make_client(cast.ana).get(f"/solicitudes/{request.folio}/"))
    silent = operations.create_draft(actor=cast.ana, customer=cast.customer, form=CHANGE, kind="change")
    assert look(cast.laura, silent).status_code == 404  # a draft without words is the customer's


def test_r5_words_and_files_of_a_form_that_came_before_are_kept_and_named(cast):
    form = alta(cast, "Jimena")
    deliver(letter(cast.ana, form))
    outcome = deliver(letter(cast.ana, form, ("acta.pdf", PROOF), ("malo.exe", b"MZ"), text=WORDS))
    request = by_mail("Jimena")
    assert outcome.reason == "form-already"
    assert outcome.accepted == (False, True, False)
    assert "CFDI40147" in text_of(look(cast.laura, request))
    assert "acta.pdf" in text_of(look(cast.laura, request))
    assert not Evidence.objects.exists()
    (answer,) = mails("form_left_out")
    assert "- acta.pdf" in answer.body
    assert "malo.exe" in answer.body


def test_r5_files_that_a_draft_could_not_take_are_kept_with_the_words(cast):
    proofs = [(f"recibo-{n}.pdf", PROOF) for n in range(11)]
    deliver(letter(cast.ana, alta(cast, "Jimena"), *proofs, text=WORDS))
    assert not Evidence.objects.exists()
    assert MailTextFile.objects.count() == 11
    assert "recibo-10.pdf" in mails("form_left_out")[0].body


def test_r5_the_words_are_in_the_chain_and_never_change(cast):
    deliver(letter(cast.ana, alta(cast, "Jimena"), ("acta.pdf", PROOF), alta(cast, "Rodrigo")))
    kept, file = MailText.objects.first(), MailTextFile.objects.first()
    with refused_by("change_requests_mailtext_no_update"):
        update(kept, body="Otra cosa")
    with refused_by("change_requests_mailtextfile_no_update"):
        update(file, sha256="0" * 64)
    for table in ("mailtextfile", "mailtext"):
        with refused_by(f"change_requests_{table}_no_delete"):
            execute(f"DELETE FROM change_requests_{table}")
    with refused_by("mail_file_is_its_file"):
        other = MailText.objects.last()
        MailTextFile.objects.create(text=other, attachment=file.attachment, sha256="0" * 64)


def test_r5_somebody_without_powers_keeps_no_words(cast):
    request = request_histories.make(cast, Status.SUBMITTED)
    with pytest.raises(operations.NotAllowed):
        operations.keep_mail_text(request.pk, actor=cast.colleague(), body=WORDS)
    assert not MailText.objects.exists()


# -- Of whom a form is -------------------------------------------------------------------------------


def company_of(*names: str, **columns: str) -> list[User]:
    """The representatives of another verified company."""
    customer = make_customer(verified=False, **columns)
    people = [make_contact(customer, representative=True, full_name=name) for name in names]
    for person in people:
        represent(customer, person)
    verified = {"verified_at": clock.now(), "verified_by": make_superuser()}
    Customer.objects.filter(pk=customer.pk).update(**verified)
    return list(User.objects.select_related("contact__customer").filter(contact__customer=customer).order_by("pk"))


def change_form(draft: FormalRequest, phone: str) -> bytes:
    blank = form_draw.render_form(CHANGE, form_draw.read_form_data(draft))
    return pdfs.fill(blank, {"new_phone": phone, "reason": "Cambió el número de la oficina.", "oath": "/Yes"})


def test_r5_words_about_two_companies_are_read_by_mesa_de_control_alone(cast):
    (otto,) = company_of("Otto Otra", registered_email=cast.customer.registered_email)
    theirs = answers(ACCESS, Cast(ana=otto), person_full_name="Nora", person_email="nora@otra.example")
    box = User(email=cast.customer.registered_email)
    files = (alta(cast, "Jimena"), ("control-de-acceso Nora.pdf", pdfs.filled(ACCESS, theirs)))

    deliver(letter(box, *files, text=WORDS))

    ours, other = by_mail("Jimena"), FormalRequest.objects.get(requester=otto)
    for request, person in ((ours, cast.ana), (other, otto)):
        page = text_of(make_client(person).get(f"/solicitudes/{request.folio}/"))
        assert "CFDI40147" not in page
        assert "CFDI40147" in text_of(look(cast.laura, request))


def test_r4_a_colleagues_form_with_my_folio_is_a_request_of_his(cast):
    ana, beto = company_of("Ana Dos", "Beto Dos")
    begin = {"actor": ana, "customer": ana.contact.customer, "form": CHANGE, "kind": "change"}
    draft = operations.create_draft(**begin)

    deliver(letter(beto, ("f.pdf", change_form(draft, "222 555 0178")), text=WORDS))

    his = FormalRequest.objects.get(requester=beto)
    assert his.status == Status.SUBMITTED
    assert MailText.objects.get().request == his
    draft.refresh_from_db()
    assert (draft.status, draft.draft.get("items")) == (Status.DRAFT, None)


def test_r4_another_form_with_the_same_folio_is_not_called_received(cast):
    begin = {"actor": cast.ana, "customer": cast.customer, "form": CHANGE, "kind": "change"}
    draft = operations.create_draft(**begin)
    phones = ("222 555 0178", "222 555 0190")

    deliver(letter(cast.ana, *((f"{n}.pdf", change_form(draft, phone)) for n, phone in enumerate(phones))))

    first, second = FormalRequest.objects.order_by("pk")
    assert (first, first.status, second.status) == (draft, Status.SUBMITTED, Status.DRAFT)
    assert second.draft["items"] == {"phone": phones[1]}
    assert not mails("form_already")
    assert first.folio in mails("form_held")[0].body


# -- The form and its mail are kept ------------------------------------------------------------------


@pytest.mark.clause("M26")
def test_h10_the_form_and_its_mail_are_kept_and_told(cast):
    name, content = alta(cast, "Jimena")
    deliver(letter(cast.ana, (name, content)))
    request = by_mail("Jimena")
    form = ReceivedForm.objects.select_related("attachment", "inbound").get(request=request)
    inbound = form.inbound
    sha256 = hashlib.sha256(content).hexdigest()
    assert (form.name, form.sha256, form.size) == (name, sha256, len(content))
    assert (form.attachment.sha256, form.attachment.draft) == (sha256, "")
    assert (form.sender, form.message_id, form.verdict) == (cast.ana.email, inbound.message_id, "pass")
    assert form.mail_sha256 == hashlib.sha256(inbound.raw).hexdigest()
    told = {
        "from": form.sender,
        "message_id": form.message_id,
        "date": form.sent_at and form.sent_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "verdict": "pass",
        "sha256": form.mail_sha256,
    }
    for verb in ("request.form_received", "request.submitted"):
        event = request.events().get(verb=verb)
        assert event.data["form"] == {"name": name, "sha256": sha256, "bytes": len(content)}
        assert event.data["mail"] == told
        assert (event.data["auth"]["method"], event.data["auth"]["at"]) == ("mail", inbound.received_at.isoformat())
    assert not Evidence.objects.exists()
    assert not list(state_checks.find_flaws())


@pytest.mark.clause("M26")
def test_h10_mesa_de_control_reads_and_downloads_the_form(cast):
    name, content = alta(cast, "Jimena")
    deliver(letter(cast.ana, (name, content)))
    request = by_mail("Jimena")
    form = request.received_forms.get()
    page = look(cast.laura, request)
    text = text_of(page)
    for words in (
        "El formato, como llegó",
        "Comprobado por nuestro servidor",
        form.sha256,
        form.mail_sha256,
        form.sender,
    ):
        assert words in text
    address = reverse("control:evidence", args=[request.folio, form.attachment.token])
    assert address in page.content.decode()
    download = make_client(cast.laura).get(address)
    assert b"".join(download.streaming_content) == content


@pytest.mark.clause("M26")
def test_h10_a_form_beyond_the_limits_stays_in_its_mail(cast, monkeypatch):
    from_mail_files = from_mail.store_files

    def store_none(files, **options):
        return (
            from_mail.Kept()
            if [file for file in files if file.name.startswith("control")]
            else from_mail_files(files, **options)
        )

    monkeypatch.setattr(from_mail, "store_files", store_none)
    deliver(letter(cast.ana, alta(cast, "Jimena")))
    form = by_mail("Jimena").received_forms.get()
    assert form.attachment is None
    assert "está en el correo original" in text_of(look(cast.laura, form.request))
    form.verdict = "fail"
    assert form.verdict_label == "La comprobación falló"


@pytest.mark.clause("M26")
def test_h10_a_request_sent_in_the_portal_names_no_form_of_an_earlier_mail(cast):
    deliver(letter(cast.ana, alta(cast, "Jimena")))
    request = by_mail("Jimena")
    operations.return_to_requester(request.pk, actor=cast.laura, reason="Falta el puesto de la persona.")
    operations.submit(request.pk, actor=cast.ana)
    data = request.events().filter(verb="request.submitted").latest("seq").data
    assert (data["channel"], data["form"], data["mail"]) == ("portal", None, None)


@pytest.mark.clause("M26")
def test_h10_a_received_form_that_is_changed_or_gone_is_named(cast):
    deliver(letter(cast.ana, alta(cast, "Jimena")))
    form = by_mail("Jimena").received_forms.get()
    guard_install.lift(connection)
    update(form, mail_sha256="0" * 64)
    assert [flaw.problem.partition(": ")[2] for flaw in state_checks.find_flaws()] == [
        f"el formato recibido «{form.name}» es otro"
    ]
    execute("DELETE FROM change_requests_receivedform")
    assert "no hay un formato recibido" in next(state_checks.find_flaws()).problem
