"""Packages in Chromium: from the original to the revert, a file that goes on after a page was closed (M28–M32)."""

import os
import re
from pathlib import Path

import pytest

from change_requests.packages import operations, views_files
from change_requests.packages.models import PackageChange, PackageUpload, SupplierPackage
from factureya.testing.browsers import Desk, good
from factureya.testing.packages import NEED, PATCH, PDF, WHY, Packages
from factureya.testing.people import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AT = "/control/paquetes/"
MEGABYTE = 1024 * 1024


class PackageDesk(Desk):
    """The browser at the pages of packages, which have forms of steps and files that arrive in pieces."""

    button = "button[data-fy-waits]"  # before it stands a hidden one, for the Enter key

    def fill(self, step: str, **typed: str) -> None:
        """Type into the fields of a step's form, and the password if it is asked for."""
        for name, text in typed.items():
            self.page.fill(f"#id_{step}_{name}", text)
        if self.page.locator(f"#id_{step}_password").count():
            self.page.fill(f"#id_{step}_password", PASSWORD)

    def choose_file(self, selector: str, file: Path) -> None:
        """Choose a file, and wait until all of it has arrived."""
        self.page.set_input_files(selector, file)
        self.page.wait_for_selector(f".fy-drop:has({selector}) [data-fy-amount]:has-text('completo')", timeout=60_000)


@pytest.fixture
def desk(page, live_server):
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return PackageDesk(page, live_server, AT)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """An original and a copy of several pieces each, a patch, and a licence."""
    made = {
        "original": b"PK\x03\x04" + os.urandom(9 * MEGABYTE),
        "copy": b"PK\x03\x04" + os.urandom(13 * MEGABYTE),
        "patch": PATCH,
        "licence": PDF,
    }
    names = {
        "original": "pac-500-v3.2.zip",
        "copy": "pac-500-v3.2-fy.1.zip",
        "patch": "aviso.diff",
        "licence": "contrato.pdf",
    }
    for name, content in made.items():
        (tmp_path / names[name]).write_bytes(content)
    return {name: tmp_path / file for name, file in names.items()}


def register(desk: PackageDesk, cast, files: dict[str, Path]) -> SupplierPackage:
    """Laura registers a package; the empty form says what is missing."""
    page = desk.page
    desk.enter(cast.laura)
    desk.says("Todavía no hay paquetes")
    page.click("text=Registrar un paquete")
    page.click("button[data-fy-waits]")
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    good(page)
    typed = {
        "supplier": "Timbrado del Centro",
        "name": "PAC-500",
        "version": "v3.2",
        "software": "Conector de timbrado",
        "credits": "500",
        "price": "845.00",
        "months": "12",
        "valid_from": "2026-01-01",
        "licence_name": "Contrato 2025",
        "licence_text": "Cláusula 7: permite una copia marcada.",
    }
    for name, text in typed.items():
        page.fill(f"#id_{name}", text)
    desk.choose_file("#id_original", files["original"])
    assert page.input_value("#id_original") == ""  # the form does not send it once more
    good(page)
    page.click("button[data-fy-waits]")
    desk.says("quedó registrado")
    return SupplierPackage.objects.get()


def ask(desk: PackageDesk, package: SupplierPackage) -> PackageChange:
    """Laura asks for a change."""
    page = desk.page
    page.click("text=Pedir un cambio")
    assert page.input_value("#id_package") == str(package.pk)
    good(page)
    page.fill("#id_title", "avisar cuando queden 20 créditos")
    page.fill("#id_need", NEED)
    page.click("text=Pedir autorización")
    desk.says("Falta la autorización del Área Informática")
    assert page.locator("input[type=file]").count() == 0
    return PackageChange.objects.get()


