"""The five steps: each saved, today's value beside each new one, nothing lost, sent once (M7, M19)."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import Customer
from change_requests import operations
from change_requests.kinds import registry
from change_requests.models import FormalRequest
from factureya.core.clock import now
from factureya.core.files import store
from factureya.testing.pages import hidden_in, key_in, log_in, png, text_of
from factureya.testing.request_histories import REASON, draft, make

pytestmark = pytest.mark.django_db
ADDRESS = {"c_address": "on", "street": "Blvd. Atlixco 3505", "zip": "72190", "suburb": "Las Ánimas", "city": "Puebla"}
PHONE = {"c_phone": "on", "phone": "222 555 0178"}


@pytest.fixture(autouse=True)
def media(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def ana(client, cast):
    log_in(client, cast.ana)
    return client


def send(client, path, **fields):
    """Fill the page's form and send it, with its key."""
    return client.post(path, hidden_in(client.get(path)) | fields)


def start(client, form="cambio", kind="change"):
    """A draft by the first step; its folio."""
    answer = send(client, f"/solicitudes/{form}/nueva/", kind=kind)
    return re.search(r"/solicitudes/(S[AC]-[^/]+)/datos/", answer.url).group(1)


def step(folio, name):
    return reverse(f"requests:{name}", args=[folio])


@pytest.mark.clause("M19", "M20")
def test_a_change_from_the_first_step_to_the_wait_for_the_registered_mail(ana, cast):
    folio = start(ana)
    page = text_of(ana.get(step(folio, "data")))
    assert "Hoy: Av. Juárez 1420, Col. La Paz, 72160 Puebla, Pue." in page
    assert "Hoy: 222 555 0134" in page
    assert send(ana, step(folio, "data"), **ADDRESS, **PHONE).url == step(folio, "reason")
    answer = send(ana, step(folio, "reason"), reason=REASON, effective_date="", files=png("fachada.png"))
    assert answer.url == step(folio, "sign")
    assert "Ana Robles" in text_of(ana.get(step(folio, "sign")))
    assert send(ana, step(folio, "sign"), declares="on").url == step(folio, "review")
    review = text_of(ana.get(step(folio, "review")))
    for told in (
        "valor anterior: 222 555 0134",
        "valor nuevo: 222 555 0178",
        "Col. Las Ánimas, 72190 Puebla",
        REASON,
        "fachada.png",
        "contacto@ocaso.mx",
        "En cuanto esté aprobado",
    ):
        assert told in review
    assert send(ana, step(folio, "review"), confirm="on").url == step(folio, "sent")
    assert "Enviamos un enlace a contacto@ocaso.mx" in text_of(ana.get(step(folio, "sent")))
    formal = FormalRequest.objects.get(folio=folio)
    assert (formal.status, formal.revision_no) == ("submitted", 1)
    assert formal.evidence.get().revision_no == 1


@pytest.mark.clause("M19")
def test_a_double_click_makes_one_draft_and_sends_once(ana, cast):
    path = "/solicitudes/cambio/nueva/"
    key = key_in(ana.get(path))
    first, second = (ana.post(path, {"key": key, "kind": "change"}) for _ in range(2))
    assert first.url == second.url
    formal = draft(cast)
    review = step(formal.folio, "review")
    form = hidden_in(ana.get(review)) | {"confirm": "on"}
    ana.post(review, form)
    again = ana.post(review, form)
    assert again.url == step(formal.folio, "detail")
    assert formal.revisions.count() == 1


@pytest.mark.clause("M19", "M21")
@pytest.mark.parametrize("change", ["another value", "another file", "nothing seen"])
def test_what_changed_after_the_review_is_reviewed_again(ana, cast, change):
    formal = draft(cast)
    review = step(formal.folio, "review")
    form = hidden_in(ana.get(review)) | {"confirm": "on"}
    if change == "another value":
        operations.save_draft(formal.pk, actor=cast.ana, draft={"items": {"phone": "222 555 0001"}})
    elif change == "another file":
        files = [store.store(png(), draft=formal.folio)]
        operations.add_evidence(formal.pk, actor=cast.ana, files=files)
    else:
        del form["seen"]
    assert ana.post(review, form).url == review
    assert "cambió en otra ventana" in text_of(ana.get(review))
    assert formal.revisions.count() == 0
    assert send(ana, review, confirm="on").url == step(formal.folio, "sent")


