"""Plain functions that make phone calls and read the code that was mailed in them."""

import re
from typing import Any

from accounts.models import User
from factureya.core.models import OutboxMessage
from factureya.testing.people import make_agent
from tickets import operations as ticket_operations
from tickets.calls import operations
from tickets.models import Call, Ticket


def read_code(call: Call) -> str:
    """Return the six digits of the last code that was mailed in this call."""
    mail = OutboxMessage.objects.filter(about=call.chain, kind="tickets/call_code").latest("pk")
    match = re.search(r"^(\d{6})$", mail.body, re.MULTILINE)
    assert match, mail.body
    return match.group(1)


def wrong_code(call: Call) -> str:
    """Return six digits that are not the code of this call."""
    return f"{(int(read_code(call)) + 1) % 10**6:06d}"


def make_verified_call(contact: User, *, agent: User | None = None, ticket: Ticket | None = None) -> Call:
    """Return a call of the contact in which the code was read back."""
    agent = agent or make_agent()
    call = operations.start_call(agent=agent, contact=contact, ticket_pk=ticket.pk if ticket else None)
    if call.is_verified:
        return call
    operations.send_code(call.pk, agent=agent)
    return operations.check_code(call.pk, agent=agent, code=read_code(call))


def confirm_by_phone(ticket: Ticket, *, agent: User | None = None, contact: User | None = None) -> Ticket:
    """Close the ticket as its contact confirmed it in a verified call."""
    call = make_verified_call(contact or ticket.requester, agent=agent)
    return ticket_operations.confirm_by_phone(ticket.pk, agent=call.agent, call_pk=call.pk)


def note_by_phone(ticket: Ticket, *, agent: User | None = None, **message: Any) -> Ticket:
    """Add what the requester says in a verified call to the ticket."""
    call = make_verified_call(ticket.requester, agent=agent)
    return ticket_operations.add_by_phone(
        ticket.pk, agent=call.agent, call_pk=call.pk, **{"body": "Ya lo intenté", **message}
    )
