"""An emergency in Chromium, from the seal to the signed review; axe on each page, 320 px wide (M22, M23, M26, M27)."""

from datetime import timedelta

import pytest

from accounts.models import Customer
from change_requests.emergency import operations
from change_requests.emergency.models import EmergencyAccount, EmergencyCause, EmergencyGrant
from factureya.testing.browsers import Desk, good
from factureya.testing.people import PASSWORD, make_neighbours
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AT = "/control/emergencias/"
WHY = "Lo comprobé con el cliente por teléfono."
REASON = "El domicilio perdió el número interior; hay que volver a ponerlo."
NEW = "Blvd. Atlixco 3505, int. 4, Las Ánimas, 72190 Puebla, Pue."


@pytest.fixture(autouse=True)
def quick(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def cast():
    """The neighbours, and the causes that a migration made before a flush."""
    EmergencyCause.objects.get_or_create(
        code="datos-corruptos",
        defaults={
            "title": "Datos fiscales corruptos en producción",
            "procedure": "Se compara lo guardado con la constancia del cliente.",
        },
    )
    return make_neighbours()


@pytest.fixture
def desk(page, live_server):
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return Desk(page, live_server, AT)


def seal(desk: Desk, cast) -> dict[str, str]:
    """The officer adds the account and names two custodians; each sees his half, prints it and says it is sealed."""
    page, halves = desk.page, {}
    desk.enter(cast.elsa)
    desk.says("Todavía no hay cuentas de emergencia")
    page.click("text=Agregar una cuenta")
    page.fill("#id_alias", "emergencia-01")
    page.fill("#id_purpose", "Leer clientes y corregir un dato")
    page.check("#id_scope_0")
    page.fill("#id_password", PASSWORD)
    good(page)
    desk.send("account")
    desk.says("Sello de emergencia-01")
    page.select_option("#id_start_custodian_a", str(cast.laura.pk))
    page.select_option("#id_start_custodian_b", str(cast.jorge.pk))
    desk.send("start")
    desk.says("Comenzó el sello n.º 1")
    for letter, custodian in (("a", cast.laura), ("b", cast.jorge)):
        desk.enter(custodian, "cuentas/emergencia-01/sello/")
        page.fill("#id_reveal_password", PASSWORD)
        desk.send("reveal")
        desk.says("Solo la verá esta vez.")
        halves[letter] = page.inner_text(".fy-half")
        page.emulate_media(media="print")
        assert page.is_visible(".fy-half")
        for gone in ("text=Solo la verá esta vez.", ".fy-top", "h1", ".fy-foot", "form"):
            assert not page.locator(gone).first.is_visible(), gone
        page.emulate_media(media="screen")
        desk.go("cuentas/emergencia-01/sello/")
        desk.says("Su mitad ya se mostró una vez")
        assert halves[letter] not in page.content()
        page.check("#id_sealed_is_closed")
        page.check("#id_sealed_is_apart")
        desk.send("sealed")
        page.wait_for_selector("text=Registramos que su mitad está en el sobre")
    desk.says("La cuenta está sellada.")
    return halves


def ask(desk: Desk, cast) -> EmergencyGrant:
    """Gina asks for the account, for one field of Ana's company."""
    page, ticket = desk.page, make_ticket(requester=cast.ana)
    desk.enter(cast.gina)
    page.click("text=Pedir una emergencia")
    page.fill("#id_incident", ticket.number)
    page.fill("#id_customer", "papelería ocaso")  # without it nobody sees whose the number is
    page.click("text=Ver los datos de hoy de ese cliente")
    desk.says("Hoy: Av. Juárez 1420")
    page.click("text=Pedir autorización")
    page.wait_for_selector("[data-fy-errors]")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    good(page)
    page.check("input[name=cause][value=datos-corruptos]")
    page.check("input[name=fields_asked][value=fiscal_address]")
    page.fill("#id_reason", REASON)
    page.select_option("#id_minutes", "60")
    page.select_option("#id_account", index=1)
    page.click("text=Pedir autorización")
    desk.says("Se pidió la emergencia")
    return EmergencyGrant.objects.get()


def authorize_and_open(desk: Desk, cast, grant: EmergencyGrant, halves: dict[str, str]) -> None:
    """Fabián and Elsa authorize; Laura and Jorge give their halves, each in his own session."""
    page = desk.page
    for officer, said in ((cast.fabian, "falta la otra"), (cast.elsa, "Quedó autorizada")):
        desk.enter(officer, f"{grant.folio}/")
        desk.says("¿Autoriza abrir emergencia-01 por 1 hora?")
        page.check("#id_decision_verdict_0")
        page.fill("#id_decision_reason", WHY)
        page.fill("#id_decision_password", PASSWORD)
        desk.send("decision")
        desk.says(said)
    for letter, custodian in (("a", cast.laura), ("b", cast.jorge)):
        desk.enter(custodian, f"{grant.folio}/")
        page.click("text=Abrir con mi mitad")
        assert page.get_attribute("#id_half", "type") == "password"
        page.fill("#id_half", halves[letter])
        good(page)
        page.click("text=Poner mi mitad")
        page.wait_for_selector("text=Su mitad es correcta" if letter == "a" else "text=La emergencia está abierta")
        good(page)


def work_inside(desk: Desk, cast, grant: EmergencyGrant) -> None:
    """Gina enters, changes the named field, tries another one and another page, and ends it."""
    page = desk.page
    desk.enter(cast.gina, f"{grant.folio}/")
    page.fill("#id_enter_password", PASSWORD)
    desk.send("enter")
    desk.says("Todo se registra.")
    page.fill("#id_fiscal_address_new", NEW)
    page.fill("#id_fiscal_address_reason", WHY)
    page.click("text=Revisar el cambio")
    desk.says("Revise el cambio")
    page.click("text=Cambiar el dato")
    desk.says("Se cambió domicilio fiscal")
    assert Customer.objects.get(pk=grant.customer_id).fiscal_address == NEW
    page.fill("#id_fiscal_address_reason", WHY)
    page.evaluate("document.querySelector('[name=field]').value = 'phone'")
    page.click("text=Revisar el cambio")
    desk.says("La autorización no nombra ese dato")
    page.click("text=Ver a este cliente")
    desk.says("Terminar emergencia")
    desk.go("")
    desk.says("Esta página no es parte de la emergencia")
    page.click("text=Terminar emergencia")
    desk.says("La emergencia terminó. Ingrese otra vez con su cuenta.")


def review(desk: Desk, cast, grant: EmergencyGrant) -> None:
    """Elsa judges every act, by keyboard, and signs."""
    page = desk.page
    desk.enter(cast.elsa, f"{grant.folio}/revision/")
    desk.says("Revise lo que hizo")
    first = page.inner_text("#h-e")
    page.keyboard.press("j")
    page.wait_for_function("text => document.querySelector('#h-e').innerText !== text", arg=first)
    page.keyboard.press("k")
    page.wait_for_function("text => document.querySelector('#h-e').innerText === text", arg=first)
    left = len(operations.find_items(grant))
    while left:
        page.wait_for_selector(f"dl.fy-tiles div:nth-child(3) dd >> text='{left}'")
        needs_note = page.locator(".fy-rev .fy-note--bad").count() > 0
        page.keyboard.press("o" if needs_note else "c")
        assert page.is_checked(f"#id_verdict_verdict_{int(needs_note)}")
        if needs_note:
            page.fill("#id_verdict_note", WHY)
        page.click("text=Guardar y siguiente")
        left -= 1
    page.wait_for_selector("dl.fy-tiles div:nth-child(3) dd >> text='0'")
    good(page)
    page.fill("#id_sign_findings", "Se hizo lo autorizado; el otro intento se rechazó.")
    page.check("#id_sign_conform_0")
    page.fill("#id_sign_password", PASSWORD)
    desk.send("f")
    desk.says("La revisión quedó firmada")


@pytest.mark.clause("M1", "M22", "M23", "M26", "M27")
def test_from_the_seal_to_the_signed_review(desk, cast):
    halves = seal(desk, cast)
    grant = ask(desk, cast)
    authorize_and_open(desk, cast, grant, halves)
    work_inside(desk, cast, grant)
    review(desk, cast, grant)
    grant.refresh_from_db()
    assert grant.status == EmergencyGrant.Status.REVIEWED
    assert EmergencyAccount.objects.get().state == EmergencyAccount.State.UNSEALED  # to be sealed again
    with desk.page.expect_download() as download:
        desk.page.click("text=Expediente (PDF)")
    assert download.value.suggested_filename == f"expediente-{grant.folio}.pdf"
    desk.go("")
    desk.says("Conforme")
    desk.go("causas/")
    desk.says("Causas de emergencia")
    desk.go("suplencias/")
    desk.says("No hay suplencias")


def make_sealed(cast) -> tuple[EmergencyAccount, dict[str, str]]:
    """Return a sealed account and its halves, past the pages."""
    account = operations.add_account(alias="emergencia-01", purpose="Corregir un dato", scope="fix", actor=cast.elsa)
    credential = operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    halves = {}
    for letter, custodian in (("a", cast.laura), ("b", cast.jorge)):
        halves[letter] = operations.reveal_half(credential.pk, actor=custodian)
        operations.confirm_sealed(credential.pk, actor=custodian)
    return account, halves


def request(cast, account: EmergencyAccount) -> EmergencyGrant:
    """Return Gina's emergency, past the page."""
    return operations.request_grant(
        account.pk,
        actor=cast.gina,
        incident=make_ticket(requester=cast.ana).number,
        cause="datos-corruptos",
        fields=["fiscal_address"],
        reason=REASON,
        minutes=60,
    )


@pytest.mark.clause("M22", "M23", "M27")
def test_the_main_steps_without_javascript(browser, live_server, cast):
    context = browser.new_context(java_script_enabled=False)
    desk = Desk(context.new_page(), live_server, AT)
    page = desk.page
    account, halves = make_sealed(cast)
    grant = request(cast, account)
    for officer in (cast.fabian, cast.elsa):
        desk.enter(officer, f"{grant.folio}/")
        page.check("#id_decision_verdict_0")
        page.fill("#id_decision_reason", WHY)
        page.fill("#id_decision_password", PASSWORD)
        desk.send("decision")
    for letter, custodian in (("a", cast.laura), ("b", cast.jorge)):
        desk.enter(custodian, f"{grant.folio}/abrir/")
        page.fill("#id_half", halves[letter])
        page.click("text=Poner mi mitad")
    page.wait_for_selector("text=La emergencia está abierta")
    desk.enter(cast.gina, f"{grant.folio}/")
    page.fill("#id_enter_password", PASSWORD)
    desk.send("enter")
    page.fill("#id_fiscal_address_new", NEW)
    page.fill("#id_fiscal_address_reason", WHY)
    page.click("text=Revisar el cambio")
    page.click("text=Cambiar el dato")
    page.wait_for_selector("text=Se cambió domicilio fiscal")
    page.click("text=Terminar emergencia")
    page.wait_for_selector("text=La emergencia terminó")
    desk.enter(cast.elsa, f"{grant.folio}/revision/?registro=2")
    page.wait_for_selector("text=Guardar y siguiente")
    context.close()


@pytest.mark.clause("M22", "M23")
def test_what_is_wrong_and_what_is_over_passes_axe(desk, cast):
    page = desk.page
    account, _halves = make_sealed(cast)
    grant = request(cast, account)
    desk.enter(cast.fabian, f"{grant.folio}/")
    desk.send("decision")
    desk.says("Falta corregir")
    assert page.title().startswith("Error: ")
    for officer in (cast.fabian, cast.elsa):
        operations.authorize_grant(grant.pk, actor=officer, reason=WHY)
    desk.enter(cast.laura, f"{grant.folio}/abrir/")
    page.fill("#id_half", "AAAA-BBBB-CCCC-DDDD-EEEE")
    page.click("text=Poner mi mitad")
    desk.says("Le quedan 2 intentos")
    operations.delegate_office(
        office="security_officer",
        absent=cast.elsa,
        alternate=cast.jorge,
        starts_at=grant.requested_at,
        ends_at=grant.requested_at + timedelta(days=3),
        reason="Vacaciones de invierno",
        actor=cast.elsa,
    )
    desk.enter(cast.elsa, "suplencias/")
    desk.says("Vigente")
    page.click("text=Terminar la suplencia")
    desk.says("Lo que ya decidió se conserva.")
    desk.go("causas/")
    desk.send("cause")
    desk.says("Falta corregir")
    operations.revoke_grant(grant.pk, actor=cast.elsa, reason=WHY)
    desk.go(f"{grant.folio}/")
    desk.says("Se revocó")
    desk.go("cuentas/emergencia-01/sello/")
    desk.send("start")
    desk.says("Elija al custodio de la mitad A")
    desk.enter(cast.gina, "pedir/?simulacro=1")
    desk.says("sobre un cliente que no existe")
