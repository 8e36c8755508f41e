"""The two clocks of a ticket: the customer's wait (M15) and the reply we owe."""

from datetime import datetime, timedelta

from django.conf import settings

from factureya.core import audit, calendar
from factureya.core.clock import now
from factureya.core.mail import outbox
from tickets import notifications
from tickets.models import Ticket
from tickets.operations._locking import OPEN, WAITING, closes_at, iso


def reminder_before() -> timedelta:
    """How long before the close the reminder must be out (M15)."""
    return timedelta(hours=settings.REMINDER_HOURS)


def reminder_lookahead() -> timedelta:
    """How much earlier a sweep may queue the reminder, so that it is never late in normal running (M15)."""
    return timedelta(minutes=settings.REMINDER_LOOKAHEAD_MINUTES)


def start_waiting(ticket: Ticket, reason: str, since: datetime, proposes_solution: bool) -> None:
    """The customer's turn: `closes_at` is counted from this public message, and a reminder is due again (M15)."""
    forget_reminder(ticket)
    release(ticket)
    ticket.status = WAITING
    ticket.wait_reason = reason
    ticket.waiting_since = since
    ticket.closes_at = ticket.queue_at = calendar.compute_reply_deadline(since)
    ticket.solution_proposed_at = since if proposes_solution else None


def stop_waiting(ticket: Ticket) -> None:
    """Our turn: no wait, no close, and a reminder that has not left is not sent."""
    forget_reminder(ticket)
    release(ticket)
    ticket.status = OPEN
    ticket.wait_reason = ticket.waiting_since = ticket.closes_at = ticket.solution_proposed_at = None


def hold(ticket: Ticket, reason: str) -> None:
    """The wait goes on, but it does not end in a close until an agent says so.

    A customer who wrote is the graver reason: it stays.
    """
    ticket.close_held_at = ticket.close_held_at or now()
    if ticket.close_held_reason != Ticket.HoldReason.FLIPS:
        ticket.close_held_reason = reason


def release(ticket: Ticket) -> None:
    """The close is not held any more."""
    ticket.close_held_at = ticket.close_held_reason = None


def forget_reminder(ticket: Ticket) -> None:
    """The ticket no longer waits on its reminder."""
    if ticket.reminder_id is not None:
        outbox.drop_mail(ticket.reminder_id)
        ticket.reminder = None


def remind(ticket: Ticket) -> None:
    """Queue the reminder; a ticket that is late gets 24 h ⚙ from now (M15)."""
    earliest = now() + reminder_before()
    if closes_at(ticket) < earliest:
        ticket.closes_at = ticket.queue_at = earliest
    event = audit.record("ticket.reminder_queued", ticket, actor=None, closes_at=iso(ticket.closes_at))
    ticket.reminder = notifications.reminder(ticket, event)
    ticket.save(update_fields=["closes_at", "queue_at", "reminder"])


def owe_reply(ticket: Ticket, since: datetime) -> None:
    """We owe a reply within FIRST_REPLY_BUSINESS_HOURS of attention, counted from the oldest unanswered message."""
    if ticket.reply_due_at is None:
        hours = settings.FIRST_REPLY_BUSINESS_HOURS
        ticket.reply_due_at = calendar.load_attention_hours().add_hours(since, hours)
        ticket.customer_waits_since = since
    ticket.queue_at = ticket.reply_due_at
