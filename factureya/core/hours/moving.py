"""Move the deadlines of a change of the calendar: the soonest with it, and of many the others in a task (M2).

The page answers at once, and nobody is judged by a deadline of before: what is due first moves first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from factureya.core.hours.deadlines import Deadline, Move, Unit, store_moves
from factureya.core.models import CalendarChange, CalendarMove, Event
from factureya.core.running.waking import Waker

AT_ONCE = 300  # moves in the request of who makes the change
CHUNK = 200  # moves in one transaction of the task
SETTLE_TASK = "factureya.core.tasks.settle_calendar"
_waker = Waker(SETTLE_TASK)


@dataclass(frozen=True)
class Progress:
    """Hold how many of the deadlines of a change have moved."""

    done: int
    total: int


def move_deadlines(change: CalendarChange, moves: Iterable[Move]) -> None:
    """Move the AT_ONCE soonest deadlines in the open transaction; store the others, which a worker moves after it."""
    in_order = sorted(moves, key=lambda move: min(move.due_at, move.deadline.due_at))
    store_moves(in_order[:AT_ONCE], change.pk)
    if later := in_order[AT_ONCE:]:
        CalendarMove.objects.bulk_create([_make_row(change, move) for move in later], batch_size=500)
        transaction.on_commit(_waker.wake, robust=True)


def move_pending() -> int:
    """Move the stored deadlines, the soonest first, and return how many moved.

    Safe to run twice or late: a deadline that somebody met or moved meanwhile is another one, and stays.
    """
    moved = 0
    while rows := list(CalendarMove.objects.order_by("pk")[:CHUNK]):  # in the order in which they were stored
        with transaction.atomic():
            for change_pk in sorted({row.change_id for row in rows}):
                moved += store_moves([_make_move(row) for row in rows if row.change_id == change_pk], change_pk)
            CalendarMove.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return moved


def is_moving() -> bool:
    """Return True while deadlines of the last change are still to be moved."""
    return CalendarMove.objects.exists()


def read_progress() -> Progress | None:
    """Return how far the moving of the last change is; None if nothing is to be moved."""
    left = CalendarMove.objects.count()
    if not left:
        return None
    event = Event.objects.filter(chain="calendar", verb="calendar.changed").latest("seq")
    total: int = event.data["moved"]
    return Progress(total - left, total)


def _make_row(change: CalendarChange, move: Move) -> CalendarMove:
    """Return an unsaved row for a deadline that is to be moved later."""
    deadline = move.deadline
    return CalendarMove(
        change=change,
        source=move.source,
        target=deadline.pk,
        column=deadline.column,
        due_before=deadline.due_at,
        due_after=move.due_at,
    )


def _make_move(row: CalendarMove) -> Move:
    """Return the move that a row stores; what only a page tells of a deadline is left empty."""
    return Move(row.source, Deadline(row.target, "", "", row.column, Unit.HOURS, row.due_before), row.due_after)
