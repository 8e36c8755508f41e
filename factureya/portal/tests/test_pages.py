"""The public pages (M2): what each offers, live hours, and no dead link."""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import reverse

from accounts.models import Office
from factureya.core import checks
from factureya.core.calendar import AttentionHours
from factureya.portal import hours
from factureya.testing.people import make_contact, make_staff, make_superuser

PAGES = ("home", "about", "support", "sat", "free_app", "free_app_terms", "system", "privacy", "accessibility")
MEXICO = ZoneInfo("America/Mexico_City")
HOLIDAYS = {date(2026, 11, 16): "Día de la Revolución", date(2026, 12, 25): "Navidad", date(2027, 1, 1): "Año Nuevo"}


def words(instant: str) -> hours.Today:
    return hours.describe_today(
        AttentionHours(HOLIDAYS, MEXICO), datetime.fromisoformat(instant).replace(tzinfo=MEXICO)
    )


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "headline", "detail"),
    [
        ("2026-11-20 10:42", "Abierto ahora", "Son las 10:42. Atendemos hasta las 14:00 y regresamos a las 15:00."),
        ("2026-11-20 18:59", "Abierto ahora", "Son las 18:59. Atendemos hasta las 19:00."),
        ("2026-11-20 14:30", "Cerrado, abre hoy a las 15:00", "Son las 14:30. Puede levantar"),
        ("2026-11-20 19:00", "Cerrado, abre el lunes 23 a las 9:00", "Son las 19:00. Puede levantar"),
        ("2026-11-19 20:15", "Cerrado, abre mañana a las 9:00", "Son las 20:15. Puede levantar"),
        ("2026-11-21 10:00", "Cerrado, abre el lunes 23 a las 9:00", "Son las 10:00. Puede levantar"),
        ("2026-11-16 10:00", "Cerrado, abre mañana a las 9:00", "Hoy no hay atención: Día de la Revolución."),
        ("2026-11-15 10:00", "Cerrado, abre el martes 17 a las 9:00", "Mañana no hay atención: Día de la Rev"),
        ("2026-11-13 20:00", "Cerrado, abre el martes 17 a las 9:00", "El lunes 16 no hay atención: Día de la"),
        ("2026-12-31 20:00", "Cerrado, abre el lunes 4 de enero a las 9:00", "Mañana no hay atención: Año Nuevo."),
        ("2026-11-20 01:05", "Cerrado, abre hoy a las 9:00", "Es la 1:05."),
    ],
)
def test_hours_in_words(instant, headline, detail):
    card = words(instant)
    assert card.headline == headline
    assert detail in card.detail
    assert card.is_open == (headline == "Abierto ahora")


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "bars", "marker"),
    [
        ("2026-11-20 10:42", 2, 54),
        ("2026-11-20 08:00", 2, 0),
        ("2026-11-20 19:59", 2, 240),
        ("2026-11-20 20:00", 2, None),
        ("2026-11-20 07:59", 2, None),
        ("2026-11-21 10:00", 0, 40),
        ("2026-11-16 10:00", 0, 40),
    ],
)
def test_the_bar_of_the_day(instant, bars, marker):
    card = words(instant)
    assert len(card.bars) == bars
    assert card.marker == marker
    if bars:
        assert card.bars == [hours.Bar(20, 100), hours.Bar(140, 80)]


@pytest.mark.clause("M2")
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["home", "support"])
@pytest.mark.parametrize(
    ("utc", "headline"),
    [
        ("2026-11-20T20:30:00Z", "Cerrado, abre hoy a las 15:00"),  # Friday 14:30
        ("2026-11-21T00:59:00Z", "Abierto ahora"),  # 18:59
        ("2026-11-21T01:00:00Z", "Cerrado, abre el lunes 23 a las 9:00"),  # 19:00
        ("2026-11-21T18:00:00Z", "Cerrado, abre el lunes 23 a las 9:00"),  # Saturday
        ("2026-11-16T18:00:00Z", "Cerrado, abre mañana a las 9:00"),  # the Revolution's holiday
    ],
)
def test_live_hours(client, name, utc, headline):
    with time_machine.travel(utc, tick=False):
        html = client.get(reverse(f"portal:{name}")).content.decode()
    assert headline in html
    assert ("is-shut" in html) == (headline != "Abierto ahora")


@pytest.mark.clause("M2")
@pytest.mark.django_db
def test_what_the_manual_promises_is_on_the_first_page(client):
    html = client.get("/").content.decode()
    for promise in (
        "Inicio",
        "¿Qué es Factureya?",
        "Atención a clientes",
        "Centro de negocios",
        "Portal para el usuario SAT",
        "Aplicación gratuita",
        "Ingresar",
        "01 800 63 22 887",
        "01 (222) 403 4091",
        "soporte@factureya.com",
        "mesadecontrol@factureya.com",
        "de 9:00 a 14:00",
        "y de 15:00 a 19:00 h",
    ):
        assert promise in html


@pytest.mark.clause("M2")
@pytest.mark.django_db
def test_the_system_is_where_a_setting_says(client, settings):
    assert "Ingresar Sistema Factureya" in client.get("/").content.decode()
    page = client.get(reverse("portal:system")).content.decode()
    assert "01 800 63 22 887" in page  # without the setting: whom to ask
    settings.FACTUREYA_SYSTEM_URL = "https://sistema.factureya.example/entrar"
    answer = client.get(reverse("portal:system"))
    assert (answer.status_code, answer["Location"]) == (302, "https://sistema.factureya.example/entrar")


