"""The log of events: who reads it, what a search finds, and that reading is recorded (M26)."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Office
from change_requests.emergency.halves import hide_halves
from change_requests.models import ACCESS, InformationAsset
from factureya.core import audit, clock, tasks
from factureya.core.models import Event, LogVerification
from factureya.core.record import anchors, state, verification
from factureya.oversight import log_page, reading, search
from factureya.oversight.search import LogQuery
from factureya.testing.budgets import budget, capped_statements
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import Cast, end_offices, give_office, make_agent, make_auditor, make_staff
from factureya.testing.raw_sql import refused_by
from factureya.testing.request_histories import make
from factureya.testing.tickets import make_ticket
from tickets import operations

pytestmark = pytest.mark.django_db
LOG = "oversight:log"
PAGE = 24  # statements of a page of the log, session, user and the recorded reading included


@pytest.fixture
def olga() -> Client:
    return make_client(make_auditor())


def read(reader: object, **address: str) -> log_page.LogPage:
    return log_page.read_log(reader, LogQuery.parse(address))  # type: ignore[arg-type]


@pytest.mark.clause("M26")
@pytest.mark.parametrize(
    ("office", "code"),
    [
        (Office.AUDITOR, 200),
        (Office.SECURITY_OFFICER, 200),
        (Office.IT_HEAD, 200),
        (Office.INFORMATION_OWNER, 403),
        (Office.IMPLEMENTER, 403),
        (Office.SUPERVISOR, 403),
        (Office.AGENT, 403),
    ],
)
def test_who_reads_the_log(office: str, code: int) -> None:
    client = make_client(make_staff(office))
    assert client.get(reverse(LOG)).status_code == code
    before = Event.objects.filter(verb="log.read").count()
    assert before == (1 if code == 200 else 0)


@pytest.mark.clause("M26")
def test_a_reading_is_recorded_once_in_ten_minutes_and_shown_first() -> None:
    with time_machine.travel("2026-11-24T16:41:07Z", tick=False) as traveller:
        olga = make_client(make_auditor())
        page = olga.get(reverse(LOG), {"q": "nadie", "de": "2026-11-01"})
        first = page.context["page"].rows
        assert first == []  # nobody of that name, and the reading itself is by Olga
        assert "también quedó anotada, con su nombre" in text_of(page)
        olga.get(reverse(LOG), {"q": "nadie", "de": "2026-11-01", "despues": "1.1"})  # another page of the same search
        [event] = Event.objects.filter(verb="log.read")
        assert (event.chain, event.data) == ("log:2026-11", {"q": "nadie", "de": "2026-11-01"})
        olga.get(reverse(LOG), {"q": "otra"})
        assert Event.objects.filter(verb="log.read").count() == 2
        traveller.shift(timedelta(minutes=11))
        rows = olga.get(reverse(LOG), {"que": "lecturas"}).context["page"].rows
        assert (rows[0].what, rows[0].subject.name) == ("Consultó la bitácora", "lecturas")
        assert rows[-1].subject.name == "nadie, del 2026-11-01 al día de hoy"
        assert rows[-1].when == "24 nov, 10:41:07"


@pytest.mark.clause("M22", "M26")
@pytest.mark.parametrize(
    "half",
    [
        "7KQ2-MXRT-9BDE-H4WV-3NPS",
        "7kq2.mxrt.9bde.h4wv.3nps",
        "7KQ2MXRT9B-DEH4WV3NPS",
        "7KQ2MXRT9BDEH4WV3NPS",
        "7KQ2 · MXRT · 9BDE · H4WV · 3NPS",
        "7 K Q 2 M X R T 9 B D E H 4 W V 3 N P S",
        "7KQ2/MXRT_9BDE|H4WV,3NPS",
    ],
)
def test_half_a_critical_password_typed_into_the_search_is_in_no_event(olga: Client, half: str) -> None:
    for typed in (half, f"la mitad {half}", f"¿{half}?"):
        olga.get(reverse(LOG), {"q": typed})
    texts = [event.data["q"] for event in Event.objects.filter(verb="log.read")]
    assert len(texts) > 1
    squeezed = [re.sub(r"[\W_]", "", text).upper() for text in texts]
    assert not [text for text in squeezed if any(group in text for group in ("7KQ2", "MXRT", "9BDE", "H4WV", "3NPS"))]


@pytest.mark.clause("M22")
def test_words_and_hashes_are_not_taken_for_half_a_password() -> None:
    sha256 = "abd9fe5d7866922f74f0fabb3927649864ef25c124f0f0a042a5cb2f9c811bde"
    for text in (
        f"huella {sha256}",
        "5d7866922f74f3fabb3927649864ef25",
        "Se necesaba reenrendar esta caderna ma\u00f1ana",
        "Papeler\u00eda Ocaso, del 2026-11-01",
    ):
        assert hide_halves(text) == text


@pytest.mark.clause("M26")
def test_a_search_finds_by_person_folio_number_company_and_chain(cast: Cast) -> None:
    ticket, request = make_ticket(requester=cast.ana), make(cast, "in_approval")
    other = make_ticket()
    reader = make_auditor()
    chains = {
        name: {row.subject.name for row in read(reader, q=name).rows}
        for name in (ticket.number, request.folio, cast.customer.rfc, f"user:{cast.ana.pk}")
    }
    assert chains[ticket.number] == {ticket.number}
    assert chains[request.folio] == {request.folio}
    assert chains[cast.customer.rfc] >= {ticket.number, request.folio}
    assert other.number not in chains[cast.customer.rfc]
    assert {row.who for row in read(reader, q="Laura Mesa").rows} >= {"Laura Mesa"}
    assert read(reader, q="SC-0000-0000").rows == []
    assert read(reader, q="nadie con ese nombre").rows == []
    assert {row.subject.owner for row in read(reader, q=request.folio).rows} == {cast.customer.legal_name}


@pytest.mark.clause("M26")
def test_what_somebody_did_and_what_was_done_to_him_come_once(cast: Cast) -> None:
    operations.add_note(make_ticket(requester=cast.ana).pk, agent=make_agent(), body="x")
    person = cast.laura
    reading.record_in_log("log.read", person, q="algo")
    page = search.read_page(LogQuery(), search.find_scope("Laura Mesa"))
    assert len({event.pk for event in page.rows}) == len(page.rows)
    assert person.pk in {event.actor_id for event in page.rows}


@pytest.mark.clause("M26")
def test_filters_by_group_and_days(cast: Cast) -> None:
    request, reader = make(cast, "verifying"), make_auditor()
    today = timezone.localdate()
    day, before = today.isoformat(), (today - timedelta(days=1)).isoformat()
    shown = read(reader, que="aprobaciones", de=day, a=day).rows
    assert {row.subject.name for row in shown} == {request.folio}
    assert read(reader, que="aprobaciones", a=before).rows == []
    assert read(reader, que="emergencias").rows == []
    assert read(reader, que="no-existe", de="ayer", a="9999-99-99").query.filters == {}


@pytest.mark.clause("M26")
def test_links_are_for_who_may_open_them(cast: Cast) -> None:
    ticket, request = make_ticket(requester=cast.ana), make(cast, "in_approval")
    urls = {
        name: {row.subject.name: row.subject.url for row in read(person, q=cast.customer.rfc).rows}
        for name, person in (("auditor", make_auditor()), ("officer", cast.elsa))
    }
    assert urls["auditor"][ticket.number] == reverse("admin:tickets_ticket_change", args=[ticket.pk])
    assert urls["officer"][ticket.number] == ""  # she works at no desk
    assert urls["officer"][request.folio] == reverse("control:request", args=[request.folio])


@pytest.mark.clause("M26")
def test_one_event_whole(cast: Cast, olga: Client) -> None:
    request = make(cast, "in_approval")
    event = request.events().get(verb="request.verified")
    page = olga.get(reverse("oversight:event", args=[event.pk]))
    text = text_of(page)
    for shown in (
        event.hash,
        event.prev,
        event.chain,
        "La huella corresponde al contenido",
        "Laura Mesa",
        "Supervisor",
    ):
        assert shown in text, shown
    assert Event.objects.filter(verb="log.read").get().data == {"event": f"{event.chain}, renglón {event.seq}"}
    assert olga.get(reverse("oversight:event", args=[10**9])).status_code == 404
    event.data = {"forged": True}
    assert not log_page.is_as_written(event)


@pytest.mark.clause("M26")
def test_roles_are_those_of_the_day(cast: Cast) -> None:
    person = make_staff(Office.SUPERVISOR, full_name="Rita Cambia")
    event = reading.record_in_log("log.read", person)
    roles = log_page.find_roles([event])
    assert roles[event.pk] == "Supervisor"
    end_offices(person, Office.SUPERVISOR)
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        give_office(person, Office.IT_HEAD)
        later = reading.record_in_log("log.read", person)
    assert log_page.find_roles([event, later]) == {event.pk: "Supervisor", later.pk: "Responsable del Área Informática"}
    asked = reading.record_in_log("log.read", cast.ana)
    assert log_page.find_roles([asked])[asked.pk] == "cliente"


@pytest.mark.clause("M26")
@pytest.mark.usefixtures("_guarded")
def test_the_strip_says_what_the_last_verification_found(cast: Cast, olga: Client) -> None:
    assert log_page.make_strip().title == "Sin verificar todavía."
    make(cast, "verifying")
    state.record_missing()  # the cast's companies were written past the operations
    anchors.seal_day()
    assert tasks.verify_log()
    found = LogVerification.objects.get()
    assert (found.is_whole, found.events) == (True, Event.objects.count())
    strip = log_page.make_strip()
    assert strip.is_good
    assert f"{found.events} renglones; coincide con el ancla del" in strip.text
    page = text_of(olga.get(reverse(LOG)))
    assert "Íntegra. Verificada hoy" in page
    assert "Anclas de los últimos días" in page


@pytest.mark.clause("M26")
def test_what_a_verification_found_stays(cast: Cast) -> None:
    verification.verify_log()
    with refused_by("core_logverification_no_update"):
        LogVerification.objects.update(flaws=7)
    with refused_by("core_logverification_no_delete"):
        LogVerification.objects.all().delete()


@pytest.mark.clause("M26")
def test_an_act_inside_an_emergency_names_its_account() -> None:
    """The events are those of `change_requests.emergency.operations.recording`; the grant's account gives the name."""
    event = Event(pk=1, chain="grant:EM-3Q7B-6KYE", verb="grant.act_intent", data={})
    assert log_page._find_grant(event) == "EM-3Q7B-6KYE"
    asked = Event(pk=2, chain="grant:EM-3Q7B-6KYE", verb="grant.requested", data={})
    assert log_page._find_grant(asked) == ""
    changed = Event(pk=3, chain="customer:1", verb="customer.emergency_changed", data={"grant": "EM-3Q7B-6KYE"})
    assert log_page._find_grant(changed) == "EM-3Q7B-6KYE"
    assert log_page._describe_role(event, [], set(), "emergencia-02") == "como emergencia-02"