@pytest.mark.clause("M19")
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Marque al menos un dato"),
        ({"c_phone": "on", "phone": " "}, "Escriba el teléfono nuevo"),
        ({"c_phone": "on", "phone": "222  555 0134"}, "Es igual al de hoy"),
        ({"c_email": "on", "registered_email": "ana"}, "Escriba el correo completo"),
        ({"c_email": "on", "registered_email": "CONTACTO@ocaso.mx"}, "Es igual al de hoy"),
        ({**ADDRESS, "zip": "721"}, "El código postal tiene 5 números"),
        ({"c_identity": "on"}, "Escriba el RFC nuevo, la razón social nueva, o ambos"),
        ({"c_identity": "on", "rfc": "ABC"}, "El RFC tiene 12 caracteres"),
        ({"c_representative": "on", "representative_replaces": "ana@ocaso.mx"}, "Escriba el nombre del representante"),
    ],
)
def test_what_cannot_be_asked_is_said_beside_the_field_and_nothing_is_stored(ana, fields, says):
    folio = start(ana)
    page = send(ana, step(folio, "data"), **fields)
    html = page.content.decode()
    assert says in text_of(page)
    assert "<title>Error: " in html
    assert "data-fy-errors" in html
    assert "items" not in FormalRequest.objects.get(folio=folio).draft


@pytest.mark.clause("M19")
def test_what_was_typed_stays_and_what_is_not_ticked_does_not_count(ana):
    folio = start(ana)
    page = send(ana, step(folio, "data"), **ADDRESS | {"zip": "7"}, phone="999", registered_email="x").content.decode()
    assert 'value="Blvd. Atlixco 3505"' in page
    assert send(ana, step(folio, "data"), **ADDRESS, phone="999", registered_email="x").status_code == 302
    draft = FormalRequest.objects.get(folio=folio).draft
    assert draft["items"] == {"fiscal_address": "Blvd. Atlixco 3505, Col. Las Ánimas, 72190 Puebla"}
    assert 'value="Las Ánimas"' in ana.get(step(folio, "data")).content.decode()


@pytest.mark.clause("M8", "M19")
def test_another_representative_is_asked_for_with_the_instrument(ana, cast):
    folio = start(ana)
    fields = {
        "c_representative": "on",
        "representative_replaces": "ana@ocaso.mx",
        "representative_name": "Beto Luna Paz",
        "representative_email": "beto@ocaso.mx",
        "representative_rfc": "PAZR800101AB1",
        "representative_power": "attorney",
        "representative_instrument": "Escritura 9, Notaría 2",
        "representative_valid_from": "2026-01-01",
        "representative_valid_until": "",
    }
    assert send(ana, step(folio, "data"), **fields).url == step(folio, "reason")
    refused = send(ana, step(folio, "reason"), reason=REASON, effective_date="")
    assert "Adjunte el documento que lo comprueba" in text_of(refused)
    send(ana, step(folio, "reason"), reason=REASON, effective_date="", files=png("poder.png"))
    send(ana, step(folio, "sign"), declares="on")
    review = text_of(ana.get(step(folio, "review")))
    assert "Beto Luna Paz" in review
    assert "Apoderado" in review
    assert send(ana, step(folio, "review"), confirm="on").url == step(folio, "sent")


@pytest.mark.clause("M7", "M19")
@pytest.mark.parametrize("kind", registry.KINDS, ids=lambda kind: kind.choice)
def test_every_kind_has_a_page_for_its_data(ana, kind):
    folio = start(ana, "acceso" if kind.form == FormalRequest.Form.ACCESS else "cambio", kind.code)
    page = ana.get(step(folio, "data"))
    assert page.status_code == 200
    form = page.context["form"]
    assert all(f'name="{name}"' in page.content.decode() for name in form.fields)


