"""*Personaliza tu imagen*, page by page: who may, what is kept, where the image is seen (M33)."""

import re
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image, ImageDraw

from accounts.branding import operations
from accounts.branding.tests.invoices import make_stamped
from accounts.models import Branding, BrandLogo, Customer, User
from factureya.core.invoices import NotReadNow, UnreadableInvoice
from factureya.core.models import Event
from factureya.testing.invoices import DECLARATION, UUID, make_invoice
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import Neighbours, make_neighbours

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M33")]
PAGE = "/cuenta/imagen/"
COLOURS = {"main": "#1f5f8b", "accent": "#f2a33a"}


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


@pytest.fixture
def ana(cast: Neighbours) -> Client:
    return make_client(cast.ana)


def logo(name: str = "logo.png", colour: str = "#c47a12", size: tuple[int, int] = (400, 200)) -> SimpleUploadedFile:
    """Return a transparent logo as a browser uploads it."""
    picture = Image.new("RGBA", size)
    ImageDraw.Draw(picture).ellipse((20, 20, 180, 180), fill=colour)
    out = BytesIO()
    picture.save(out, "PNG")
    return SimpleUploadedFile(name, out.getvalue(), "image/png")


def send(client: Client, button: str = "guardar", **fields: Any) -> Any:
    """Press a button of the form, with these fields; the logo of the page goes along, as a browser sends it."""
    page = client.get(PAGE)
    kept = page.context["design"].logo
    values = {"key": key_in(page), **COLOURS, **({"kept_logo": str(kept.pk)} if kept else {}), **fields, button: "1"}
    return client.post(PAGE, values)


def image_of(customer: Customer) -> Branding:
    return Branding.objects.get(customer=customer)


def events(customer: Customer) -> list[Event]:
    return list(Event.objects.filter(chain=customer.chain, verb="company.branding_changed"))


def test_a_representative_saves_logo_and_colours_and_sees_them_on_every_page(cast: Neighbours, ana: Client):
    customer = cast.ana.contact.customer
    assert send(ana, logo=logo()).url == reverse("accounts:branding")
    image = image_of(customer)
    assert (image.chosen_main, image.shown_main) == ("#1f5f8b", "#1f5f8b")
    assert image.chosen_accent == "#f2a33a" != image.shown_accent  # too pale for details on white
    assert image.logo_sha256 == image.logo.sha256 == image.logo.hash_sizes()
    for client in (ana, make_client(cast.beto)):
        for page in ("/", "/tickets/", "/cuenta/"):
            html = client.get(page).content.decode()
            assert f"/cuenta/imagen/logo/{image.logo_sha256}/pantalla.png" in html
            assert customer.legal_name in html
            assert "1f5f8b-" in html
    [event] = events(customer)
    assert event.actor_id == cast.ana.pk
    assert event.data["rows"]["branding"]["logo_sha256"] == image.logo_sha256


def test_other_companies_and_staff_and_formal_requests_keep_our_image(cast: Neighbours, ana: Client):
    send(ana, logo=logo())
    sha256 = BrandLogo.objects.get().sha256
    for client in (make_client(cast.carla), Client(), make_client(cast.elsa)):
        assert "/cuenta/imagen/" not in client.get("/").content.decode()
    assert "/cuenta/imagen/logo/" not in ana.get("/solicitudes/").content.decode()
    for person, expected in ((cast.ana, 200), (cast.beto, 200), (cast.carla, 404), (cast.elsa, 404)):
        for size in ("pantalla", "imprimir"):
            assert make_client(person).get(f"/cuenta/imagen/logo/{sha256}/{size}.png").status_code == expected


