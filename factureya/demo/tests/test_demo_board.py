"""The board is green on the demo's data, whenever it is made, and nothing is overdue on the day after (M26)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection

from accounts.models import User
from change_requests import tasks as request_tasks
from change_requests.emergency.models import EmergencyAccount
from change_requests.models import FormalRequest
from change_requests.packages import operations as packages
from factureya.core import tasks as core_tasks
from factureya.core.record import guard_record, state
from factureya.demo.management.commands import seed_demo
from factureya.demo.tickets import go_back, load_attention_hours
from factureya.oversight import board
from factureya.oversight.evidence.facts import Item, State, read_facts
from factureya.testing.people import own_provider
from tickets import tasks as ticket_tasks

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26")]
MEXICO = ZoneInfo("America/Mexico_City")
FRIDAY_EVENING, MONDAY_MORNING, HOLIDAY = "2026-12-04T19:30", "2026-12-07T08:05", "2026-11-16T11:00"
WORKING_HOURS = "2026-12-09T16:40"
# 20 hours after a demo at which nobody works: replies past our goal, and a verification in the last quarter of its day.
MAY_WAIT = {"M13", "M21"}


@pytest.fixture(autouse=True)
def _demo(settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.MEDIA_ROOT = True, tmp_path / "media"
    settings.PACKAGES_DIR, settings.PACKAGE_FREE_BYTES = tmp_path / "packages", 0
    settings.ANCHORS_DIR = tmp_path / "anchors"
    own_provider()


def read_states() -> dict[str, tuple[State, tuple[Item, ...]]]:
    """Return how each clause that is not «Al día» stands, with its items."""
    facts = read_facts()
    evidence = {clause: find(facts) for clause, find in board.EVIDENCE.items()}
    return {clause: (found.state, found.items) for clause, found in evidence.items() if found.state != State.OK}


def run_tasks() -> None:
    """Run what beat runs, so that what time does is done; nobody works."""
    ticket_tasks.close_unanswered()
    ticket_tasks.warn_before_close()
    ticket_tasks.lapse_charges()
    request_tasks.expire_due()
    request_tasks.remind_due()
    request_tasks.tidy_emergencies()
    packages.compare_files()
    core_tasks.seal_day()
    core_tasks.verify_log()
    core_tasks.sweep_outbox()


@pytest.mark.parametrize("made_at", [FRIDAY_EVENING, MONDAY_MORNING, HOLIDAY, WORKING_HOURS])
def test_every_clause_is_green_at_once_and_none_is_red_the_day_after(made_at: str) -> None:
    instant = datetime.fromisoformat(made_at).replace(tzinfo=MEXICO)
    with time_machine.travel(instant - timedelta(days=90), tick=False):
        guard_record.record_installed(connection)  # as `migrate` did
        state.record_missing()
    with time_machine.travel(instant, tick=False) as clock:
        seed_demo.seed()
        core_tasks.sweep_outbox()
        assert len(board.EVIDENCE) == 33
        assert read_states() == {}
        assert board.read_board(User.objects.get(email="elsa@demo.example")).pending_count == 0
        clock.move_to(instant + timedelta(hours=20))
        run_tasks()
        waiting = read_states()
        assert {found for found, _items in waiting.values()} <= {State.ATTEND}, waiting
        assert waiting.keys() <= MAY_WAIT, waiting
        approvals = FormalRequest.objects.filter(status="in_approval", due_at__isnull=False)
        urgent = {item.label.partition(":")[0] for item in waiting.get("M21", (None, ()))[1]}
        assert not urgent & set(approvals.values_list("folio", flat=True))


@pytest.mark.clause("M22")
def test_who_tries_an_emergency_seals_its_account_again() -> None:
    seed_demo.seed()
    accounts = EmergencyAccount.objects.order_by("alias")
    assert {account.alias: account.state for account in accounts} == dict.fromkeys(
        ("emergencia-01", "emergencia-02", "emergencia-03"), EmergencyAccount.State.SEALED
    )
    last_seals = [account.find_credential().generation for account in accounts]
    assert last_seals == [1, 1, 2]  # the drill came first, and used up its seal


@pytest.mark.parametrize(
    ("instant", "begin"),
    [
        ("2026-11-30T14:30", "2026-11-30T10:00"),  # without the hour in which nobody attends
        ("2026-11-30T13:00", "2026-11-30T09:00"),
        ("2026-11-30T12:59", "2026-11-27T18:59"),
        ("2026-11-30T03:00", "2026-11-27T14:00"),
        ("2026-11-17T08:00", "2026-11-13T14:00"),  # Monday was a holiday
    ],
)
def test_so_many_attention_hours_before(instant: str, begin: str) -> None:
    now, expected = (datetime.fromisoformat(text).replace(tzinfo=MEXICO) for text in (instant, begin))
    hours = load_attention_hours()
    found = go_back(now, timedelta(hours=4), hours)
    assert hours.hours_between(found, now) == 4
    assert hours.find_next_opening(found) == hours.find_next_opening(expected)