def decide(desk: PackageDesk, cast, change: PackageChange, files: dict[str, Path]) -> None:
    """Jorge authorizes, Elsa judges the licence, Jorge chooses, Laura estimates, Jorge signs."""
    page, path = desk.page, f"cambios/{change.folio}/"
    desk.enter(cast.jorge, path)
    desk.says("1. ¿Autoriza este cambio?")
    page.check("#id_autorizar_verdict_0")
    desk.fill("autorizar", reason=WHY)
    desk.send("autorizar")
    page.wait_for_selector("text=Quedó registrada su decisión")
    desk.enter(cast.elsa, path)
    desk.says("2. Dictamine la licencia")
    page.check("#id_licencia_verdict_0")
    desk.fill("licencia", clause="7.2", analysis=NEED)
    desk.choose_file("#id_licencia_document", files["licence"])
    desk.send("licencia")
    page.wait_for_selector("text=Quedó registrado el dictamen")
    desk.enter(cast.jorge, path)
    desk.says("3. Decida quién lo modifica")
    sides = [f"{who}_{side}" for who in ("own", "supplier", "third") for side in ("in_favour", "against")]
    desk.fill("opciones", **dict.fromkeys(sides, WHY), reason=WHY)
    page.check("#id_opciones_chosen_0")
    desk.send("opciones")
    page.wait_for_selector("text=Quedó decidido quién lo modifica")
    desk.enter(cast.laura, path)
    desk.says("4. Pondere el impacto de mantenerlo")
    desk.fill("impacto", hours="6", cost="5,400", risk=WHY, support=WHY)
    desk.send("impacto")
    page.wait_for_selector("text=Quedó registrado el impacto")
    desk.enter(cast.jorge, path)
    desk.says("4. Firme el impacto")
    desk.fill("firmar-impacto")
    desk.send("firmar-impacto")
    page.wait_for_selector("text=Quedó firmado")


def break_off(desk: PackageDesk, change: PackageChange, file: Path) -> None:
    """Choose the copy, and close the page when two pieces of it have arrived."""
    page, sent = desk.page, []

    def let_two_through(route):
        sent.append(route.request.method)
        if sent.count("POST") > 2:
            route.abort()
        else:
            route.continue_()

    page.route(re.compile("/subidas/copy/"), let_two_through)
    page.set_input_files("#id_copia_copy", file)
    page.wait_for_selector("text=8 de 13 MB")
    assert page.get_attribute("form[aria-labelledby=h-copia] button[data-fy-waits]", "aria-disabled") == "true"
    assert page.get_attribute(".fy-drop:has(#id_copia_copy) progress", "value") == str(8 * MEGABYTE)
    page.click("form[aria-labelledby=h-copia] button[data-fy-waits]", force=True)  # nothing is sent before it is whole
    page.wait_for_selector("text=Sin conexión; sigo intentando")
    good(page)
    page.unroute(re.compile("/subidas/copy/"))
    desk.go(f"cambios/{change.folio}/")
    upload = PackageUpload.objects.get()
    assert upload.received == 8 * MEGABYTE


def copy_and_test(desk: PackageDesk, cast, change: PackageChange, files: dict[str, Path]) -> None:
    """Gina brings the copy, which breaks off and goes on; Laura tests it, Jorge releases it."""
    page, path = desk.page, f"cambios/{change.folio}/"
    desk.enter(cast.gina, path)
    desk.says("5. Suba la copia identificada")
    assert page.input_value("#id_label") == "PAC-500-v3.2+fy.1"
    break_off(desk, change, files["copy"])
    desk.says("Elija el mismo archivo para seguir")
    offsets = []
    page.on("request", lambda request: offsets.append(request.headers.get("x-upload-offset")))
    desk.choose_file("#id_copia_copy", files["copy"])
    assert [offset for offset in offsets if offset] == [str(8 * MEGABYTE), str(12 * MEGABYTE)]  # on, not anew
    desk.choose_file("#id_copia_patch", files["patch"])
    desk.send("copia")
    page.wait_for_selector("[data-fy-errors]")
    assert "completo" in page.inner_text(".fy-drop:has(#id_copia_copy)")
    good(page)
    desk.fill("copia", change_log=WHY, reapply_notes=WHY)
    desk.send("copia")
    desk.says("Quedó guardada la copia")
    desk.enter(cast.laura, path)
    desk.says("6. Pruebe la copia")
    page.check("#id_prueba_passed_0")
    desk.fill("prueba", notes=WHY)
    desk.send("prueba")
    page.wait_for_selector("text=Quedó registrada la prueba")
    desk.enter(cast.jorge, path)
    desk.says("7. Libere la copia")
    desk.fill("liberar", note=WHY)
    desk.send("liberar")
    desk.says("La copia quedó en uso")


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
def test_from_the_original_to_the_revert(desk, cast, files):
    page = desk.page
    package = register(desk, cast, files)
    change = ask(desk, package)
    decide(desk, cast, change, files)
    copy_and_test(desk, cast, change, files)
    desk.enter(cast.laura)
    desk.says("Copia PAC-500-v3.2+fy.1")
    page.click("text=Ver y revertir")
    desk.says("Copias identificadas")
    page.click("text=ver y revertir")
    desk.fill("revertir", reason=WHY)
    desk.send("revertir")
    desk.says("Volvió el original")
    page.click("main summary >> nth=0")
    for name, link in (("original", "Descargar el original"), ("copy", "pac-500-v3.2-fy.1.zip")):
        with page.expect_download() as download:
            page.click(f"text={link}")
        assert Path(download.value.path()).read_bytes() == files[name].read_bytes()
    assert download.value.suggested_filename == "pac-500-v3.2-fy.1.zip"
    change.refresh_from_db()
    assert change.status == PackageChange.Status.REVERTED


