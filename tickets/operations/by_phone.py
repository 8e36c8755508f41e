"""Write down what a caller says: a new ticket, or a message in a ticket that is there (M4, M5, M11, M17)."""

from collections.abc import Sequence
from typing import Any

from accounts.models import User
from factureya.core.models import Attachment
from factureya.core.refusals import NotAllowed
from tickets import policy
from tickets.calls.operations import locked_open_call, locked_verified_call, record_problem
from tickets.catalogue.reading import find_sales_category, may_take
from tickets.models import Call, Ticket
from tickets.operations._common import Channel
from tickets.operations.conversation import add_information
from tickets.operations.desk import take
from tickets.operations.opening import open_ticket


def open_by_phone(call_pk: int, *, agent: User, kind: str, takes_it: bool = False, **fields: Any) -> Ticket:
    """Open a ticket of who calls, written down by the agent, and return it; `fields` are those of `open_ticket` (M10).

    It needs no code: it says and changes nothing of the customer's, and the event says whether the caller was
    verified (M5). A call about sales (`kind`) gets the first category of that team (M4). `takes_it` assigns it to the
    agent, if he is of its team. Raises what `open_ticket` raises, and NotAllowed for a call that is over or another's.
    """
    with locked_open_call(call_pk, agent) as call:
        contact, customer = call.contact, call.customer
        if contact is None or customer is None or not policy.may_take_calls(agent):
            raise NotAllowed("Solo un agente de Factureya levanta tickets por teléfono.")
        if kind == Call.Kind.SALES:
            fields["category"] = find_sales_category()
        ticket = open_ticket(author=contact, customer=customer, agent=agent, channel=Channel.PHONE, call=call, **fields)
        record_problem(call, agent, ticket, kind)
        is_free = ticket.assignee_id is None and not ticket.is_closed and not ticket.is_merged
        if takes_it and is_free and may_take(agent, ticket.team):
            ticket = take(ticket.pk, agent=agent)
    return ticket


def add_by_phone(
    pk: int, *, agent: User, call_pk: int, body: str, files: Sequence[Attachment] = (), form_key: str | None = None
) -> Ticket:
    """Add what the caller says to a ticket of his, in the agent's verified call; it goes to Abierto (M5, M11, M13).

    Raises NotAllowed if the call is not verified or the ticket is not one he may speak of, TicketClosed, FormUsed.
    """
    with locked_verified_call(call_pk, agent) as call:
        assert call.contact is not None  # a verified call has one
        ticket = add_information(
            pk,
            author=call.contact,
            body=body,
            files=files,
            form_key=form_key,
            channel=Channel.PHONE,
            agent=agent,
            call=call,
        )
        record_problem(call, agent, ticket, call.kind)
    return ticket