@pytest.mark.clause("M2")
@pytest.mark.django_db
def test_the_free_application_has_terms_and_a_download_place(client, settings):
    page = client.get(reverse("portal:free_app")).content.decode()
    assert reverse("portal:free_app_terms") in page
    assert "enlace de descarga" in page
    settings.FREE_APP_URL = "https://descargas.factureya.example/gratuita"
    page = client.get(reverse("portal:free_app")).content.decode()
    assert page.count('href="https://descargas.factureya.example/gratuita"') == 2
    assert "Al descargarla los acepta" in page


@pytest.mark.clause("M2")
@pytest.mark.parametrize("url", ["http://sistema.example", "javascript:alert(1)", "/sistema/"])
def test_an_address_outside_that_is_not_safe_is_an_error_of_the_settings(url, settings):
    settings.FREE_APP_URL = url
    assert [problem.id for problem in checks.check_outside_addresses()] == ["core.E001"]
    settings.FREE_APP_URL = ""
    assert checks.check_outside_addresses() == []


def people() -> dict[str, object]:
    return {
        "customer": make_contact(full_name="Ana Ocaso"),
        "agent": make_staff(Office.AGENT),
        "supervisor": make_staff(Office.SUPERVISOR),
        "officer": make_staff(Office.SECURITY_OFFICER),
        "developer": make_staff(Office.DEVELOPER),
        "superuser": make_superuser(),
    }


@pytest.mark.clause("M2")
@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_pages_have_no_dead_link(client, name):
    """Every link of ours on every public page, for every kind of person, leads somewhere."""
    for person in [None, *people().values()]:
        client.logout()
        if person:
            client.force_login(person)
        response = client.get(reverse(f"portal:{name}"))
        assert response.status_code == 200
        html = response.content.decode()
        assert html.count("<h1") == 1
        links = set(re.findall(r'(?:href|action)="(/[^"]*)"', html))
        assert not re.findall(r'href="(#(?!contenido)[^"]*|)"', html)
        for link in links:
            check_link(client, link)


def check_link(client, link: str) -> None:
    if link.startswith("/static/"):
        assert finders.find(link.removeprefix("/static/")), link
    elif link == reverse("account_logout"):
        assert client.get(link).status_code in {200, 302}
    else:
        assert client.get(link).status_code in {200, 302}, link


@pytest.mark.clause("M2", "M3")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "offered", "not_offered"),
    [
        ("customer", ["Mis tickets", "Ana Ocaso", "Salir"], ["Ingresar", "Cola de tickets", "Mesa de control"]),
        ("agent", ["Cola de tickets", "Salir"], ["Mis tickets", "Mesa de control", "Levantar ticket"]),
        ("supervisor", ["Cola de tickets", "Mesa de control"], ["Mis tickets"]),
        ("officer", ["Mesa de control"], ["Mis tickets", "Cola de tickets"]),
        ("developer", ["Salir"], ["Mis tickets", "Cola de tickets", "Mesa de control"]),
        ("superuser", ["Cola de tickets"], ["Mis tickets", "Mesa de control"]),
        (None, ["Ingresar", "Levantar ticket", "Crear cuenta"], ["Salir", "Mis tickets"]),
    ],
)
def test_who_is_offered_what(client, who, offered, not_offered):
    if who:
        client.force_login(people()[who])
    html = client.get(reverse("portal:support")).content.decode()
    for text in offered:
        assert text in html
    for text in not_offered:
        assert text not in html


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", 'href="/" aria-current="page"'),
        ("/que-es/", 'href="/que-es/" aria-current="page"'),
        ("/atencion/", 'href="/atencion/" aria-current="page"'),
        ("/tickets/", 'href="/tickets/" aria-current="page"'),
        ("/tickets/nuevo/", 'href="/atencion/" aria-current="true"'),
        ("/tickets/consultar/", 'href="/atencion/" aria-current="true"'),
        ("/aviso-de-privacidad/", None),
    ],
)
def test_where_one_is(client, path, current):
    client.force_login(make_contact())
    html = client.get(path).content.decode()
    found = re.findall(r'href="[^"]*" aria-current="(?:page|true)"', html)
    assert set(found) == ({current} if current else set())


@pytest.mark.django_db
def test_a_customers_page_costs_two_queries(client, django_assert_num_queries):
    client.force_login(make_contact())
    with django_assert_num_queries(2):  # session, user
        client.get(reverse("portal:about"))
    client.logout()
    with django_assert_num_queries(0):
        client.get(reverse("portal:about"))


@pytest.mark.django_db
def test_private_answers_are_not_stored(client):
    assert "Cache-Control" not in client.get("/que-es/").headers
    client.force_login(make_contact())
    assert client.get("/que-es/").headers["Cache-Control"] == "no-store, private"


@pytest.mark.django_db
def test_login_answer_is_not_stored(client):
    user = make_contact()
    response = client.post(reverse("account_login"), {"login": user.email, "password": "Factureya-demo-2026"})
    assert settings.SESSION_COOKIE_NAME in response.cookies
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_no_inline_style_or_script(client, name):
    html = client.get(reverse(f"portal:{name}")).content.decode()
    assert not re.search(r"<style|style=|\son\w+=|data:", html)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    description = re.search(r'<meta name="description" content="([^"]+)"', html)
    assert description
    assert 50 <= len(description[1]) <= 160


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_read_only(client, name):
    response = client.post(reverse(f"portal:{name}"))
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert "Esta dirección no se abre así" in response.content.decode()


def test_robots(client):
    response = client.get("/robots.txt")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "Disallow: /tickets/" in response.content.decode()


def test_dark_tokens_are_the_same_for_both_ways():
    css = (settings.BASE_DIR / "static/css/tokens.css").read_text()
    chosen = re.search(r'html\[data-theme="dark"\] \{(.*?)\n\}', css, re.S)
    system = re.search(r'html\[data-theme="auto"\] \{(.*?)\n\}', css, re.S)
    assert chosen
    assert system
    assert chosen[1] == system[1]