def test_a_logo_is_sent_as_a_picture_that_runs_nothing_and_stays_in_the_browser(ana: Client):
    send(ana, logo=logo())
    answer = ana.get(f"/cuenta/imagen/logo/{BrandLogo.objects.get().sha256}/imprimir.png")
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    assert "no-store" not in answer["Cache-Control"]
    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.mode == "RGBA"
        assert picture.getpixel((0, 0))[3] == 0
    for address in ("0" * 64, "x", "0" * 63):
        assert ana.get(f"/cuenta/imagen/logo/{address}/imprimir.png").status_code == 404
    assert ana.get(f"/cuenta/imagen/logo/{BrandLogo.objects.get().sha256}/otro.png").status_code == 404


def test_the_preview_says_what_is_corrected_and_saves_nothing(cast: Neighbours, ana: Client):
    assert send(ana, "ver", main="#ffe14d", accent="#fafafa", logo=logo()).url == f"{PAGE}#vista"
    page = ana.get(PAGE)
    text = text_of(page)
    assert "No se lee bien" in text
    assert "Lo oscurecimos para que se lea" in text
    assert "Sobre fondo claro casi no se distingue" in text
    assert "Todavía no se guarda" in text
    assert "logo.png" in text
    assert page.context["design"].main.shown in page.content.decode()
    assert not Branding.objects.exists()
    assert not events(cast.ana.contact.customer)
    assert "/cuenta/imagen/logo/" not in ana.get("/").content.decode()  # only the page itself previews
    assert send(ana, main="#ffe14d", accent="#fafafa").status_code == 302
    assert image_of(cast.ana.contact.customer).logo is not None  # the logo of the preview


def test_a_second_click_changes_nothing_and_a_reset_gives_our_image_back(cast: Neighbours, ana: Client):
    customer = cast.ana.contact.customer
    key = key_in(ana.get(PAGE))
    for _click in range(2):
        assert ana.post(PAGE, {"key": key, **COLOURS, "guardar": "1"}).status_code == 302
    assert len(events(customer)) == 1
    for _click in range(2):
        assert send(ana, "original").status_code == 302
    assert not image_of(customer).is_own
    assert len(events(customer)) == 2
    assert "/cuenta/imagen/colores/" not in ana.get("/").content.decode()


@pytest.mark.parametrize(
    "text", ["", "azul", "#12345", "#gggggg", "#1f5f8b;}body{display:none", "url(x)", "#1f5f8b" * 9]
)
def test_what_is_no_colour_is_refused_beside_its_field_and_the_rest_is_kept(cast: Neighbours, ana: Client, text: str):
    answer = send(ana, main=text, accent="#654321", logo=logo("marca.png"))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "<title>Error: " in html
    assert 'id="id_main_error"' in html
    assert 'value="#654321"' in html
    assert "marca.png" in html
    assert not Branding.objects.exists()


def gif() -> bytes:
    out = BytesIO()
    Image.new("P", (300, 300)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no es una imagen"),
        ("logo.png", b"no soy una imagen", "no es una imagen"),
        ("logo.png", gif(), "no es una imagen"),
        ("logo.png", b"", "no es una imagen"),
        ("logo.png", b"\x89PNG\r\n\x1a\n" + b"0" * (2 * 1024 * 1024), "pesa más de 2 MB"),
    ],
)
def test_a_bad_logo_is_refused_by_name_and_the_old_one_stays(ana: Client, name: str, content: bytes, why: str):
    send(ana, logo=logo())
    answer = send(ana, logo=SimpleUploadedFile(name, content, "image/png"))
    assert answer.status_code == 200
    assert f"«{name}» {why}" in answer.content.decode()
    assert "Quitar" in text_of(answer)
    assert BrandLogo.objects.count() == 1


def test_a_logo_is_taken_away(cast: Neighbours, ana: Client):
    send(ana, logo=logo())
    assert send(ana, "quitar").status_code == 302
    assert image_of(cast.ana.contact.customer).logo is not None  # a preview still
    page = ana.get(PAGE)
    ana.post(PAGE, {"key": key_in(page), **COLOURS, "guardar": "1"})
    assert image_of(cast.ana.contact.customer).logo is None


