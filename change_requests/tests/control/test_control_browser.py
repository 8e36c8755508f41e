"""The whole path in Chromium: asked by the representative, decided and applied by the offices (M1, M19, M21, M24)."""

from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse
from pypdf import PdfReader

from accounts.models import Customer, User
from change_requests import operations
from change_requests.documents import signing
from change_requests.models import FormalRequest
from change_requests.tests.customer.test_customer_browser import cookie_of, fill_address_and_mail, go_on, good
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.pages import png
from factureya.testing.people import PASSWORD, make_neighbours
from factureya.testing.request_histories import REASON, code_in_mail, link_in_mail, make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OLD, NEW = "contacto@ocaso.mx", "nuevo@ocaso.mx"
WHY = "La constancia coincide; procede."


@pytest.fixture(autouse=True)
def quick(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.SENSITIVE_FREEZE_HOURS = 0
    settings.EMAIL_BACKEND = "factureya.core.mail.backend.EmlFileBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")


@pytest.fixture
def cast():
    return make_neighbours()


@pytest.fixture
def desk(page, live_server):
    """What a person does at this browser, one after the other."""
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return Desk(page, live_server)


class Desk:
    """A browser that changes hands."""

    def __init__(self, page, live_server):
        self.page, self.live_server = page, live_server

    def enter(self, person: User) -> None:
        self.page.context.clear_cookies()
        self.page.context.add_cookies(cookie_of(person, self.live_server))

    def go(self, path: str) -> None:
        self.page.goto(self.live_server.url + path)

    def open_from_inbox(self, person: User, formal: FormalRequest) -> None:
        """What waits for this person is the first thing he sees."""
        self.enter(person)
        self.go("/control/")
        good(self.page)
        self.page.click(f"li:has-text('{formal.folio}') a")
        self.page.wait_for_url(f"**/control/{formal.folio}/")
        good(self.page)

    def send(self, act: str, said: str, **fields: str) -> None:
        """Fill the form of an act, with the password, and read what is said then."""
        for name, text in {"password": PASSWORD, **fields}.items():
            control = self.page.locator(f"#id_{act}_{name}")
            if control.evaluate("e => e.tagName") == "SELECT":
                control.select_option(text)
            else:
                control.fill(text)
        self.page.click(f"form[aria-labelledby=h-{act}] button[type=submit]")
        self.page.wait_for_selector(f"text={said}")

    def representative_sees(self, person: User, formal: FormalRequest, words: str) -> None:
        self.enter(person)
        self.go(f"/solicitudes/{formal.folio}/")
        self.page.wait_for_selector(f"text={words}")


def ask(desk: Desk, ana: User) -> FormalRequest:
    """Ana's five steps: address, phone and registered mail; and the confirmation from the mail on file."""
    page = desk.page
    desk.enter(ana)
    desk.go("/solicitudes/cambio/nueva/")
    page.check("#id_kind_0")
    go_on(page)
    fill_address_and_mail(page)
    page.check("#id_c_phone")
    page.fill("#id_phone", "222 555 0178")
    go_on(page)
    page.fill("#id_reason", REASON)
    page.set_input_files("#id_files", {"name": "constancia.png", "mimeType": "image/png", "buffer": png().read()})
    go_on(page)
    page.check("#id_declares")
    go_on(page)
    page.check("#id_confirm")
    go_on(page)
    page.wait_for_url("**/enviada/")
    formal = FormalRequest.objects.get()
    desk.go(link_in_mail(OLD, "confirmar"))
    page.click("text=Sí, la confirmo")
    page.wait_for_selector("text=La solicitud está confirmada")
    desk.go(f"/solicitudes/{formal.folio}/")
    page.fill("#id_code", code_in_mail(NEW))
    page.click("text=Comprobar el correo nuevo")
    page.wait_for_selector("text=Comprobamos")
    return formal


@pytest.mark.clause("M1", "M8", "M19", "M20", "M21", "M24")
def test_from_the_wizard_to_the_close_by_every_office(desk, cast):
    page = desk.page
    formal = ask(desk, cast.ana)
    assert link_in_mail(OLD, "no-fui-yo")  # the old mail is told at once, and can stop it

    desk.open_from_inbox(cast.laura, formal)
    page.check("#id_verify_outcome_0")
    desk.send("verify", "La solicitud pasó a aprobación", reason="El poder y el correo coinciden.")
    desk.representative_sees(cast.ana, formal, "Espera la aprobación de dos personas")

    desk.open_from_inbox(cast.fabian, formal)
    with page.expect_download() as download:
        page.click("a.fy-file")
    assert download.value.suggested_filename == "constancia.png"
    page.check("#id_decide_decision_0")
    desk.send("decide", "Registramos su aprobación; faltan otras", reason=WHY)

    desk.open_from_inbox(cast.elsa, formal)
    page.check("#id_decide_decision_1")
    desk.send("decide", "Le preguntamos al cliente", reason="¿Desde cuándo se mudan?")
    desk.representative_sees(cast.ana, formal, "¿Desde cuándo se mudan?")
    page.fill("#id_answer", "Desde el 1 de diciembre.")
    page.click("text=Enviar respuesta")
    page.wait_for_selector("text=Espera la aprobación")

    desk.open_from_inbox(cast.elsa, formal)
    page.wait_for_selector("text=Desde el 1 de diciembre.")
    page.check("#id_decide_decision_0")
    desk.send("decide", "Designó a Gina Implementa", reason=WHY, implementer=str(cast.gina.pk))
    desk.representative_sees(cast.ana, formal, "Aprobada")

    desk.open_from_inbox(cast.gina, formal)
    desk.send("execute", "Se aplicó exactamente lo aprobado")
    page.wait_for_selector("text=Qué se hizo")
    good(page)
    desk.representative_sees(cast.ana, formal, "Ya se aplicó")

    desk.open_from_inbox(cast.laura, formal)
    desk.send("close", "La solicitud quedó cerrada")
    desk.representative_sees(cast.ana, formal, "Cerrada")
    as_approved(formal)