@pytest.mark.clause("M32")
def test_another_file_begins_anew_and_cancelling_leaves_nothing(desk, cast, files, tmp_path):
    scene = Packages(cast)
    change = scene.bring(PackageChange.Status.IMPACT_WEIGHED)
    page = desk.page
    desk.enter(cast.gina, f"cambios/{change.folio}/")
    break_off(desk, change, files["copy"])
    other = tmp_path / "otra.zip"
    other.write_bytes(b"PK\x03\x04" + os.urandom(5 * MEGABYTE))
    desk.choose_file("#id_copia_copy", other)
    upload = operations.find_upload(cast.gina, "copy", change.pk)
    assert (upload.name, upload.size) == ("otra.zip", other.stat().st_size)
    page.fill("#id_copia_change_log", WHY)
    page.click(".fy-drop:has(#id_copia_copy) [name=cancelar]")
    page.wait_for_selector(".fy-drop:has(#id_copia_copy) [data-fy-going]", state="hidden")
    assert not PackageUpload.objects.exists()
    assert page.input_value("#id_copia_change_log") == WHY
    wrong = tmp_path / "texto.zip"
    wrong.write_text("no es un zip")
    page.set_input_files("#id_copia_copy", wrong)
    desk.says("La copia es un ZIP o un TAR.GZ")


@pytest.mark.clause("M32")
def test_enter_sends_the_form_and_keeps_the_upload(desk, cast, files):
    page = desk.page
    desk.enter(cast.laura, "nuevo/")
    desk.choose_file("#id_original", files["original"])
    page.fill("#id_supplier", "Timbrado del Centro")
    page.press("#id_supplier", "Enter")
    page.wait_for_selector("[data-fy-errors]")
    assert "completo" in page.inner_text(".fy-drop:has(#id_original)")
    assert PackageUpload.objects.get().is_finished
    change = Packages(cast).bring(PackageChange.Status.AUTHORIZED)
    desk.enter(cast.elsa, f"cambios/{change.folio}/")
    desk.choose_file("#id_licencia_document", files["licence"])
    page.press("#id_licencia_clause", "Enter")
    page.wait_for_selector("[data-fy-errors]")
    assert operations.find_upload(cast.elsa, "licence", change.pk).is_finished


@pytest.mark.clause("M32")
def test_a_full_disk_is_said_while_the_file_goes_up(desk, cast, files, monkeypatch):
    change = Packages(cast).bring(PackageChange.Status.IMPACT_WEIGHED)

    def refuse(*_args, **_options):
        raise operations.Unstorable

    monkeypatch.setattr(views_files.operations, "append_piece", refuse)
    desk.enter(cast.gina, f"cambios/{change.folio}/")
    desk.page.set_input_files("#id_copia_copy", files["copy"])
    desk.says("No hay espacio en el servidor")
    assert not PackageUpload.objects.exists()


@pytest.mark.clause("M28", "M32")
def test_the_copy_without_javascript(browser, live_server, cast, files):
    context = browser.new_context(java_script_enabled=False)
    desk = PackageDesk(context.new_page(), live_server, AT)
    page, change = desk.page, Packages(cast).bring(PackageChange.Status.IMPACT_WEIGHED)
    desk.enter(cast.gina, f"cambios/{change.folio}/")
    assert page.is_visible("text=Sin JavaScript, hasta 250 MB")
    page.set_input_files("#id_copia_copy", files["copy"])
    desk.fill("copia", change_log=WHY)
    desk.send("copia")
    page.wait_for_selector("text=Falta corregir 2 datos")
    assert "completo" in page.inner_text(".fy-drop:has(#id_copia_copy)")
    page.set_input_files("#id_copia_patch", files["patch"])
    desk.fill("copia", reapply_notes=WHY)
    desk.send("copia")
    page.wait_for_selector("text=Quedó guardada la copia")
    assert change.copies.get().file.size == files["copy"].stat().st_size
    context.close()