def test_a_form_with_a_foreign_key_or_a_foreign_logo_changes_nothing(cast: Neighbours, ana: Client):
    carla = make_client(cast.carla)
    send(carla, logo=logo())
    foreign = BrandLogo.objects.get()
    answer = send(ana, kept_logo=str(foreign.pk))
    assert answer.status_code == 200
    assert operations.LOGO_GONE in text_of(answer)
    key = key_in(carla.get(PAGE))
    assert ana.post(PAGE, {"key": key, **COLOURS, "guardar": "1"}).status_code == 200
    assert not Branding.objects.filter(customer=cast.ana.contact.customer).exists()


@pytest.mark.parametrize("who", ["beto", "elsa", "dario", "nobody"])
def test_only_a_representative_changes_the_image(cast: Neighbours, who: str):
    person: User | None = getattr(cast, who, None)
    client = make_client(person) if person else Client()
    for address in (PAGE, f"{PAGE}factura/", f"{PAGE}factura.pdf"):
        assert client.get(address).status_code == (403 if person else 302)
    assert client.post(PAGE, {**COLOURS, "guardar": "1"}).status_code == (403 if person else 302)
    assert not Branding.objects.exists()


def test_previews_and_uploads_are_limited(settings, ana: Client):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "branding": "3/h/user"}
    codes = [ana.post(PAGE, {"ver": "1"}).status_code for _try in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_the_printed_invoice_is_a_page_and_a_pdf_of_the_sample(cast: Neighbours, ana: Client):
    send(ana, logo=logo())
    page = ana.get(f"{PAGE}factura/")
    assert "Papel bond carta" in text_of(page)
    assert "$8,381.00" in text_of(page)
    assert "Datos de ejemplo, sin validez fiscal" in text_of(page)
    pdf = ana.get(f"{PAGE}factura.pdf")
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    assert "factura-de-ejemplo.pdf" in pdf["Content-Disposition"]


def test_the_stylesheet_of_two_colours_is_corrected_whoever_wrote_the_address():
    client = Client()
    css = client.get(f"{PAGE}colores/ffff00-ffffff/portal.css")
    assert css["Content-Type"].startswith("text/css")
    assert "#ffff00" not in css.content.decode()
    assert "--fy-inv-main" in client.get(f"{PAGE}colores/ffff00-ffffff/factura.css").content.decode()
    for slug in ("ffff00", "ffff00-zzzzzz", "FFFF00-ffffff", "ffff00-ffffff-x"):
        assert client.get(f"{PAGE}colores/{slug}/portal.css").status_code == 404
    assert client.get(f"{PAGE}colores/ffff00-ffffff/otro.css").status_code == 404


# -- The company's own XML ---------------------------------------------------------------------------


def send_xml(client: Client, content: bytes = b"<x/>") -> Any:
    return press(client, "leer", xml=SimpleUploadedFile("factura.xml", content, "text/xml"))


def press(client: Client, button: str, **typed: Any) -> Any:
    """Press a button of the previews: the form goes along as the page shows it, with what was typed in it."""
    page = client.get(PAGE)
    shown = {name: page.context["form"][name].value() or "" for name in ("main", "accent", "kept_logo")}
    return client.post(PAGE, {"key": key_in(page), **shown, **typed, button: "1"})


def test_an_own_xml_fills_the_preview_until_the_sample_is_asked_for(cast: Neighbours, ana: Client, monkeypatch):
    customer = cast.ana.contact.customer
    invoice = make_stamped(customer.rfc)
    monkeypatch.setattr("accounts.branding.drafts.read_invoice", lambda xml: invoice)
    assert send_xml(ana).url == f"{PAGE}#vista"
    for address in (PAGE, f"{PAGE}factura/"):
        text = text_of(ana.get(address))
        assert "Servicio & asesoría <b>" in text
        assert invoice.uuid in text
        assert "representación impresa de un CFDI" in text
    assert "fy-inv__qr" in ana.get(PAGE).content.decode()
    assert 'filename="factura.pdf"' in ana.get(f"{PAGE}factura.pdf")["Content-Disposition"]
    assert "Todavía no se guarda" not in text_of(ana.get(PAGE))  # the image is the one that is saved
    press(ana, "muestra")
    assert "Papel bond" in text_of(ana.get(PAGE))
    send(ana, "ver", xml=SimpleUploadedFile("factura.xml", b"<x/>", "text/xml"))
    assert invoice.uuid in text_of(ana.get(PAGE))


@pytest.mark.parametrize("button", ["leer", "muestra"])
def test_colours_that_were_typed_are_kept_when_another_invoice_is_shown(cast, ana: Client, monkeypatch, button: str):
    monkeypatch.setattr(
        "accounts.branding.drafts.read_invoice", lambda xml: make_stamped(cast.ana.contact.customer.rfc)
    )
    html = ana.get(PAGE).content.decode()
    for name in ("leer", "xml"):
        assert re.search(rf'<(button|input)[^>]* name="{name}"[^>]*>', html)[0].count('form="imagen"') == 1
    xml = {"xml": SimpleUploadedFile("factura.xml", b"<x/>", "text/xml")}
    assert press(ana, button, **COLOURS, logo=logo("marca.png"), **xml).url == f"{PAGE}#vista"
    page = ana.get(PAGE)
    assert 'value="#1f5f8b"' in page.content.decode()
    assert "marca.png" in text_of(page)
    assert "Todavía no se guarda" in text_of(page)


def test_what_is_no_colour_is_kept_when_an_xml_is_refused(ana: Client):
    answer = press(ana, "leer", main="azul")
    assert 'value="azul"' in answer.content.decode()
    assert "Elija el archivo XML" in text_of(answer)


def test_an_xml_of_another_company_is_refused(cast: Neighbours, ana: Client, monkeypatch):
    monkeypatch.setattr("accounts.branding.drafts.read_invoice", lambda xml: make_stamped("OTR010101AB1"))
    answer = send_xml(ana)
    assert answer.status_code == 200
    assert "La emitió OTR010101AB1" in text_of(answer)
    assert "Papel bond" in text_of(ana.get(PAGE))


def test_an_unreadable_xml_and_a_missing_one_say_why(ana: Client, monkeypatch):
    def refuse(_xml: bytes) -> None:
        raise UnreadableInvoice("No es un XML bien formado.")

    monkeypatch.setattr("accounts.branding.drafts.read_invoice", refuse)
    answer = send_xml(ana)
    assert "No es un XML bien formado." in text_of(answer)
    assert "mixml_error" in answer.content.decode()
    assert "Elija el archivo XML" in text_of(press(ana, "leer"))


def test_an_xml_that_the_machine_cannot_read_now_is_to_be_sent_again(ana: Client, monkeypatch):
    def fail(_xml: bytes) -> None:
        raise NotReadNow("BlockingIOError")

    monkeypatch.setattr("accounts.branding.drafts.read_invoice", fail)
    assert "Ahora no pudimos leer el archivo. Inténtelo de nuevo en unos minutos." in text_of(send_xml(ana))


def test_the_real_xml_of_an_own_invoice_is_read_and_printed(cast: Neighbours, ana: Client):
    rfc = cast.ana.contact.customer.rfc
    xml = DECLARATION + make_invoice(issuer={"Rfc": rfc, "Nombre": "Papelería Ocaso"}, Serie="B", Folio="0412")
    assert send_xml(ana, xml.encode()).url == f"{PAGE}#vista"
    text = text_of(ana.get(f"{PAGE}factura/"))
    assert UUID in text
    assert "B-0412" in text
    assert "$4,872.00 MXN" in text
    for bad in (b"<html/>", b'<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>', b"no es xml"):
        answer = send_xml(ana, bad)
        assert "No se puede mostrar ese XML" in text_of(answer)
        assert UUID in text_of(answer)  # the good one before it stays
