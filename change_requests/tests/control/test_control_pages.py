"""The officers' pages over HTTP: who sees what, acts with reason, password and the hash that was seen (M21)."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Office, User
from change_requests import operations
from change_requests.models import Decision, FormalRequest
from factureya.core.files import store
from factureya.testing.pages import text_of
from factureya.testing.people import PASSWORD, make_agent, make_staff, make_superuser
from factureya.testing.request_histories import WHY, draft, make, seen

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M21")]
Status = FormalRequest.Status
SHORT = "Muy corta"


def browser(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def look(person: User, request: FormalRequest, name: str = "request") -> Any:
    return browser(person).get(reverse(f"control:{name}", args=[request.folio]))


def act(person: User, request: FormalRequest, name: str, client: Any = None, **data: Any) -> Any:
    """The form as the page sends it: with the hash that is current, and the password."""
    sent = {"seen_hash": seen(request), "password": PASSWORD, **data}
    address = reverse(f"control:{name}", args=[request.folio])
    return (client or browser(person)).post(address, {k: v for k, v in sent.items() if v is not None})


def status_of(request: FormalRequest) -> str:
    request.refresh_from_db()
    return request.status


# -- What is seen ------------------------------------------------------------------------------------


def test_the_approval_page_says_what_changes_why_and_who_decides(cast):
    request = make(cast, Status.IN_APPROVAL)
    page = look(cast.fabian, request)
    text = text_of(page)
    for words in (
        "Falta su aprobación",
        "Cambio de domicilio fiscal y teléfono",
        "Calle Nueva 5",
        "222 555 0199",
        "Cambiamos de oficinas",
        "la solicita Ana Robles, representante legal",
        "No adjuntó evidencia",
        "Confirmada desde el correo registrado",
        "Los datos de hoy siguen siendo",
        "Usted · pendiente",
        "Verificó Laura Mesa",
        "Su decisión",
        "Cambios en 12 meses Ninguno",
        seen(request),
    ):
        assert words in text
    assert page.status_code == 200
    assert "Quién implementa" not in text  # the security officer's, with the last approval


def test_who_has_no_say_reads_whose_turn_it_is(cast):
    request = make(cast, Status.IN_APPROVAL)
    page = text_of(look(cast.laura, request))
    assert "Está en aprobación" in page
    assert "Registrar mi decisión" not in page
    head = make_staff(Office.IT_HEAD)
    assert "Está en aprobación" in text_of(look(head, request))


@pytest.mark.parametrize(
    "status",
    [
        Status.SUBMITTED,
        Status.VERIFYING,
        Status.IN_APPROVAL,
        Status.APPROVED,
        Status.EXECUTED,
        Status.CLOSED,
        Status.RETURNED,
        Status.REJECTED,
    ],
)
@pytest.mark.parametrize(
    ("form", "kind"),
    [("change", "change"), ("change", "baja"), ("access", "alta"), ("access", "baja"), ("access", "clave")],
)
def test_every_state_of_every_kind_has_its_page(cast, status, form, kind):
    request = make(cast, status, form, kind)
    for person in (cast.laura, cast.elsa, cast.fabian):
        assert look(person, request).status_code == 200
        assert look(person, request, "expediente").status_code == 200
    assert browser(cast.elsa).get(reverse("control:inbox") + "?vista=en-curso").status_code == 200


@pytest.mark.clause("M3")
def test_nobody_else_sees_a_request(cast):
    request = make(cast, Status.APPROVED)
    third = make_staff(Office.THIRD_PARTY_AGENT)
    for person in (third, make_agent(), make_staff(Office.DEVELOPER), make_superuser(), cast.ana):
        for page in ("request", "expediente", "expediente_zip"):
            assert look(person, request, page).status_code == 404
        assert act(person, request, "decide", decision="approve", reason=WHY).status_code == 404
    assert Client().get(reverse("control:request", args=[request.folio])).status_code == 302
    assert look(make_staff(Office.IMPLEMENTER), request).status_code == 404  # another's work
    assert look(cast.gina, request).status_code == 200


def test_a_draft_is_the_customers_alone(cast):
    assert look(cast.elsa, draft(cast)).status_code == 404


def test_a_folio_typed_otherwise_leads_to_its_page(cast):
    request = make(cast, Status.SUBMITTED)
    client = browser(cast.elsa)
    typed = request.folio.lower().replace("-", " ")
    assert client.get(f"/control/{typed}/").headers["Location"] == f"/control/{request.folio}/"
    assert client.get("/control/SC-0000-0001/").status_code == 404
    assert client.get("/control/cualquiera/").status_code == 404


@pytest.mark.clause("M17")
def test_evidence_leaves_as_an_attachment_and_only_with_its_request(cast, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    file = store.store(SimpleUploadedFile("constancia.txt", b"constancia"), draft="d")
    request = operations.add_evidence(draft(cast).pk, actor=cast.ana, files=[file])
    operations.submit(request.pk, actor=cast.ana)
    other = make(cast, Status.SUBMITTED, "access", "alta")
    client = browser(cast.elsa)
    page = client.get(reverse("control:request", args=[request.folio])).content.decode()
    address = reverse("control:evidence", args=[request.folio, file.token])
    assert address in page
    answer = client.get(address)
    assert answer["Content-Disposition"] == 'attachment; filename="constancia.txt"'
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert b"".join(answer.streaming_content) == b"constancia"
    assert client.get(reverse("control:evidence", args=[other.folio, file.token])).status_code == 404
    file.file.storage.delete(file.file.name)
    assert client.get(address).status_code == 404


# -- Acts --------------------------------------------------------------------------------------------


@pytest.mark.clause("M20")
def test_mesa_de_control_verifies_or_returns(cast):
    request = make(cast, Status.VERIFYING)
    refused = act(cast.laura, request, "verify", outcome="verify", reason=SHORT)
    assert refused.status_code == 200
    assert "al menos 10 caracteres; escribió 9" in text_of(refused)
    assert refused.content.decode().count("<title>Error: ") == 1
    act(cast.laura, request, "verify", outcome="clarify", reason="¿Qué poder lo acredita?")
    page = text_of(look(cast.laura, request))
    assert "Devolver al cliente" in page
    assert "Está en orden" not in page  # not while a question is open
    operations.answer_clarification(request.pk, actor=cast.ana, answer="El de la escritura 1,204.")
    done = act(cast.laura, request, "verify", outcome="verify", reason="El poder coincide.")
    assert done.status_code == 302
    assert status_of(request) == Status.IN_APPROVAL
    act(cast.laura, request, "return", reason="Falta el número exterior.")
    assert status_of(request) == Status.RETURNED


def test_approve_by_two_and_designate_with_the_last(cast):
    request = make(cast, Status.IN_APPROVAL)
    assert act(cast.fabian, request, "decide", decision="approve", reason=WHY).status_code == 302
    page = text_of(look(cast.elsa, request))
    assert "Quién implementa" in page
    assert "«La constancia coincide; procede.»" in page
    done = act(cast.elsa, request, "decide", decision="approve", reason=WHY, implementer=cast.gina.pk)
    assert done.status_code == 302
    assert status_of(request) == Status.APPROVED
    assert request.implementer == cast.gina
    assert "Usted ya decidió" not in text_of(look(cast.elsa, request))


@pytest.mark.clause("M24")
def test_an_approval_stands_when_the_designation_is_refused(cast, monkeypatch):
    request = make(cast, Status.IN_APPROVAL, "access", "clave")

    def refuse(*_args: Any, **_options: Any) -> None:
        raise operations.Invalid({"implementer": "Es de Desarrollo."})

    monkeypatch.setattr(operations, "designate", refuse)
    client = browser(cast.elsa)
    sent = {"decision": "approve", "reason": WHY, "implementer": cast.gina.pk}
    done = act(cast.elsa, request, "decide", client, **sent)
    assert "No designó a nadie: Es de Desarrollo." in client.get(done["Location"]).content.decode()
    assert status_of(request) == Status.APPROVED


def test_a_decision_needs_a_reason_a_choice_and_the_password(cast):
    request = make(cast, Status.IN_APPROVAL)
    nothing = act(cast.fabian, request, "decide", reason="", password="")
    for text in (
        "Elija si aprueba, pide aclaración o rechaza",
        "Escriba la razón de su decisión",
        "Escriba otra vez su contraseña",
    ):
        assert text in text_of(nothing)
    wrong = act(cast.fabian, request, "decide", decision="approve", reason=WHY, password="otra")
    assert "Esa no es su contraseña" in text_of(wrong)
    assert WHY in text_of(wrong)
    assert not Decision.objects.exists()
    blank = act(cast.fabian, request, "decide", decision="approve", reason=" " * 20)
    assert "Escriba la razón" in text_of(blank)


def test_the_password_is_asked_again_after_five_minutes(cast):
    request = make(cast, Status.IN_APPROVAL)
    client = browser(cast.fabian)
    page = client.get(reverse("control:request", args=[request.folio]))
    assert 'name="password"' in page.content.decode()
    mended = act(cast.fabian, request, "decide", client, decision="clarify", reason=SHORT)
    assert 'name="password"' not in mended.content.decode()
    page = client.get(reverse("control:request", args=[request.folio]))
    assert 'name="password"' not in page.content.decode()  # it was right: not again for five minutes
    done = act(cast.fabian, request, "decide", client, decision="approve", reason=WHY, password=None)
    assert done.status_code == 302


def test_another_content_than_the_one_seen_is_409_with_the_new_one(cast):
    request = make(cast, Status.IN_APPROVAL)
    answer = act(cast.fabian, request, "decide", decision="approve", reason=WHY, seen_hash="0" * 64)
    assert answer.status_code == 409
    assert "El contenido cambió mientras lo revisaba" in text_of(answer)
    assert seen(request) in answer.content.decode()
    assert WHY in text_of(answer)
    assert not Decision.objects.exists()


def test_content_that_changes_between_the_page_and_the_lock_is_409(cast, monkeypatch):
    request = make(cast, Status.IN_APPROVAL)

    def stale(*_args: Any, **_options: Any) -> None:
        raise operations.StaleContent

    monkeypatch.setattr(operations, "approve", stale)
    answer = act(cast.fabian, request, "decide", decision="approve", reason=WHY)
    assert answer.status_code == 409
    assert "El contenido cambió" in text_of(answer)


def test_no_approval_by_get(cast):
    request = make(cast, Status.IN_APPROVAL)
    client = browser(cast.fabian)
    for name in ("decide", "verify", "designate", "execute", "check", "close", "resume"):
        address = reverse(f"control:{name}", args=[request.folio])
        assert client.get(address, {"decision": "approve", "reason": WHY}).status_code == 405
    assert not Decision.objects.exists()


def test_who_may_not_decide_is_told_why(cast):
    request = make(cast, Status.IN_APPROVAL)
    assert act(cast.laura, request, "decide", decision="approve", reason=WHY).status_code == 403
    act(cast.fabian, request, "decide", decision="approve", reason=WHY)
    again = act(cast.fabian, request, "decide", decision="reject", reason=WHY)
    assert again.status_code in {403, 409}
    assert Decision.objects.count() == 1


def test_a_question_stops_the_deadline_and_leaves_the_request(cast):
    request = make(cast, Status.IN_APPROVAL)
    act(cast.elsa, request, "decide", decision="clarify", reason="¿Desde qué día se mudan?")
    request.refresh_from_db()
    assert request.due_minutes_left is not None
    page = text_of(look(cast.elsa, request))
    assert "En espera de aclaración" in page
    assert "¿Desde qué día se mudan?" in page
    assert "Registrar mi decisión" not in page
    operations.answer_clarification(request.pk, actor=cast.ana, answer="Desde el 1 de diciembre.")
    page = text_of(look(cast.elsa, request))
    assert "Desde el 1 de diciembre." in page
    assert "Registrar mi decisión" in page


def test_a_refusal_ends_it_with_its_reason(cast):
    request = make(cast, Status.IN_APPROVAL)
    act(cast.elsa, request, "decide", decision="reject", reason="El poder es de otra empresa.")
    assert status_of(request) == Status.REJECTED
    assert "El poder es de otra empresa." in text_of(look(cast.fabian, request))
