"""Designate, waive, execute, check, close, revert and resume, from the officers' pages (M21, M24, M25)."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounts import operations as operations_of_accounts
from accounts.models import Customer, Method, Office, Proof, RoleAssignment
from change_requests import operations
from change_requests.documents import signing
from change_requests.models import FormalRequest, InformationAsset
from change_requests.tests.control.test_control_pages import act, browser, look, status_of
from factureya.core.clock import now
from factureya.testing import request_histories
from factureya.testing.pages import text_of
from factureya.testing.people import give_office, make_hugo, make_staff, make_superuser
from factureya.testing.request_histories import NEW, REASON, WHY, make, seen, unguarded

pytestmark = [pytest.mark.django_db]
Status = FormalRequest.Status
NO_SEGREGATION = "La única implementadora está de vacaciones hasta el lunes y el cliente no puede esperar."
CONTROLS = "Se graba la pantalla de la sesión."
FOUND = "Comparé antes y después; coincide."


@pytest.fixture
def hugo(cast):
    return make_hugo()


@pytest.mark.clause("M24")
def test_the_implementer_can_be_changed_until_the_execution(cast, hugo):
    request = make(cast, Status.APPROVED)
    other = make_staff(Office.IMPLEMENTER, full_name="Otra Persona")
    page = look(cast.elsa, request).content.decode()
    assert f'value="{other.pk}"' in page
    assert f'value="{cast.gina.pk}" selected' in page
    assert f'value="{hugo.pk}"' not in page  # of Development
    assert act(cast.elsa, request, "designate", implementer=hugo.pk).status_code == 200
    assert act(cast.elsa, request, "designate", implementer="").status_code == 200
    assert act(cast.elsa, request, "designate", implementer=other.pk).status_code == 302
    request.refresh_from_db()
    assert request.implementer == other
    assert look(cast.gina, request).status_code == 404
    assert act(other, request, "execute").status_code == 302
    assert status_of(request) == Status.EXECUTED


@pytest.mark.clause("M24")
def test_a_developer_meanwhile_is_refused_at_the_execution(cast):
    request = make(cast, Status.APPROVED)
    give_office(cast.gina, Office.DEVELOPER)
    answer = act(cast.gina, request, "execute")
    assert answer.status_code == 403
    assert "Es de Desarrollo" in text_of(answer)
    assert status_of(request) == Status.APPROVED


@pytest.mark.clause("M1", "M24")
def test_one_button_applies_what_was_approved(cast):
    request = make(cast, Status.APPROVED)
    page = look(cast.gina, request)
    assert "Aplicar lo aprobado" in text_of(page)
    assert act(cast.gina, request, "execute").status_code == 302
    customer = Customer.objects.get(pk=cast.customer.pk)
    assert customer.phone == "222 555 0199"
    text = text_of(look(cast.gina, request))
    assert "Qué se hizo" in text
    assert "Gina Implementa" in text
    again = act(cast.gina, request, "execute")
    assert again.status_code == 409
    assert "esa acción ya no corresponde" in text_of(again)


@pytest.mark.clause("M1")
def test_drift_is_explained_and_nothing_is_written(cast):
    request = make(cast, Status.APPROVED)
    unguarded(phone="222 000 0000")
    assert "Cambió desde que se envió: Teléfono" in text_of(look(cast.gina, request))
    assert act(cast.gina, request, "execute").status_code == 302
    assert status_of(request) == Status.FAILED
    text = text_of(look(cast.gina, request))
    for words in ("Por qué no se aplicó", "Había", "222 000 0000"):
        assert words in text
    assert Customer.objects.get(pk=cast.customer.pk).fiscal_address != NEW["fiscal_address"]


@pytest.mark.clause("M25")
def test_a_waiver_its_red_mark_and_its_check(cast, hugo):
    request = make(cast, Status.APPROVED)
    jorge = cast.jorge
    waiver = {"implementer": hugo.pk, "reason": NO_SEGREGATION, "controls": CONTROLS, "checker": jorge.pk}
    page = browser(cast.elsa).get(reverse("control:waive", args=[request.folio]))
    assert "Hugo Desarrolla" in text_of(page)
    assert "Gina Implementa" not in text_of(page).partition("Quién implementa")[2].partition("Por qué")[0]
    short = act(cast.elsa, request, "waive", **{**waiver, "reason": "Urge mucho."})
    assert "al menos 50 caracteres" in text_of(short)
    done = act(cast.elsa, request, "waive", **waiver)
    assert done.status_code == 302
    assert act(hugo, request, "execute").status_code == 302
    assert request.events().filter(verb="request.execution_intended").exists()
    assert "Falta revisión independiente" in text_of(look(cast.laura, request))
    inbox = text_of(browser(jorge).get(reverse("control:inbox")))
    assert request.folio in inbox
    with time_machine.travel(now() + timedelta(days=10)):
        assert "Revisión vencida" in text_of(look(cast.laura, request))
        shown = browser(cast.laura).get(reverse("control:inbox") + "?vista=terminadas")
        assert "Revisión vencida" in text_of(shown)
        other = make(cast, Status.APPROVED, "access", "alta")
        refused = act(cast.elsa, other, "waive", **waiver)
        assert f"Falta la revisión independiente de {request.folio}" in text_of(refused)
    blocked = act(cast.laura, request, "close")
    assert "Falta la revisión independiente" in text_of(blocked)
    with time_machine.travel(now() + timedelta(seconds=5)):
        assert act(jorge, request, "check", ok="yes", findings=FOUND).status_code == 302
        text = text_of(look(cast.laura, request))
        assert "Falta revisión" not in text
        assert FOUND in text
        assert act(cast.laura, request, "close").status_code == 302
        assert status_of(request) == Status.CLOSED


@pytest.mark.clause("M21")
def test_revert_makes_a_request_that_goes_the_same_way(cast):
    request = make(cast, Status.EXECUTED)
    assert look(cast.laura, request, "revert").status_code == 200
    short = act(cast.laura, request, "revert", reason="Se equivocaron")
    assert "al menos 20 caracteres" in text_of(short)
    done = act(cast.laura, request, "revert", reason="El domicilio era el de otra sucursal.")
    assert done.status_code == 302, text_of(done)
    assert request.reverts.get().status == Status.SUBMITTED
    assert status_of(request) == Status.EXECUTED


@pytest.mark.clause("M8")
def test_not_me_is_red_and_only_security_resumes_it(cast):
    request = make(cast, Status.IN_APPROVAL)
    operations.not_me(request.pk)
    text = text_of(look(cast.laura, request))
    assert "Suspendida" in text
    assert "Está detenida" in text
    assert act(cast.fabian, request, "decide", decision="approve", reason=WHY).status_code == 409
    assert act(cast.laura, request, "resume", reason="Llamé a la empresa.").status_code == 403
    assert act(cast.elsa, request, "resume", reason="Llamé a la empresa.").status_code == 302
    assert "Suspendida" not in text_of(look(cast.laura, request))


def test_mesa_de_control_cancels_with_a_reason(cast):
    request = make(cast, Status.VERIFYING)
    assert look(cast.laura, request, "withdraw").status_code == 200
    assert look(cast.elsa, request, "withdraw").status_code == 302
    act(cast.laura, request, "withdraw", reason="La empresa lo pidió por teléfono.")
    assert status_of(request) == Status.CANCELLED


@pytest.mark.clause("M21")
def test_an_act_with_its_own_page_keeps_the_hash_too(cast):
    request = make(cast, Status.VERIFYING)
    stale = act(cast.laura, request, "withdraw", reason="La empresa lo pidió.", seen_hash="f" * 64)
    assert stale.status_code == 409
    assert status_of(request) == Status.VERIFYING
    forged = act(cast.laura, request, "withdraw", reason="La empresa lo pidió.", seen_hash=None)
    assert "La página perdió su validez" in text_of(forged)


@pytest.mark.clause("M8", "M21")
def test_what_no_longer_holds_goes_back_to_approval_and_says_why(cast):
    request = make(cast, Status.APPROVED)
    held = RoleAssignment.objects.get(user=cast.fabian)
    operations_of_accounts.end_office(held.pk, actor=make_superuser())
    client = browser(cast.gina)
    answer = act(cast.gina, request, "execute", client)
    assert answer.status_code == 302
    assert status_of(request) == Status.IN_APPROVAL
    assert "ya no puede aprobar" in client.get(answer["Location"]).content.decode()


@pytest.mark.clause("M21", "M26")
def test_the_expediente_tells_values_designator_alternate_and_folds_saved_drafts(cast):
    request = request_histories.draft(cast)
    for number in range(4):
        operations.save_draft(request.pk, actor=cast.ana, draft={"reason": f"{REASON} {number}"})
    for reached in (Status.SUBMITTED, Status.VERIFYING):
        request = request_histories.step(cast, request, reached)
    proof = Proof(Method.PASSWORD, True, now(), "192.0.2.7")
    operations.verify(request.pk, actor=cast.laura, note="Llamé a la empresa y confirmó.", proof=proof)
    owner, dates = (
        make_staff(Office.INFORMATION_OWNER),
        {"alternate_from": now(), "alternate_until": now() + timedelta(1)},
    )
    operations.set_asset_owner(
        InformationAsset.objects.get(code="location").pk,
        actor=make_superuser(),
        owner=owner,
        alternate=cast.fabian,
        **dates,
    )
    for reached in (Status.APPROVED, Status.EXECUTED):
        request = request_histories.step(cast, request, reached)
    operations.record_download(request, actor=cast.elsa, sha256="0" * 64)
    text = text_of(look(cast.elsa, request, "expediente"))
    for words in (
        "Se guardó el borrador × 5",
        "Qué comprobó Llamé a la empresa y confirmó.",
        "con su contraseña, escrita otra vez y su segundo factor, desde 192.0.2.7",
        "Se designó a quien implementa Elsa Segura",
        "Implementa Gina Implementa",
        "Suplente del Propietario de la Información",
        "Antes Después",
        "Sin valor 222 555 0199",
        "Se descargó el expediente",
        "(UTC−6)",
    ):
        assert words in text, words
    assert not any(word in text for word in ("hoy, ", "ayer, "))


@pytest.mark.clause("M21")
def test_the_expediente_shows_every_version_decision_and_event(cast):
    request = make(cast, Status.IN_APPROVAL)
    operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    operations.reopen_draft(request.pk, actor=cast.ana)
    operations.save_draft(request.pk, actor=cast.ana, draft={"items": {"phone": "222 555 0001"}})
    operations.submit(request.pk, actor=cast.ana)
    text = text_of(look(cast.elsa, request, "expediente"))
    for words in (
        "Versión 1 (sustituida)",
        "Versión 2",
        "Anulada: el contenido cambió después",
        WHY,
        "222 555 0001",
        "Bitácora",
        "Mesa de control la verificó",
        "Último eslabón de la cadena",
        "Bajo protesta de decir verdad",
        request.representative.instrument,
        "Se confirmó desde el correo registrado",
        request.customer.registered_email,
        signing.find_present_key().spaced_fingerprint,
    ):
        assert words in text
    zipped = look(cast.elsa, request, "expediente_zip")
    assert zipped["Content-Disposition"] == f'attachment; filename="expediente-{request.folio}.zip"'
    assert b"".join(zipped.streaming_content)[:2] == b"PK"
