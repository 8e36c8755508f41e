"""The requests and the events of a period as files with their hash, and the proof that none is missing (M21, M26)."""

import csv
import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Office
from change_requests.models import FormalRequest
from factureya.core import clock, spreadsheets
from factureya.core.models import Event
from factureya.core.refusals import NotAllowed, Refused
from factureya.oversight import exports, population, tables
from factureya.oversight.tasks import seal_population
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import Cast, make_auditor, make_staff
from factureya.testing.request_histories import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> Client:
    return make_client(make_auditor())


def today() -> Any:
    return timezone.localdate(clock.now())


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file by their headings; it begins with the mark of UTF-8."""
    text = content.decode("utf-8")
    assert text.startswith(spreadsheets.BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(spreadsheets.BOM))))


def post(client: Client, what: str) -> Any:
    data = {"what": what, "first_day": today().isoformat(), "last_day": today().isoformat()}
    return client.post(reverse("oversight:exports"), data, follow=True)


def download(client: Client, event: Event, name: str) -> bytes:
    answer = client.get(reverse("oversight:export_file", args=[event.pk, name]))
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    return b"".join(answer)


@pytest.mark.clause("M21", "M26")
def test_the_population_has_every_request_with_its_steps_and_people(cast: Cast, olga: Client) -> None:
    closed, open_one = make(cast, "closed"), make(cast, "verifying", "access", "alta")
    page = post(olga, exports.REQUESTS)
    export = page.context["export"]
    content = download(olga, export.event, "solicitudes")
    file = export.files[0]
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert file["sha256"] in text_of(page)
    assert (file["rows"], file["bytes"]) == (2, len(content))
    by_folio = {row["folio"]: row for row in rows_of(content)}
    assert set(by_folio) == {closed.folio, open_one.folio}
    row = by_folio[closed.folio]
    assert row["cliente"] == cast.customer.legal_name
    assert (row["verificó"], row["cargo de quien verificó"]) == ("Laura Mesa", "Supervisor")
    assert row["aprobó por el propietario"] == "Fabián Dueño"
    assert row["cargo de quien aprobó por seguridad"] == "Responsable de Seguridad Informática"
    assert row["implementó"] == "Gina Implementa"
    assert row["horas hasta verificada"] == f"{float(row['horas hasta verificada']):.2f}"
    assert all(row[step] for step, _verb, _counted in population.STEPS)
    head = closed.events().last()
    assert (row["renglones"], row["huella final"]) == (str(head.seq), head.hash)
    assert by_folio[open_one.folio]["aprobada"] == ""


@pytest.mark.clause("M26")
def test_the_export_is_recorded_and_a_second_click_is_the_same_one(cast: Cast, olga: Client) -> None:
    make(cast, "verifying")
    event = post(olga, exports.REQUESTS).context["export"].event
    assert event.chain == f"log:{timezone.localtime():%Y-%m}"
    assert event.actor_name == "Olga Auditora"
    assert post(olga, exports.REQUESTS).context["export"].event == event
    assert Event.objects.filter(verb="log.exported").count() == 1
    with time_machine.travel(clock.now() + timedelta(minutes=2), tick=False):
        assert post(olga, exports.REQUESTS).context["export"].event != event


@pytest.mark.clause("M26")
def test_the_proof_counts_three_ways_and_finds_a_request_without_event(cast: Cast, olga: Client) -> None:
    formal = make(cast, "verifying")
    export = post(olga, exports.REQUESTS).context["export"]
    [month] = export.months
    assert (month["requests"], month["created"], month["heads"], month["whole"]) == (1, 1, 1, True)
    assert export.is_whole
    [proof] = rows_of(download(olga, export.event, "prueba"))
    assert proof["¿coinciden?"] == "sí"
    FormalRequest.objects.create(  # written past the operations, so that it has no event
        folio="SC-0000-0001",
        form="change",
        kind="change",
        customer=formal.customer,
        requester=formal.requester,
        representative=formal.representative,
    )
    assert population.find_gaps() == ["SC-0000-0001"]
    [counted] = population.count_months(today(), today())
    assert (counted.requests, counted.created, counted.is_whole) == (2, 1, False)


@pytest.mark.clause("M26")
def test_the_events_of_a_period(cast: Cast, olga: Client) -> None:
    request = make(cast, "verifying")
    event = post(olga, exports.EVENTS).context["export"].event
    rows = rows_of(download(olga, event, "renglones"))
    last = request.events().last()
    shown = [row for row in rows if row["huella"] == last.hash]
    assert [(row["cadena"], row["renglón"], row["verbo"]) for row in shown] == [(last.chain, str(last.seq), last.verb)]
    assert len(rows) == Event.objects.filter(at__lte=event.at).count() - 1  # all but the export itself


@pytest.mark.clause("M26")
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert spreadsheets.make_safe(f"{start}HYPERLINK()") == f"'{start}HYPERLINK()"
    assert spreadsheets.make_safe("Papelería") == "Papelería"
    assert spreadsheets.make_safe(None) == ""


@pytest.mark.clause("M26")
@pytest.mark.parametrize(
    "text", ["\n=1", " =1", "\ufeff=1", "\u200b+1", "\uff1d1", "\ufe661", "\uff201", "\uff0b1", "\uff0d1"]
)
def test_no_cell_hides_how_its_formula_begins(text: str) -> None:
    assert spreadsheets.make_safe(text).startswith("'")


@pytest.mark.clause("M26")
@pytest.mark.parametrize("separator", [";", "; ", "\t", "\r\n", "|"])
def test_no_part_of_a_cell_is_a_formula_where_another_separator_rules(separator: str) -> None:
    assert spreadsheets.make_safe(f"x{separator}=1") == f"x{separator}'=1"
    assert spreadsheets.make_safe(f"x{separator}1") == f"x{separator}1"


@pytest.mark.clause("M26")
def test_who_may_not_export_and_what_is_refused(cast: Cast, olga: Client) -> None:
    day = today()
    for person in (cast.jorge, cast.laura, make_staff(Office.IMPLEMENTER)):
        with pytest.raises(NotAllowed):
            exports.export_period(exports.EVENTS, day, day, actor=person)
    for what, first, last in (
        ("otra", day, day),
        (exports.EVENTS, day, day - timedelta(days=1)),
        (exports.EVENTS, day - timedelta(days=400), day),
    ):
        with pytest.raises(Refused):
            exports.export_period(what, first, last, actor=cast.elsa)
    page = olga.post(reverse("oversight:exports"), {"what": "renglones", "first_day": "x", "last_day": ""})
    assert "Escriba la fecha" in text_of(page)
    late = {"what": "renglones", "first_day": day.isoformat(), "last_day": (day - timedelta(days=1)).isoformat()}
    assert "El periodo termina después de empezar." in text_of(olga.post(reverse("oversight:exports"), late))
    assert not Event.objects.filter(verb="log.exported").exists()


@pytest.mark.clause("M26")
def test_who_downloads_an_export_is_recorded_whoever_made_it(cast: Cast, olga: Client) -> None:
    event = exports.export_period(exports.EVENTS, today(), today(), actor=cast.elsa)
    page = olga.get(reverse("oversight:export", args=[event.pk]))
    download(olga, event, "renglones")
    download(olga, event, "renglones")
    looked, downloaded = Event.objects.filter(actor__full_name="Olga Auditora").order_by("pk")
    assert (looked.verb, looked.data) == ("log.looked", {"object": f"Exportación {event.pk}"})
    assert downloaded.verb == "log.export_downloaded"
    assert (downloaded.data["name"], downloaded.data["sha256"]) == (
        "renglones",
        page.context["export"].files[0]["sha256"],
    )
    download(make_client(cast.elsa), event, "renglones")
    assert Event.objects.filter(verb="log.export_downloaded").count() == 2


@pytest.mark.clause("M26")
def test_a_file_that_was_removed_is_said_to_be_gone(cast: Cast, olga: Client) -> None:
    event = post(olga, exports.EVENTS).context["export"].event
    tables.find_path(event.data["files"][0]["sha256"]).unlink()
    assert olga.get(reverse("oversight:export_file", args=[event.pk, "renglones"])).status_code == 404
    assert olga.get(reverse("oversight:export_file", args=[event.pk, "otro"])).status_code == 404


@pytest.mark.clause("M26")
def test_each_month_is_sealed_once_and_the_seal_shows_what_disappeared(cast: Cast) -> None:
    make(cast, "verifying")
    first = today()
    with time_machine.travel(clock.now() + timedelta(days=40), tick=False):
        assert seal_population()
        assert not seal_population()
        [sealed] = Event.objects.filter(verb=population.SEALED)
        assert sealed.data["month"] == f"{(today().replace(day=1) - timedelta(days=1)):%Y-%m}"
    month = population.Month("2026-11", 3, 3, 3, sealed)
    assert month.is_whole == (sealed.data["requests"] == 3)
    assert population.count_months(first, first)[0].requests == 1
