"""Words of a row in the customer's list."""

from django import template

from factureya.core.templatetags.fy import when, when_long
from tickets import wording
from tickets.models import Ticket

register = template.Library()

register.filter("last_move", wording.last_move)


@register.filter
def row_note(ticket: Ticket) -> str:
    """What the row says under the state: until when, who has it, or when it closed."""
    if ticket.is_waiting:
        return f"Se cierra el {when_long(ticket.closes_at)}"
    return f"Terminó {when(ticket.touched_at)}" if ticket.is_closed else wording.whose(ticket)