@pytest.mark.clause("M7")
@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("alta", {"full_name": "Rosa Paz", "email": "rosa@ocaso.mx", "position": "Cajera", "phone": ""}, "Rosa Paz"),
        ("baja", {"person": "beto@ocaso.mx"}, "beto@ocaso.mx"),
        ("clave", {"person": "beto@ocaso.mx"}, "beto@ocaso.mx"),
    ],
)
def test_each_access_request_is_sent(ana, cast, kind, fields, told):
    folio = start(ana, "acceso", kind)
    assert send(ana, step(folio, "data"), **fields).url == step(folio, "reason")
    assert "effective_date" not in ana.get(step(folio, "reason")).content.decode()
    send(ana, step(folio, "reason"), reason=REASON)
    send(ana, step(folio, "sign"), declares="on")
    assert told in text_of(ana.get(step(folio, "review")))
    assert send(ana, step(folio, "review"), confirm="on").url == step(folio, "sent")
    assert FormalRequest.objects.get(folio=folio).status == "submitted"


@pytest.mark.clause("M7")
@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("alta", {}, "Escriba el nombre de la persona"),
        ("alta", {"full_name": "B", "email": "beto@ocaso.mx", "position": "X"}, "Esa persona ya está en su empresa"),
        ("baja", {}, "Elija a la persona, de la lista"),
        ("baja", {"person": "carla@otra.mx"}, "Elija a la persona, de la lista"),
        ("baja", {"person": "ana@ocaso.mx"}, "Elija a la persona, de la lista"),
    ],
)
def test_a_wrong_person_is_told(ana, kind, fields, says):
    folio = start(ana, "acceso", kind)
    assert says in text_of(send(ana, step(folio, "data"), **fields))


@pytest.mark.clause("M19")
def test_the_service_ends_on_a_day_that_is_asked_for(ana, cast):
    folio = start(ana, "cambio", "baja")
    assert "solo lectura" in text_of(ana.get(step(folio, "data")))
    assert "marque que lo leyó" in text_of(send(ana, step(folio, "data")))
    send(ana, step(folio, "data"), understood="on")
    assert "Escriba desde qué día" in text_of(send(ana, step(folio, "reason"), reason=REASON))
    day = timezone.localdate(now())
    past = send(ana, step(folio, "reason"), reason=REASON, effective_date=str(day - timedelta(days=1)))
    assert "La fecha va de hoy a un año más" in text_of(past)
    send(ana, step(folio, "reason"), reason=REASON, effective_date=str(day + timedelta(days=9)))
    send(ana, step(folio, "sign"), declares="on")
    send(ana, step(folio, "review"), confirm="on")
    assert FormalRequest.objects.get(folio=folio).status == "submitted"


@pytest.mark.clause("M17", "M19")
def test_evidence_survives_a_refused_step_and_can_be_taken_away(ana, cast):
    folio = start(ana)
    send(ana, step(folio, "data"), **PHONE)
    path = step(folio, "reason")
    page = send(ana, path, reason="corto", effective_date="", files=[png("a.png"), png("b.png")])
    assert "Quitar a.png" in text_of(page)
    assert "Escriba el motivo con al menos 20 caracteres" in text_of(page)
    token = re.search(r'name="quitar" value="([^"]+)"', page.content.decode()).group(1)
    page = ana.post(path, {"key": key_in(page), "reason": "lo que ya había escrito", "quitar": token})
    assert "Quitar a.png" not in text_of(page)
    assert "lo que ya había escrito" in page.content.decode()
    send(ana, path, reason=REASON, effective_date="")
    kept = FormalRequest.objects.get(folio=folio).evidence.filter(dropped_at=None)
    assert [e.attachment.name for e in kept] == ["b.png"]
    bad = send(ana, path, reason=REASON, effective_date="", files=SimpleUploadedFile("x.exe", b"MZ"))
    assert "«x.exe»" in text_of(bad)