def as_approved(formal: FormalRequest) -> None:
    """The company's data are those that were asked for; every mail left, also to the old address."""
    customer = Customer.objects.get(pk=formal.customer_id)
    assert (customer.phone, customer.registered_email) == ("222 555 0178", NEW)
    assert customer.fiscal_address.startswith("Blvd. Atlixco 3505")
    told = set(OutboxMessage.objects.filter(to=OLD).values_list("kind", flat=True))
    assert {"change_requests/confirm", "change_requests/warn_executed"} <= told
    for pk in OutboxMessage.objects.filter(status="queued").values_list("pk", flat=True):
        outbox.deliver(pk)
    mails = OutboxMessage.objects.values_list("status", flat=True)
    assert set(mails) <= {"sent", "dropped"}
    files = list(Path(settings.EMAIL_FILE_PATH).glob("*.eml"))
    assert len(files) == list(mails).count("sent")


@pytest.mark.clause("M21")
def test_approval_by_keyboard_alone(desk, cast):
    page = desk.page
    formal = make(cast, "in_approval")
    desk.enter(cast.fabian)
    desk.go("/control/")

    def to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"no way to {selector} by Tab")

    to(f"a[href='/control/{formal.folio}/']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/control/{formal.folio}/")
    to("#id_decide_decision_0")
    page.keyboard.press("Space")
    to("#id_decide_reason")
    page.keyboard.type("Corta")
    to("#id_decide_password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    good(page)
    to("#id_decide_reason")
    page.keyboard.press("Control+End")
    page.keyboard.type(": la constancia coincide.")
    to("form[aria-labelledby=h-decide] button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Registramos su aprobación")
    assert formal.decisions.get().reason == "Corta: la constancia coincide."


@pytest.mark.clause("M21")
def test_content_that_changed_meanwhile_is_shown_anew(desk, cast):
    page = desk.page
    formal = make(cast, "in_approval")
    desk.enter(cast.fabian)
    desk.go(reverse("control:request", args=[formal.folio]))
    page.check("#id_decide_decision_0")
    operations.reopen_draft(formal.pk, actor=cast.ana)
    operations.save_draft(formal.pk, actor=cast.ana, draft={"items": {"phone": "222 555 0001"}})
    operations.submit(formal.pk, actor=cast.ana)
    formal = FormalRequest.objects.get()
    operations.confirm_from_registered_email(formal.pk, actor=cast.ana, revision_no=formal.revision_no)
    operations.verify(formal.pk, actor=cast.laura, note="Revisada otra vez.")
    page.fill("#id_decide_reason", WHY)
    page.fill("#id_decide_password", PASSWORD)
    page.click("text=Registrar mi decisión")
    page.wait_for_selector("text=El contenido cambió mientras lo revisaba")
    page.wait_for_selector("text=222 555 0001")
    assert page.input_value("#id_decide_reason") == WHY
    good(page)
    assert not formal.decisions.exists()


@pytest.mark.clause("M21", "M25")
def test_every_page_of_the_officers_passes_axe(desk, cast):
    waiting = make(cast, "approved")
    done = make(cast, "executed", form="access", kind="clave", person={"user": cast.beto.pk})
    desk.enter(cast.elsa)
    for path in (
        "",
        "?vista=en-curso",
        "?vista=terminadas",
        "?q=nada",
        f"{waiting.folio}/",
        f"{waiting.folio}/excepcion/",
        f"{done.folio}/",
        f"{done.folio}/expediente/",
        "activos/",
    ):
        desk.go(f"/control/{path}")
        good(desk.page)


@pytest.mark.clause("M21", "M26")
def test_the_expediente_prints_on_numbered_full_pages_and_fits_a_small_screen(desk, cast):
    done = make(cast, "executed")
    desk.enter(cast.elsa)
    desk.page.set_viewport_size({"width": 320, "height": 800})
    for path in (f"/control/{done.folio}/expediente/", "/solicitudes/verificador/"):
        desk.go(path)
        good(desk.page)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= 320, path
    desk.go(f"/control/{done.folio}/expediente/")
    printed = PdfReader(BytesIO(desk.page.pdf(format="Letter", prefer_css_page_size=True)))
    pages = [page.extract_text() for page in printed.pages]
    for number, text in enumerate(pages, start=1):
        assert f"Página {number} de {len(pages)}" in " ".join(text.split())
    assert all(len(text.split()) > 120 for text in pages[:-1])  # none is half empty
    whole = " ".join(" ".join(pages).split())
    for words in (
        "Al ",
        "(UTC−6)",
        "Se designó a quien implementa",
        "Mesa de control la verificó",
        signing.find_present_key().fingerprint[:8],
    ):
        assert words in whole