@pytest.mark.clause("M26")
@pytest.mark.usefixtures("_guarded")
def test_a_damaged_log_is_said_to_be_damaged(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    make(cast, "verifying")
    state.record_missing()
    flaw = verification.Flaw("request:1", 2, "no enlaza con el anterior")
    monkeypatch.setattr(verification.audit, "find_flaws", lambda: iter([flaw]))
    found = verification.verify_log()
    assert not found.is_whole
    strip = log_page.make_strip()
    assert strip.title == "No está íntegra."
    assert "1 falta. La primera: request:1, renglón 2: no enlaza con el anterior" in strip.text
    assert LogVerification.objects.get() == found


@pytest.mark.clause("M26")
@pytest.mark.parametrize("address", ["", "?q=papeler", "?que=aprobaciones&de=2026-01-01", "?q=SC-0000-0000"])
def test_the_budget_of_the_log(cast: Cast, olga: Client, address: str) -> None:
    request, asset = make(cast, "in_approval"), InformationAsset.objects.exclude(code=ACCESS)[0]
    path = reverse(LOG) + address
    olga.get(path)
    few = capped_statements(lambda: olga.get(path))
    for _ in range(10):  # about a request, a person and an asset, as the events that the page showed before
        with transaction.atomic():
            audit.record("request.saved", request, actor=cast.ana, steps=[])
            audit.record("office.ended", cast.laura, actor=cast.jorge)
            audit.record("asset.owner_set", asset, actor=cast.jorge)
    budget(few, capped_statements(lambda: olga.get(path)), PAGE)