@pytest.mark.clause("M19")
def test_what_lacks_an_answer_leads_back_to_its_step(ana, cast):
    folio = start(ana)
    assert ana.get(step(folio, "review")).url == step(folio, "data")
    send(ana, step(folio, "data"), **PHONE)
    assert ana.get(step(folio, "review")).url == step(folio, "reason")
    send(ana, step(folio, "reason"), reason=REASON, effective_date="")
    assert ana.get(step(folio, "review")).url == step(folio, "sign")
    assert "Marque la declaración" in text_of(send(ana, step(folio, "sign")))
    send(ana, step(folio, "sign"), declares="on")
    assert "Confirme que los datos son correctos" in text_of(send(ana, step(folio, "review")))
    assert "Guardado hoy" in text_of(ana.get(step(folio, "data")))


@pytest.mark.clause("M19")
def test_a_step_that_outlived_its_session_comes_back_after_the_login(client, cast):
    log_in(client, cast.ana)
    folio = start(client)
    path = step(folio, "reason")
    key = key_in(client.get(path))
    client.logout()
    away = client.post(path, {"key": key, "reason": REASON, "files": png("antes.png")})
    assert away.url.startswith(reverse("account_login"))
    session = dict(client.session)
    log_in(client, cast.ana)
    kept = client.session
    kept.update({name: value for name, value in session.items() if name == "form.draft"})
    kept.save()
    page = client.get(path)
    assert "Recuperamos lo que escribió" in text_of(page)
    assert REASON in page.content.decode()
    assert "antes.png" in text_of(page)
    answer = client.post(path, {"key": key_in(page), "reason": REASON, "effective_date": ""})
    assert answer.url == step(folio, "sign")
    assert FormalRequest.objects.get(folio=folio).evidence.get().attachment.name == "antes.png"


@pytest.mark.clause("M19")
def test_a_forged_key_keeps_what_was_typed(ana, cast):
    folio = start(ana)
    page = ana.post(step(folio, "reason"), {"key": "x", "reason": REASON, "effective_date": ""})
    assert "El formulario perdió su validez" in text_of(page)
    assert REASON in page.content.decode()
    assert "El formulario perdió su validez" in text_of(ana.post("/solicitudes/cambio/nueva/", {"kind": "change"}))


@pytest.mark.clause("M19")
def test_a_step_of_a_request_on_its_way_leads_to_its_page(ana, cast):
    formal = make(cast, "submitted")
    for name in ("kind", "data", "reason", "sign", "review"):
        assert ana.get(step(formal.folio, name)).url == step(formal.folio, "detail")
        assert ana.post(step(formal.folio, name)).url == step(formal.folio, "detail")


@pytest.mark.clause("M19")
def test_the_first_step_of_a_draft_tells_what_it_is(ana, cast):
    formal = draft(cast)
    page = ana.get(step(formal.folio, "kind"))
    assert "descarte este borrador" in text_of(page)
    assert ana.post(step(formal.folio, "kind"), {"key": key_in(page)}).url == step(formal.folio, "data")


@pytest.mark.clause("M8")
def test_what_changed_since_is_told_at_the_end_with_everything_kept(ana, cast, monkeypatch):
    formal = draft(cast)
    path = step(formal.folio, "review")
    key = key_in(ana.get(path))

    def refuse(*_args, **_options):
        raise operations.Invalid({"phone": "Es igual al de hoy; si no cambia, quítelo de la solicitud."})

    monkeypatch.setattr(operations, "submit", refuse)
    page = ana.post(path, {"key": key, "confirm": "on"})
    assert "Es igual al de hoy" in text_of(page)
    assert REASON in text_of(page)


@pytest.mark.clause("M19")
def test_without_the_people_who_decide_it_is_not_sent_and_says_who_is_missing(ana, cast):
    cast.elsa.is_active = False
    cast.elsa.save()
    formal = draft(cast)
    page = send(ana, step(formal.folio, "review"), confirm="on")
    assert "Hoy no hay quien atienda esta solicitud" in text_of(page)
    assert FormalRequest.objects.get(pk=formal.pk).status == "draft"


@pytest.mark.clause("M8")
def test_only_who_began_it_goes_on_with_it(client, cast):
    formal = draft(cast)
    log_in(client, cast.carla)
    assert client.get(step(formal.folio, "data")).status_code == 404
    assert Customer.objects.get(pk=cast.ana.contact.customer_id).phone == "222 555 0134"
