"""Change the attention hours and the days without attention (M2).

A change that moves no open deadline to an earlier time is done at once. Any other waits for a second person. Every
change is an event of the chain `calendar`, and moves the open deadlines in the same transaction; of many, the soonest.
The next change waits until the last deadline has moved.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from factureya.core import audit
from factureya.core.calendar import AttentionHours, forget_week, load_attention_hours
from factureya.core.clock import now
from factureya.core.hours import deadlines, moving
from factureya.core.hours.week import BadHours, parse_week
from factureya.core.models import AttentionWeek, CalendarChange, Heartbeat, Holiday
from factureya.core.refusals import Invalid, NotAllowed, Stale, WrongStatus

Kind, Status = CalendarChange.Kind, CalendarChange.Status
MAY_CHANGE, MAY_READ = "core.change_holiday", "core.view_holiday"
MAX_NAME = 100  # characters of why nobody attends
LAST_YEAR = 2100
_LOCK = "calendar_change"
STILL_MOVING = "Todavía se mueven los plazos del cambio anterior. Espere unos minutos y hágalo de nuevo."
SETTLED_AFTER = timedelta(minutes=20)  # longer than any transaction that read the calendar of before stays open


@dataclass(frozen=True)
class Draft:
    """Hold a change that somebody thinks of: a holiday (`name`), or the `hours` of a week, from a `day` on."""

    kind: str
    day: date
    name: str = ""
    hours: str = ""


def preview_change(draft: Draft) -> list[deadlines.Move]:
    """Return the open deadlines that a change would move; nothing is stored. Raises Invalid if it cannot be made."""
    hours, checked = _load_hours(draft)
    return deadlines.find_moves(hours, _apply_to(hours, checked), now())


def propose_change(draft: Draft, *, actor: Any, form_key: str) -> CalendarChange:
    """Make a change of the calendar, or let it wait for a second person if it shortens a deadline, and return it (M2).

    A double click (the same `form_key`) returns the change made first. Raises NotAllowed for who may not change the
    calendar, and Invalid for a day or hours that cannot be.
    """
    with _locked_calendar(actor) as person:
        if made := CalendarChange.objects.filter(form_key=form_key, proposed_by=person).first():
            return made
        hours, draft = _load_hours(draft)
        moves = deadlines.find_moves(hours, _apply_to(hours, draft), now())
        change = CalendarChange(
            kind=draft.kind,
            day=draft.day,
            name=draft.name,
            hours=draft.hours,
            shortens=any(move.is_earlier for move in moves),
            form_key=form_key,
            status=Status.PROPOSED,
            proposed_by=person,
            proposed_at=now(),
        )
        change.save(force_insert=True)
        if change.shortens:
            audit.record("calendar.proposed", change, actor=person, **_describe(change, moves))
        else:
            _apply(change, moves, person)
    return change


def preview_proposal(change: CalendarChange) -> list[deadlines.Move]:
    """Return the open deadlines that a change would move now, for who decides on it. Raises Invalid if it cannot be."""
    return preview_change(_make_draft(change))


def approve_change(pk: int, *, actor: Any, seen: str) -> CalendarChange:
    """Make the change that another person asked for, and return it. The deadlines are looked at again (M2).

    `seen` is what `deadlines.name_moves` says of the moves that the person was shown. Raises Stale if others move now,
    NotAllowed for the person who asked, WrongStatus if it was decided, and Invalid if it cannot be made any more.
    """
    with _locked_calendar(actor) as person:
        change = _get_proposed(pk)
        if change.proposed_by_id == person.pk:
            raise NotAllowed("Adelanta un plazo: lo aprueba otra persona, no quien lo pidió.")
        hours, draft = _load_hours(_make_draft(change))
        moves = deadlines.find_moves(hours, _apply_to(hours, draft), now())
        if seen != deadlines.name_moves(moves):
            raise Stale("Ya no mueve los mismos plazos que usted vio. Revise los de ahora y decida.")
        _apply(change, moves, person)
    return change


def decline_change(pk: int, *, actor: Any) -> CalendarChange:
    """Put a change aside that waits for a second person, and return it; who asked for it may do so too."""
    with _locked_calendar(actor) as person:
        change = _get_proposed(pk)
        audit.record("calendar.declined", change, actor=person, **_describe(change, []))
        change.status, change.decided_by, change.decided_at = Status.DECLINED, person, now()
        change.save(update_fields=["status", "decided_by", "decided_at"])
    return change


def settle_changes() -> int:
    """Move the deadlines that changes left for later, and those that they did not see; return how many moved.

    On PostgreSQL a ticket that is opened before the change commits counts by the calendar of before, and the change
    does not see the ticket. So the changes of the last SETTLED_AFTER are looked at again. Safe to run twice or late: a
    deadline that moved is counted by the calendar of now.
    """
    recent = CalendarChange.objects.filter(status=Status.APPLIED, decided_at__gt=now() - SETTLED_AFTER)
    changes, moved = list(recent.order_by("-decided_at", "-pk")), moving.move_pending()
    present = before = load_attention_hours() if changes else AttentionHours()
    for change in changes:
        before = _undo(before, change)
        assert change.decided_at is not None  # the filter says so
        with transaction.atomic():
            moves = deadlines.find_unmoved(before, present, change.decided_at, now())
            moved += deadlines.store_moves(moves, change.pk)
    return moved


@contextmanager
def _locked_calendar(actor: Any) -> Iterator[Any]:
    """Open a transaction in which nobody else changes the calendar; yield the actor as the database says now.

    Raises NotAllowed for who may not change it.
    """
    with transaction.atomic():
        Heartbeat.beat(_LOCK)  # locks this row until the end of the transaction
        person = get_user_model()._default_manager.get(pk=actor.pk)
        if not person.is_active or not person.has_perm(MAY_CHANGE):
            raise NotAllowed("Solo un supervisor o un superusuario cambia el horario y los días inhábiles.")
        yield person


def _make_draft(change: CalendarChange) -> Draft:
    """Return what a stored change asks for."""
    return Draft(change.kind, change.day, change.name, change.hours)


def _get_proposed(pk: int) -> CalendarChange:
    """Return the change. Raises WrongStatus unless it waits for a second person."""
    change = CalendarChange.objects.get(pk=pk)
    if change.status != Status.PROPOSED:
        raise WrongStatus(f"Ese cambio ya se decidió: {change.get_status_display().lower()}.")
    return change


def _load_hours(draft: Draft) -> tuple[AttentionHours, Draft]:
    """Return the calendar as it is, and the draft as `_check` returns it.

    Raises Invalid as it does, and while the last change still moves deadlines: what another change moves is counted
    from where they are.
    """
    if moving.is_moving():
        raise Invalid({"": STILL_MOVING})
    hours = load_attention_hours()
    return hours, _check(draft, hours)


def _check(draft: Draft, hours: AttentionHours) -> Draft:
    """Return the draft with a clean name. Raises Invalid for a day that is over, is there already, or is not there."""
    today = timezone.localdate(now())
    if not today <= draft.day <= date(LAST_YEAR, 12, 31):
        raise Invalid({"day": f"Elija un día de hoy en adelante y hasta el año {LAST_YEAR}; lo pasado ya se contó."})
    if draft.kind == Kind.HOURS:
        try:
            parse_week(draft.hours)
        except BadHours as problem:
            raise Invalid({"hours": str(problem)}) from None
        return draft
    stored_name = hours.holidays.get(draft.day)
    if draft.kind == Kind.REMOVE_HOLIDAY:
        if stored_name is None:
            raise Invalid({"day": "Ese día ya no está en la lista."})
        return replace(draft, name=stored_name)
    if stored_name is not None:
        raise Invalid({"day": "Ese día ya está en la lista."})
    name = " ".join(draft.name.split())
    if not name or len(name) > MAX_NAME:
        raise Invalid({"name": f"Escriba por qué no se atiende, en {MAX_NAME} caracteres o menos."})
    return replace(draft, name=name)


def _apply_to(hours: AttentionHours, draft: Draft) -> AttentionHours:
    """Return the calendar as it is after a change."""
    if draft.kind == Kind.HOURS:
        weeks = [*hours.weeks, (draft.day, parse_week(draft.hours))]
        return replace(hours, weeks=tuple(sorted(weeks, key=lambda pair: pair[0])))  # stable: the new one counts
    holidays = dict(hours.holidays)
    if draft.kind == Kind.ADD_HOLIDAY:
        holidays[draft.day] = draft.name
    else:
        del holidays[draft.day]
    return replace(hours, holidays=holidays)


def _undo(hours: AttentionHours, change: CalendarChange) -> AttentionHours:
    """Return the calendar as it was before a change that was the last one in it."""
    if change.kind == Kind.HOURS:
        weeks = list(hours.weeks)
        weeks.remove((change.day, parse_week(change.hours)))
        return replace(hours, weeks=tuple(weeks))
    holidays = {day: name for day, name in hours.holidays.items() if day != change.day}
    if change.kind == Kind.REMOVE_HOLIDAY:
        holidays[change.day] = change.name
    return replace(hours, holidays=holidays)


def _apply(change: CalendarChange, moves: list[deadlines.Move], person: Any) -> None:
    """Record a change, write its rows, and move the deadlines. The event comes first, or the guards refuse the rows."""
    change.shortens = any(move.is_earlier for move in moves)
    if change.shortens and change.proposed_by_id == person.pk:
        raise NotAllowed("Adelanta un plazo: lo aprueba otra persona, no quien lo pidió.")
    audit.record("calendar.changed", change, actor=person, **_describe(change, moves))
    change.status, change.decided_by, change.decided_at = Status.APPLIED, person, now()
    change.save(update_fields=["status", "shortens", "decided_by", "decided_at"])
    if change.kind == Kind.HOURS:
        AttentionWeek.objects.create(starts_on=change.day, hours=change.hours)
    elif change.kind == Kind.ADD_HOLIDAY:
        Holiday.objects.create(day=change.day, name=change.name)
    else:
        Holiday.objects.filter(day=change.day).delete()
    moving.move_deadlines(change, moves)
    transaction.on_commit(forget_week)


def _describe(change: CalendarChange, moves: list[deadlines.Move]) -> dict[str, Any]:
    """Return what an event says of a change: what it is, and how many deadlines it moves."""
    return {
        "change": change.pk,
        "kind": str(change.kind),
        "what": str(change),
        "day": change.day.isoformat(),
        "name": change.name,
        "hours": change.hours,
        "moved": len(moves),
        "shortened": sum(move.is_earlier for move in moves),
    }
