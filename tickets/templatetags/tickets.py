"""Words of a row in the customer's list."""

from functools import cache

from django import template
from django.urls import reverse

from factureya.core.templatetags.fy import when, when_long
from tickets import wording
from tickets.models import Ticket

register = template.Library()

register.filter("last_move", wording.last_move)


@register.simple_tag
def ticket_url(number: str) -> str:
    """The address of a ticket's page: what {% url %} gives, without its cost in every row of a list."""
    return f"{_list_url()}{number}/"


@register.filter
def row_note(ticket: Ticket) -> str:
    """What the row says under the state: until when, who has it, or when it closed."""
    if ticket.is_waiting:
        return f"Se cierra el {when_long(ticket.closes_at)}"
    return f"Terminó {when(ticket.touched_at)}" if ticket.is_closed else wording.whose(ticket)


@cache
def _list_url() -> str:
    return reverse("tickets:list")
