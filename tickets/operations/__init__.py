"""Change tickets: every change of a ticket is one of these functions.

Each opens a transaction, locks the ticket's row, re-reads it, asks whether the verb applies and whether the person
may; then writes the change, exactly one Event, and the mails into the outbox, all or nothing.
Times come from `core.clock`. `form_key` is the one-time key of a form: the second call with it changes nothing.
"""

from factureya.core.refusals import FilesGone, FormUsed, WrongStatus
from tickets.operations._common import (
    Incomplete,
    NewerMessage,
    TicketClosed,
    TicketMerged,
    reminder_before,
    reminder_lookahead,
)
from tickets.operations.authorizing import decide_authorization
from tickets.operations.by_mail import mail_bounced, release_close, retry_mail, robot_answered, void_silence_close
from tickets.operations.by_phone import add_by_phone, open_by_phone
from tickets.operations.closing import (
    close_unanswered,
    confirm_by_phone,
    confirm_resolved,
    reminder_sent,
    warn_before_close,
)
from tickets.operations.conversation import add_information, add_note, answer, answer_out_of_scope
from tickets.operations.desk import assign, classify, hand_over, move_to_customer, take
from tickets.operations.merging import may_undo, merge_ticket, split_message, undo_merge
from tickets.operations.opening import find_incident, follow_up, open_ticket
from tickets.operations.tray import discard_mail, link_mail, open_from_mail

__all__ = [
    "FilesGone",
    "FormUsed",
    "Incomplete",
    "NewerMessage",
    "TicketClosed",
    "TicketMerged",
    "WrongStatus",
    "add_by_phone",
    "add_information",
    "add_note",
    "answer",
    "answer_out_of_scope",
    "assign",
    "classify",
    "close_unanswered",
    "confirm_by_phone",
    "confirm_resolved",
    "decide_authorization",
    "discard_mail",
    "find_incident",
    "follow_up",
    "hand_over",
    "link_mail",
    "mail_bounced",
    "may_undo",
    "merge_ticket",
    "move_to_customer",
    "open_by_phone",
    "open_from_mail",
    "open_ticket",
    "release_close",
    "reminder_before",
    "reminder_lookahead",
    "reminder_sent",
    "retry_mail",
    "robot_answered",
    "split_message",
    "take",
    "undo_merge",
    "void_silence_close",
    "warn_before_close",
]
