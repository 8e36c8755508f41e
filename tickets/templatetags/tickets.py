"""Rows of the customer's list, and the text of a message."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core.templatetags.fy import chip, when, when_long
from tickets import wording
from tickets.bodies import Block
from tickets.models import Ticket

register = template.Library()


@register.simple_tag
def body(blocks: Iterable[Block]) -> SafeString:
    """A message's text (tickets.bodies), escaped; a long history would pay dearly for an include per message."""
    return format_html_join("", "{}", ((_block(block),) for block in blocks))


@register.filter
def rows(tickets: Iterable[Any], reader: User) -> list[dict[str, str]]:
    """What the rows of a list print, worked out once per row: url, subject, number, meta, chip, note.

    A row that asks the template for twelve values costs more than its query; this one asks for six. The tickets come
    from `lists`, which annotates `assignee_name` and `requester_name`.
    """
    base = reverse("tickets:list")
    chips = {status: chip(status, label) for status, label in Ticket.Status.choices}
    return [
        {
            "url": f"{base}{ticket.number}/",
            "subject": ticket.subject,
            "number": ticket.number,
            "meta": _meta(ticket, reader),
            "chip": chips[ticket.status],
            "note": _note(ticket),
        }
        for ticket in tickets
    ]


def _block(block: Block) -> SafeString:
    if block.kind == "steps":
        return format_html(
            "<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((item,) for item in block.items))
        )
    if block.kind == "heading":
        return format_html('<p class="fy-strong fy-mb-1">{}</p>', block.text)
    return format_html("<p>{}</p>", linebreaksbr(block.text))


def _meta(ticket: Any, reader: User) -> str:
    """What last happened, whose the ticket is when it is a colleague's, and when it moved."""
    whose = f"de {ticket.requester_name}" if ticket.requester_id != reader.pk else ""
    parts = (wording.last_move(ticket, ticket.assignee_name), whose, when(ticket.touched_at))
    return " · ".join(part for part in parts if part)


def _note(ticket: Any) -> str:
    """What the row says under the state: until when, who has it, or when it closed."""
    if ticket.is_waiting:
        return f"Se cierra el {when_long(ticket.closes_at)}"
    return (
        f"Terminó {when(ticket.touched_at)}"
        if ticket.is_closed
        else wording.whose(ticket.assignee_name)
    )
