"""Render the history of a ticket for the agent: events, messages, notes, and what became of each mail.

As in `tickets.templatetags.tickets`, what a page prints many times is no template; format_html escapes it.
"""

from collections.abc import Iterable

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from factureya.core.templatetags.fy import icon, initials, iso, when
from tickets.desk.queue import Place
from tickets.desk.timeline import Delivery, Entry
from tickets.models import Ticket
from tickets.templatetags.tickets import body

register = template.Library()

_NOTHING = SafeString("")
_EVENT = (
    '<li class="fy-tl__ev"><span class="fy-tl__dot" aria-hidden="true">{}</span>{} · '
    '<time datetime="{}">{}</time>{}{}</li>'
)
_ENTRY = '<li id="{}" tabindex="-1">{}{}</li>'
_MESSAGE = (
    '<span class="fy-tl__dot{}" aria-hidden="true">{}</span><article class="fy-msg{}" aria-label="{}{}, {}">'
    '<div class="fy-msg__h"><strong>{}</strong> {} {}<time datetime="{}">{}</time></div>'
    '<div class="fy-msg__b fy-break">{}{}</div></article>'
)
# Classes of the dot and of the message, and what stands before and after the author's name.
_KINDS = {
    "customer": (" fy-tl__dot--cust", "", "", SafeString("<span>Cliente</span>")),
    "staff": ("", " fy-msg--agent", "", SafeString("<span>Soporte</span>")),
    "note": (
        " fy-tl__dot--note",
        " fy-msg--note",
        "Nota interna de ",
        format_html('<span class="fy-tag">{} Nota interna</span>', icon("lock")),
    ),
}


@register.simple_tag
def desk_history(entries: Iterable[Entry], ticket: Ticket, place: Place) -> SafeString:
    """Render the entries of a ticket's history as lines of a list."""
    return format_html_join("\n", "{}", ((_render_entry(entry, ticket, place),) for entry in entries))


@register.simple_tag
def desk_message(entry: Entry) -> SafeString:
    """Render a public message or an internal note."""
    dot_class, message_class, before_author, after_author = _KINDS[entry.kind]
    if entry.noted_by:
        after_author = format_html("<span>Anotado por {}, por teléfono</span>", entry.noted_by)
    day_and_time = when(entry.at)
    return format_html(
        _MESSAGE,
        dot_class,
        initials(entry.author),
        message_class,
        before_author,
        entry.author,
        day_and_time,
        entry.author,
        after_author,
        format_html('<span class="fy-mono">en {}</span> ', entry.origin) if entry.origin else "",
        iso(entry.at),
        day_and_time,
        body(entry.blocks),
        _render_files(entry),
    )


def _render_entry(entry: Entry, ticket: Ticket, place: Place) -> SafeString:
    """Render a line of the history: an event, or a message or a note with what belongs to it."""
    delivery = _render_delivery(entry.delivery, ticket, place) if entry.delivery else _NOTHING
    if entry.kind == "event":
        dash = " · " if delivery else ""
        return format_html(_EVENT, icon(entry.icon), entry.text, iso(entry.at), when(entry.at), dash, delivery)
    below = _NOTHING
    if entry.delivery or entry.inbound:
        below = format_html('<div class="fy-row fy-small fy-muted">{}{}</div>', _render_mail_link(entry), delivery)
    return format_html(_ENTRY, entry.anchor, desk_message(entry), below)


def _render_delivery(delivery: Delivery, ticket: Ticket, place: Place) -> SafeString:
    """Render what became of a mail to the customer, with the button that tries it again."""
    css = " fy-deliv--bad" if delivery.is_bad else ""
    text = format_html('<span class="fy-deliv{}">{}\n{}</span>', css, icon("mail"), delivery.text)
    if not delivery.may_retry:
        return text
    address = reverse("admin:tickets_ticket_retry_mail", args=[ticket.pk, delivery.pk])
    return format_html(
        '{}<button class="fy-linkbtn fy-inline" type="submit" form="f-escribir" formaction="{}">Reintentar</button>',
        text,
        f"{address}?{place.query}" if place.query else address,
    )


def _render_mail_link(entry: Entry) -> SafeString:
    """Render the link to the mail that a message came in, and whether its quote was cut; nothing without a mail."""
    if not entry.inbound:
        return _NOTHING
    cut = SafeString(" <span>Se recortó lo citado.</span> ") if entry.was_cut else " "
    address = reverse("admin:tickets_ticket_mail", args=[entry.inbound])
    return format_html('<a href="{}">Ver el correo completo</a>{}', address, cut)


def _render_files(entry: Entry) -> SafeString:
    """Render the files of a message, and what the invoices among them say."""
    files = render_to_string("tickets/partials/message_files.html", {"files": entry.files}) if entry.files else ""
    cards = (render_to_string("admin/tickets/invoice.html", {"card": card}) for card in entry.invoices)
    return SafeString(files + "".join(cards))
