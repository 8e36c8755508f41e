"""Render rows of the customer's list, lines of a ticket's history, and the text of a message."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core.templatetags.fy import chip, icon, initials, iso, when, when_long
from tickets.customer import wording
from tickets.customer.my_tickets import Group
from tickets.customer.timeline import Entry
from tickets.message_text import Block
from tickets.models import Ticket

register = template.Library()

# What a page prints many times is written here and not as a template: each {{ value }} of a row costs more than the
# row's share of the query (docs/benchmarks.md). Everything goes through format_html, which escapes it.
_ROW = (
    '<li class="fy-item{}"><a class="fy-item__t fy-break" href="{}">{}</a>'
    '<div class="fy-item__m"><span class="fy-mono">{}</span> · {}</div>'
    '<div class="fy-item__s">{}<small>{}</small></div></li>'
)
_EVENT = (
    '<li class="fy-tl__ev"><span class="fy-tl__dot" aria-hidden="true">{}</span>{} · <time datetime="{}">{}</time></li>'
)
_MESSAGE = (
    '<li id="mensaje-{}{}"><span class="fy-tl__dot{}" aria-hidden="true">{}</span>'
    '<article class="fy-msg{}" aria-label="{}, {}"><div class="fy-msg__h"><strong>{}</strong>{}{}'
    '<time datetime="{}">{}</time></div><div class="fy-msg__b fy-break">{}{}</div></article></li>'
)
# Classes of the dot and of the message, and the word after the author's name.
_OURS = ("", " fy-msg--agent", SafeString("<span>Soporte Factureya</span>"))
_THEIRS = (" fy-tl__dot--cust", "", "")


@register.simple_tag
def body(blocks: Iterable[Block]) -> SafeString:
    """Render the paragraphs, headings and lists of a message as escaped HTML; a template for each would be slow."""
    return format_html_join("", "{}", ((_render_block(block),) for block in blocks))


@register.simple_tag
def ticket_rows(group: Group, reader: User) -> SafeString:
    """Render one group of the customer's list, a row for each ticket; a class marks them if the group waits for him."""
    list_url, due_class = reverse("tickets:list"), " fy-item--due" if group.is_due else ""
    chips = {status: chip(status, label) for status, label in Ticket.Status.choices}
    return format_html_join(
        "\n",
        _ROW,
        (
            (
                due_class,
                f"{list_url}{ticket.number}/",
                ticket.subject,
                ticket.number,
                _describe_row(ticket, reader),
                _render_merged_chip() if ticket.is_merged else chips[ticket.status],
                _describe_due(ticket),
            )
            for ticket in group.tickets
        ),
    )


@register.simple_tag
def history(entries: Iterable[Entry]) -> SafeString:
    """Render the entries of a ticket's history."""
    return format_html_join("\n", "{}", ((_render_entry(entry),) for entry in entries))


def _render_entry(entry: Entry) -> SafeString:
    """Render as HTML one entry of the ticket's history that a customer reads: an event, or a public message."""
    if entry.message is None:
        return format_html(_EVENT, icon(entry.icon), entry.text, iso(entry.at), entry.when)
    dot_class, message_class, author_suffix = _OURS if entry.is_ours else _THEIRS
    if entry.noted_by:  # told by phone; an agent wrote it down
        author_suffix = format_html(" <span>Anotado por {}, por teléfono</span>", entry.noted_by)
    return format_html(
        _MESSAGE,
        entry.message.seq,
        f"-{entry.origin}" if entry.origin else "",
        dot_class,
        initials(entry.message.author_name),
        message_class,
        entry.author,
        entry.when,
        entry.author,
        author_suffix,
        format_html("<span>en {}</span>", entry.origin) if entry.origin else "",
        iso(entry.at),
        entry.when,
        body(entry.blocks),
        _render_below_text(entry),
    )


def _render_below_text(entry: Entry) -> SafeString:
    """Render what is below a message's text in the history: a notice if a quote was cut out, and its files."""
    cut_notice = '<p class="fy-small fy-muted fy-mb-0">Se recortó lo citado.</p>' if entry.was_cut else ""
    file_list = render_to_string("tickets/partials/message_files.html", {"files": entry.files}) if entry.files else ""
    return SafeString(cut_notice + file_list)


def _render_block(block: Block) -> SafeString:
    """Render one block of a message's text as HTML: a list of steps, a heading or a paragraph."""
    if block.kind == "steps":
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((item,) for item in block.items)))
    if block.kind == "heading":
        return format_html('<p class="fy-strong fy-mb-1">{}</p>', block.text)
    return format_html("<p>{}</p>", linebreaksbr(block.text))


def _render_merged_chip() -> SafeString:
    """Render the state of a ticket that is merged into another, for a row of the customer's list."""
    return chip(Ticket.Status.CLOSED, "Combinado")


def _describe_row(ticket: Any, reader: User) -> str:
    """Return the second line of a row in the customer's list: what happened last, a colleague's name, and when."""
    requester = f"de {ticket.requester_name}" if ticket.requester_id != reader.pk else ""  # a colleague opened it
    parts = (wording.describe_last_move(ticket, ticket.assignee_name), requester, when(ticket.touched_at))
    return " · ".join(part for part in parts if part)


def _describe_due(ticket: Any) -> str:
    """Return the text below a ticket's status in the customer's list: when it closes or closed, else its assignee."""
    if ticket.is_merged:
        return "Sigue en otro ticket"
    if ticket.close_held_at:  # no automatic close until an agent decides
        return "El plazo está detenido"
    if ticket.is_waiting:
        return f"Se cierra el {when_long(ticket.closes_at)}"
    return f"Terminó {when(ticket.touched_at)}" if ticket.is_closed else wording.describe_assignee(ticket.assignee_name)
