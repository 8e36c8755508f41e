"""The board «Cumplimiento del manual»: every clause has a row, true numbers, and no green where nothing is built."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from change_requests.models import FormalRequest
from change_requests.operations import deadlines
from change_requests.packages import operations as packages
from change_requests.packages.models import PackageFileCheck
from factureya.core import clock
from factureya.core.calendar import load_attention_hours
from factureya.core.record import anchors, state, verification
from factureya.dev.management.commands.manual import PROMISES
from factureya.oversight import board
from factureya.oversight.evidence.facts import State, read_facts
from factureya.oversight.evidence.packages import STEP_AGE
from factureya.testing.budgets import budget, statements_of
from factureya.testing.packages import WHY, Packages, damage
from factureya.testing.pages import make_client, text_of
from factureya.testing.people import Cast, make_auditor
from factureya.testing.request_histories import make
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.django_db
MEXICO = ZoneInfo("America/Mexico_City")
BOARD = "oversight:board"
COUNTED, KEPT = 60, 12  # statements of the page when the evidence is counted, and within the minute after


def mexico(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MEXICO)


def evidence_of(clause: str) -> Any:
    return board.EVIDENCE[clause](read_facts())


@pytest.mark.clause("M26")
def test_every_clause_of_the_manual_has_a_row_and_its_evidence() -> None:
    shown = [clause for _title, rows in board.GROUPS for clause in rows]
    assert shown == list(PROMISES)
    assert set(board.EVIDENCE) == set(PROMISES)
    assert set(board.load_tests()) == set(PROMISES)


@pytest.mark.clause("M26")
def test_what_is_not_built_is_said_so_and_what_is_built_has_tests(cast: Cast) -> None:
    rows = {row.clause: row for row in board.read_board(cast.elsa).all_rows}
    not_built = {clause for clause, row in rows.items() if row.state == State.NOT_BUILT}
    assert not_built == set()
    for clause, row in rows.items():
        assert row.text, clause


@pytest.mark.clause("M21")
def test_an_overdue_request_turns_its_clause_red_with_a_link(cast: Cast) -> None:
    request = make(cast, "in_approval")
    assert evidence_of("M21").state == State.OK
    FormalRequest.objects.filter(pk=request.pk).update(due_at=clock.now() + timedelta(hours=4))
    assert evidence_of("M21").state == State.ATTEND
    FormalRequest.objects.filter(pk=request.pk).update(due_at=clock.now() - timedelta(minutes=1))
    late = evidence_of("M21")
    assert late.state == State.LATE
    assert late.items[0].url == reverse("control:request", args=[request.folio])
    assert "1 por aprobar" in late.text


@pytest.mark.clause("M13", "M15")
def test_late_tickets_turn_their_clauses_red(cast: Cast) -> None:
    with time_machine.travel(mexico("2026-12-07T09:00"), tick=False):
        ticket = make_ticket(requester=cast.ana)
    assert ticket.reply_due_at == mexico("2026-12-07T13:00")
    for instant, expected in (
        ("2026-12-07T13:00:00", State.OK),
        ("2026-12-07T13:00:01", State.ATTEND),
        ("2026-12-08T13:00:00", State.ATTEND),  # a business day after our goal
        ("2026-12-08T13:00:01", State.LATE),
    ):
        with time_machine.travel(mexico(instant), tick=False):
            found = evidence_of("M13")
            assert found.state == expected, instant
            assert evidence_of("M15").state == State.OK
    assert found.items[0].label == f"{ticket.number}: meta de respuesta ayer, 13:00"


@pytest.mark.clause("M21")
@pytest.mark.parametrize(
    ("status", "begin", "near"),
    [
        # 9 attention hours a day, from 9:00 to 14:00 and from 15:00 to 19:00.
        ("verifying", "2026-12-07T10:00", "2026-12-07T17:45"),  # 1 day: the last 2 h 15 min
        ("verifying", "2026-12-06T23:00", "2026-12-07T16:45"),  # from the opening of Monday on
        ("in_approval", "2026-12-07T10:00", "2026-12-08T15:30"),  # 2 days: the last 4 h 30 min
        ("in_approval", "2026-12-11T10:00", "2026-12-14T15:30"),  # over a weekend
    ],
)
def test_a_request_is_to_be_attended_to_in_the_last_quarter_of_its_time(
    cast: Cast, status: str, begin: str, near: str
) -> None:
    with time_machine.travel(mexico(begin), tick=False):
        request = make(cast, status)
    with time_machine.travel(mexico(near) - timedelta(seconds=1), tick=False):
        assert evidence_of("M21").state == State.OK
        assert evidence_of("M21").text.endswith("ninguna por vencer")
    with time_machine.travel(mexico(near), tick=False):
        found = evidence_of("M21")
    assert (found.state, [item.label.partition(":")[0] for item in found.items]) == (State.ATTEND, [request.folio])


@pytest.mark.clause("M21")
def test_an_approved_request_has_its_time_from_when_it_may_be_applied() -> None:
    turn, begin, end = mexico("2026-12-07T10:00"), mexico("2026-12-21T10:00"), mexico("2026-12-29T10:00")
    request = FormalRequest(status="approved", turn_since=turn, execute_after=begin, due_at=end)
    hours = load_attention_hours()
    # 5 business days have 45 hours, the 25th is none: their last quarter is 11 h 15 min.
    assert not deadlines.is_due_soon(request, mexico("2026-12-24T17:44"), hours)
    assert deadlines.is_due_soon(request, mexico("2026-12-24T17:45"), hours)
    assert deadlines.is_due_soon(request, mexico("2027-01-04T12:00"), hours)
    assert deadlines.find_latest_near(turn, hours) == mexico("2026-12-14T10:00")


@pytest.mark.clause("M24", "M25")
def test_executions_by_development_and_unchecked_waivers(cast: Cast) -> None:
    make(cast, "executed")
    assert evidence_of("M24").text == "1 ejecución, 0 de Desarrollo sin excepción"
    assert evidence_of("M25").state == State.OK
    assert evidence_of("M1").text.startswith("1 solicitud aplicada y 0 cambios de emergencia")


@pytest.mark.clause("M26")
@pytest.mark.usefixtures("_guarded")
def test_the_log_s_clause_follows_the_last_verification(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evidence_of("M26").state == State.ATTEND  # never verified
    make(cast, "verifying")
    state.record_missing()  # the cast's companies were written past the operations
    anchors.seal_day()
    verification.verify_log()
    assert evidence_of("M26").state == State.OK
    with time_machine.travel(clock.now() + timedelta(hours=37), tick=False):
        assert evidence_of("M26").state == State.ATTEND
    flaw = verification.Flaw("request:1", 2, "no enlaza con el anterior")
    monkeypatch.setattr(verification.audit, "find_flaws", lambda: iter([flaw]))
    verification.verify_log()
    assert evidence_of("M26").state == State.LATE


@pytest.mark.clause("M22")
def test_without_emergency_accounts_the_clause_is_to_be_attended_to() -> None:
    assert evidence_of("M22").state == State.ATTEND
    assert evidence_of("M23").state == State.OK
    assert evidence_of("M27").state == State.OK


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
def test_the_steps_of_packages_and_the_nightly_comparison(settings: Any, tmp_path: Path) -> None:
    settings.PACKAGES_DIR, settings.PACKAGE_FREE_BYTES = tmp_path, 0
    scene = Packages()
    steps = {"M28": "por autorizar", "M29": "por dictaminar", "M30": "por decidir", "M31": "por ponderar"}
    change = scene.ask()
    acts = (scene.authorize, scene.judge, scene.choose, scene.weigh)
    for (clause, wait), act in zip(steps.items(), acts, strict=True):
        waiting = evidence_of(clause)  # it is normal that a change waits for its next step
        assert (waiting.state, waiting.items) == (State.OK, ())
        assert waiting.text.endswith(f"; 1 {wait}")
        with time_machine.travel(clock.now() + STEP_AGE + timedelta(minutes=1), tick=False):
            late = evidence_of(clause)
        assert (late.state, len(late.items)) == (State.ATTEND, 1)
        assert f"{change.folio}: falta" in late.items[0].label
        assert "sin movimiento desde" in late.items[0].label
        change = act(change)
        assert wait not in evidence_of(clause).text
    assert evidence_of("M32").text == "1 original guardado"
    packages.compare_files()
    assert evidence_of("M32").state == State.OK
    PackageFileCheck.objects.update(checked_at=clock.now() + timedelta(days=9999))  # nobody compares tomorrow
    with time_machine.travel(clock.now() + timedelta(hours=37), tick=False):
        assert "no corre" in evidence_of("M32").text
    packages.compare_files()
    assert evidence_of("M32").state == State.OK
    scene.release(scene.test(scene.copy(change)))
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    assert evidence_of("M32").items[0].label == "PAC-500 v3.3: falta pasarle PAC-500-v3.2+fy.1"
    carrier = scene.ask(package_pk=newer.pk, port_of_pk=scene.last_copy(change).pk)
    assert (evidence_of("M32").state, evidence_of("M32").items) == (State.OK, ())
    packages.cancel_change(carrier.pk, reason=WHY, actor=scene.cast.laura)
    assert evidence_of("M32").state == State.ATTEND
    assert evidence_of("M31").text == "1 impacto estimado; lo liberado cuesta 6 horas al año"
    damage(scene.package.original)
    with time_machine.travel(clock.now() + timedelta(hours=37), tick=False):
        assert "no corre" in evidence_of("M32").text
        packages.compare_files()
        late = evidence_of("M32")
        assert (late.state, "alterado" in late.items[0].label) == (State.LATE, True)


@pytest.mark.clause("M26")
def test_the_page_its_tabs_and_the_tests_of_one_clause(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    olga = make_client(make_auditor())
    text = text_of(olga.get(reverse(BOARD)))
    assert "Aún no construido 0" in text
    assert "Pruebas de" not in text
    only = olga.get(reverse(BOARD), {"ver": "pendientes"})
    assert {row.state for group in only.context["board"].groups for row in group.rows} <= {State.ATTEND, State.LATE}
    proof = text_of(olga.get(reverse(BOARD), {"pruebas": "M15"}))
    assert "Pruebas de M15 (" in proof
    assert "test_" in proof
    tests = board.load_tests()
    monkeypatch.setattr(board, "load_tests", lambda: {**tests, "M33": {}})
    assert "Todavía ninguna prueba nombra esta cláusula." in text_of(olga.get(reverse(BOARD), {"pruebas": "M33"}))
    assert "Pruebas de" not in text_of(olga.get(reverse(BOARD), {"pruebas": "M99"}))


@pytest.mark.clause("M24")
def test_the_implementer_gets_no_link_to_what_is_not_his(cast: Cast) -> None:
    request = make(cast, "in_approval")
    FormalRequest.objects.filter(pk=request.pk).update(due_at=clock.now() - timedelta(minutes=1))
    assert request.folio in text_of(make_client(cast.elsa).get(reverse(BOARD)))
    assert request.folio not in text_of(make_client(cast.gina).get(reverse(BOARD)))


@pytest.mark.clause("M26")
def test_the_budget_of_the_board(cast: Cast, client: Client) -> None:
    client = make_client(cast.elsa)
    path = reverse(BOARD)
    few = statements_of(lambda: client.get(path))
    for _ in range(5):
        make_ticket(requester=cast.ana)
    cache.clear()
    budget(few, statements_of(lambda: client.get(path)), COUNTED)
    assert len(statements_of(lambda: client.get(path))) <= KEPT
