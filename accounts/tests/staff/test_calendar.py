"""The page «Horario y días inhábiles»: preview, add, remove, hours, second person (M2)."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Office
from factureya.core import calendar
from factureya.core.calendar import load_attention_hours
from factureya.core.hours import changes
from factureya.core.hours.deadlines import name_moves
from factureya.core.models import CalendarChange, Holiday
from factureya.core.refusals import Invalid
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import make_auditor, make_staff
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M2")]
PAGE, ADD, HOURS = (reverse(f"admin:core_holiday_{name}") for name in ("changelist", "add", "hours"))
TUESDAY = {"day": "2026-12-01", "name": "Puente"}


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with time_machine.travel("2026-12-01T00:30:00Z", tick=False):
        yield


@pytest.fixture
def laura() -> Any:
    return make_client(make_staff(Office.SUPERVISOR, full_name="Laura Mesa"))


@pytest.fixture
def luis() -> Any:
    return make_client(make_staff(Office.SUPERVISOR, full_name="Luis Mesa"))


def test_the_page_shows_hours_and_the_next_holidays(laura):
    page = text_of(laura.get(PAGE))
    for text in ("Lunes a viernes 9:00 a 14:00 y 15:00 a 19:00", "Sábado y domingo Cerrado", "vie 25 dic 2026 Navidad"):
        assert text in page
    assert "25 días" in page
    olga = text_of(make_client(make_auditor()).get(PAGE))
    assert "Navidad" in olga
    assert "Cambiar horario" not in olga
    assert "Agregar un día" not in olga


def test_a_holiday_is_previewed_and_then_added(laura):
    ticket = make_ticket()
    preview = laura.get(PAGE, TUESDAY)
    assert "Mueve 1 meta y ningún otro plazo." in text_of(preview)
    assert ticket.number in text_of(preview)
    assert not CalendarChange.objects.exists()
    done = laura.post(ADD, {**TUESDAY, "key": key_in(preview)}, follow=True)
    assert "Listo; ya cuenta." in text_of(done)
    assert "mar 1 dic 2026 Puente 1 día" in text_of(done)
    assert "No mueve ningún plazo." in text_of(laura.get(PAGE, {"day": "2026-12-24", "name": "Nochebuena"}))


@pytest.mark.parametrize(
    ("day", "name", "says"),
    [
        ("", "Nochebuena", "Elija el día."),
        ("25 del 12", "Navidad", "Escriba el día como AAAA-MM-DD"),
        ("2026-12-25", "Navidad", "Ese día ya está en la lista."),
        ("2026-11-01", "Ayer", "Elija un día de hoy en adelante"),
        ("0001-01-01", "Lejos", "entre los años 2000 y 2100"),
        ("2026-12-24", "", "Escriba qué se celebra"),
        ("2026-12-24", "N" * 101, "en 100 caracteres o menos"),
        ("2026-12-24", "Noche\0buena", "un carácter que no se puede guardar"),
    ],
)
def test_a_holiday_that_cannot_be_says_why_and_keeps_what_was_typed(laura, day, name, says):
    posted = {"day": day, "name": name, "key": key_in(laura.get(PAGE, TUESDAY))}
    for answer in (laura.get(PAGE, {"day": day, "name": name}), laura.post(ADD, posted)):
        page = text_of(answer)
        assert says in page
        assert "Este campo" not in page
        assert f'value="{name}"' in answer.content.decode() or "\0" in name or not name
    assert not CalendarChange.objects.exists()


def test_a_forged_key_changes_nothing(laura):
    assert "perdió su validez" in text_of(laura.post(ADD, {**TUESDAY, "key": "forged"}))
    holiday = Holiday.objects.get(day=date(2026, 12, 25))
    address = reverse("admin:core_holiday_remove", args=[holiday.pk])
    assert "perdió su validez" in text_of(laura.post(address, {"key": "forged"}))
    assert Holiday.objects.filter(pk=holiday.pk).exists()


def test_a_holiday_is_removed_and_one_that_is_over_is_not_there(laura):
    holiday = Holiday.objects.get(day=date(2026, 12, 25))
    address = reverse("admin:core_holiday_remove", args=[holiday.pk])
    page = laura.get(address)
    assert "No mueve ningún plazo." in text_of(page)
    laura.post(address, {"key": key_in(page)})
    assert not Holiday.objects.filter(pk=holiday.pk).exists()
    assert laura.get(address).status_code == 404
    past = Holiday.objects.get(day=date(2026, 11, 16))
    assert laura.get(reverse("admin:core_holiday_remove", args=[past.pk])).status_code == 404


def test_a_second_person_approves_what_shortens_a_deadline(laura, luis):
    laura.post(ADD, {**TUESDAY, "key": key_in(laura.get(PAGE, TUESDAY))})
    ticket = make_ticket()
    address = reverse("admin:core_holiday_remove", args=[Holiday.objects.get(name="Puente").pk])
    page = laura.get(address)
    assert "otra persona debe aprobarlo" in text_of(page)
    waits = laura.post(address, {"key": key_in(page)}, follow=True)
    assert "otra persona debe aprobarlo antes de que cuente" in text_of(waits)
    assert "Lo aprueba otra persona." in text_of(waits)
    change = CalendarChange.objects.get(status="proposed")
    review = reverse("admin:core_holiday_review", args=[change.pk])
    assert f'href="{review}"' not in laura.get(PAGE).content.decode()
    assert f'href="{review}"' in luis.get(PAGE).content.decode()
    own = laura.post(reverse("admin:core_holiday_approve", args=[change.pk]), seen_in(laura.get(review)), follow=True)
    assert "no quien lo pidió" in text_of(own)
    shown = luis.get(review)
    assert ticket.number in text_of(shown)
    assert "(se adelanta)" in text_of(shown)
    done = luis.post(reverse("admin:core_holiday_approve", args=[change.pk]), seen_in(shown), follow=True)
    assert "Aprobó el cambio" in text_of(done)
    assert luis.get(review).status_code == 404
    late = laura.post(reverse("admin:core_holiday_decline", args=[change.pk]), follow=True)
    assert "ya se decidió" in text_of(late)


def seen_in(page: Any) -> dict[str, str]:
    """Return what the page of a change sends back of the moves that it shows."""
    found = re.search(r'name="seen" value="(\w+)"', page.content.decode())
    return {"seen": found[1] if found else name_moves(page.context["preview"].moves)}


def test_who_approves_has_seen_each_deadline_that_moves(laura, luis):
    laura.post(ADD, {**TUESDAY, "key": key_in(laura.get(PAGE, TUESDAY))})
    make_ticket()
    address = reverse("admin:core_holiday_remove", args=[Holiday.objects.get(name="Puente").pk])
    laura.post(address, {"key": key_in(laura.get(address))})
    change = CalendarChange.objects.get(status="proposed")
    shown = luis.get(reverse("admin:core_holiday_review", args=[change.pk]))
    later = make_ticket()
    approve = reverse("admin:core_holiday_approve", args=[change.pk])
    for seen in ({}, {"seen": "otra cosa"}, seen_in(shown)):
        refused = luis.post(approve, seen, follow=True)
        assert "Ya no mueve los mismos plazos que usted vio." in text_of(refused)
        assert later.number in text_of(refused)
        change.refresh_from_db()
        assert change.status == "proposed"
    assert "Aprobó el cambio" in text_of(luis.post(approve, seen_in(refused), follow=True))


def test_a_change_that_cannot_be_made_any_more_is_not_reviewed(laura):
    laura.post(ADD, {**TUESDAY, "key": key_in(laura.get(PAGE, TUESDAY))})
    make_ticket()
    address = reverse("admin:core_holiday_remove", args=[Holiday.objects.get(name="Puente").pk])
    laura.post(address, {"key": key_in(laura.get(address))})
    change = CalendarChange.objects.get(status="proposed")
    with time_machine.travel("2026-12-03T00:30:00Z", tick=False):
        luis = make_client(make_staff(Office.SUPERVISOR))
        page = luis.get(reverse("admin:core_holiday_review", args=[change.pk]), follow=True)
        assert "Elija un día de hoy en adelante" in text_of(page)


def test_a_second_click_on_remove_is_told_that_it_is_done(laura):
    holiday = Holiday.objects.get(day=date(2026, 12, 25))
    address = reverse("admin:core_holiday_remove", args=[holiday.pk])
    key = key_in(laura.get(address))
    for _ in range(2):
        assert "Listo; ya cuenta." in text_of(laura.post(address, {"key": key}, follow=True))
    assert CalendarChange.objects.count() == 1
    assert laura.post(address, {"key": "forged"}).status_code == 404


def test_a_holiday_that_somebody_removes_meanwhile_is_no_error(laura, monkeypatch):
    holiday = Holiday.objects.get(day=date(2026, 12, 25))

    def refuse(_draft: Any) -> Any:
        raise Invalid({"day": "Ese día ya no está en la lista."})

    monkeypatch.setattr(changes, "preview_change", refuse)
    page = laura.get(reverse("admin:core_holiday_remove", args=[holiday.pk]), follow=True)
    assert "Ese día ya no está en la lista." in text_of(page)


def test_the_hours_are_changed_for_a_day_to_come(laura):
    page = laura.get(HOURS)
    assert 'value="9:00 a 14:00 y 15:00 a 19:00"' in page.content.decode()
    week = {f"day_{number}": "9 a 15" for number in range(5)} | {"day_5": "", "day_6": "cerrado", "day": "2026-12-07"}
    preview = laura.get(HOURS, week)
    assert "No mueve ningún plazo." in text_of(preview)
    done = laura.post(HOURS, {**week, "key": key_in(preview)}, follow=True)
    assert "Desde el lun 7 dic 2026" in text_of(done)
    assert "Lunes a viernes: 9:00 a 15:00" in text_of(done)
    assert load_attention_hours().find_week(date(2026, 12, 7))[5] == ()
    calendar.forget_week()
    assert "de 9:00 a 14:00" in laura.get("/").content.decode()  # until then the old ones


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"day_0": "siempre"}, "No se entiende «siempre»"),
        ({f"day_{number}": "" for number in range(7)}, "Al menos un día debe tener horas"),
        ({"day": ""}, "Elija el día."),
        ({"day": "2026-11-01"}, "Elija un día de hoy en adelante"),
    ],
)
def test_hours_that_cannot_be_say_why(laura, typed, says):
    week = {**{f"day_{number}": "9 a 15" for number in range(7)}, "day": "2026-12-07", **typed}
    assert says in text_of(laura.get(HOURS, week))
    assert says in text_of(laura.post(HOURS, {**week, "key": key_in(laura.get(PAGE, TUESDAY))}))
    assert not CalendarChange.objects.exists()
