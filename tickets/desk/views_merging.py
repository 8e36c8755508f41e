"""Serve the agent's pages that merge a ticket into another, undo it, and split a message off (M11).

GET shows, POST decides. A double click does it once: the second finds the pointer set and is refused.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import User
from factureya.core.forms import PortalForm
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import when
from tickets import operations, policy
from tickets.desk.pages import page_context, read_place, read_posted, require_agent, ticket_or_404, workspace_url
from tickets.merging import family
from tickets.models import Message, Ticket
from tickets.providers.hiding import hide_in_ticket, hide_mails

OTHER = "otro"
MAX_CHOICES = 20  # tickets of the company that the page offers
MAX_LABEL = 90  # characters of a message in the list
_NO_TICKET = "Elija el ticket que sigue, o escriba su número."
_NO_MESSAGE = "Elija el mensaje que trata de otro problema."


class MergeForm(PortalForm):
    """Ask with which other ticket of the company a ticket is merged: one of the list, or by its number."""

    chosen = forms.ChoiceField(
        label="¿Cuál sigue?",
        widget=forms.RadioSelect,
        error_messages={"required": _NO_TICKET, "invalid_choice": _NO_TICKET},
    )
    number = forms.CharField(
        label="Número del otro ticket",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"class": "fy-mono", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "max_length": "El número tiene 8 caracteres después de FY, por ejemplo FY-7K4M-92Q0",
            "null_characters_not_allowed": "Revise el número: hay un carácter cambiado",
        },
    )

    def __init__(self, ticket: Ticket, agent: User, data: Any = None) -> None:
        super().__init__(data)
        self.visible = Ticket.objects.visible_to(agent)
        candidates = self.visible.unmerged().filter(customer=ticket.customer_id, provider=ticket.provider_id)
        offered = candidates.exclude(status=Ticket.Status.CLOSED).exclude(pk=ticket.pk).order_by("-touched_at", "-pk")
        self.offered = {str(other.pk): other for other in offered[:MAX_CHOICES]}
        if policy.is_third_party(agent):  # he may read the mail in this ticket, and in others not (M3)
            for other in self.offered.values():
                hide_in_ticket(other)
        choices = [
            (key, f"{other.number} · {other.subject} · {other.get_status_display()}, {when(other.touched_at)}")
            for key, other in self.offered.items()
        ]
        self.fields["chosen"].choices = [*choices, (OTHER, "Otro, por su número")]  # type: ignore[attr-defined]
        if not choices:
            self.fields["chosen"].initial = OTHER

    def clean(self) -> dict[str, Any]:
        """Find the ticket of the typed number, if that was chosen; the person must see it (M3)."""
        data = super().clean() or {}
        if data.get("chosen") == OTHER and "number" not in self.errors:
            data["ticket"] = self.visible.find_by_number(data["number"])
            if data["ticket"] is None:
                self.add_error("number", "Revise el número: no hay un ticket suyo con él. Se ve como FY-7K4M-92Q0.")
        elif "chosen" in data:
            data["ticket"] = self.offered.get(data["chosen"])
        return data


class SplitForm(PortalForm):
    """Ask which message of the customer gets a ticket of its own, and the subject of that ticket."""

    chosen = forms.ChoiceField(
        label="¿Qué mensaje trata de otro problema?",
        widget=forms.RadioSelect,
        error_messages={"required": _NO_MESSAGE, "invalid_choice": _NO_MESSAGE},
    )
    subject = forms.CharField(
        label="Asunto del ticket nuevo",
        help_text="Una frase con ese solo problema. El cliente la lee.",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Escriba el asunto del ticket nuevo",
            "max_length": "El asunto va en una frase de hasta 120 caracteres; escribió %(show_value)d",
            "null_characters_not_allowed": "La frase trae un carácter que no se puede guardar; escríbala de nuevo",
        },
    )

    def __init__(self, ticket: Ticket, found: list[Message], hidden: set[int], data: Any = None) -> None:
        """Offer these messages; of the tickets `hidden` the person reads no mail address (M3)."""
        super().__init__(data)
        labels = [(message, _describe_message(message, ticket)) for message in found]
        self.fields["chosen"].choices = [  # type: ignore[attr-defined]
            (str(message.pk), hide_mails(label) if message.ticket_id in hidden else label) for message, label in labels
        ]


def merge_ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the agent with which ticket of the company this one is merged, and merge it into that (M11)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    form = MergeForm(ticket, agent, read_posted(request))
    if form.is_valid():
        try:
            survivor = operations.merge_ticket(pk, agent=agent, into_pk=form.cleaned_data["ticket"].pk)
            messages.success(request, f"{ticket.number} se combinó con este: sus mensajes se leen y llegan aquí.")
            return redirect(workspace_url(survivor.pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, hide_mails(str(refusal)) if policy.is_third_party(agent) else str(refusal))
    title, more = "Combinar con otro ticket", {"undo_days": settings.MERGE_UNDO_DAYS}
    return _show_page(request, ticket, form, title, "admin/tickets/merge.html", **more)


def undo_merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what happens when a merge is undone, and undo it when the agent says so (M11)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    form = PortalForm(read_posted(request))
    if form.is_valid():
        try:
            operations.undo_merge(pk, agent=agent)
            messages.success(request, f"{ticket.number} sigue otra vez por su cuenta.")
            return redirect(workspace_url(pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_page(request, ticket, form, "Deshacer la combinación", "admin/tickets/undo_merge.html")


def split_message(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the agent which message is about another problem, and open a ticket with it (M11)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    found = _find_splittable(ticket, agent)
    hidden = policy.find_mail_hidden(agent, ticket, {ticket.pk, *(message.ticket_id for message in found)})
    form = SplitForm(ticket, found, hidden, read_posted(request))
    if form.is_valid():
        try:
            message_pk, subject = int(form.cleaned_data["chosen"]), form.cleaned_data["subject"]
            split = operations.split_message(pk, agent=agent, message_pk=message_pk, subject=subject)
            messages.success(request, f"Se abrió {split.number} con el mensaje que se leía en {ticket.number}.")
            return redirect(workspace_url(split.pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    title, more = "Separar un mensaje en otro ticket", {"has_messages": bool(found)}
    return _show_page(request, ticket, form, title, "admin/tickets/split.html", **more)


def list_merges(ticket: Ticket, reader: User, link: Callable[[int], str]) -> dict[str, Any]:
    """Return what the ticket's page shows of merges and splits: numbers, with links to the tickets the person sees.

    `link` makes the address of a ticket's page. No query is needed for a ticket that has neither.
    """
    related = []
    if ticket.merged_into is not None:
        related.append(("Combinado con", ticket.merged_into))
    if ticket.split_from is not None:
        related.append(("Separado de", ticket.split_from.ticket))
    if ticket.has_merged:  # type: ignore[attr-defined]
        merged = Ticket.objects.filter(pk__in=family.list_read_pks(ticket)[1:]).order_by("pk")
        related += [("Combinado aquí", other) for other in merged]
    visible: set[int] = set()
    if related:
        keys = [other.pk for _label, other in related]
        visible = set(Ticket.objects.visible_to(reader).filter(pk__in=keys).values_list("pk", flat=True))
    rows = [(label, other.number, link(other.pk) if other.pk in visible else "") for label, other in related]
    return {"related": rows, "may_undo": operations.may_undo(ticket)}


def _find_splittable(ticket: Ticket, agent: User) -> list[Message]:
    """Return the customer's messages on a ticket's page that can be split off, the newest first; no opening one can.

    Those of the tickets that are merged into it are among them, because they are read there.
    """
    read_here = family.read_family(ticket, agent).select_messages()
    unsplit = read_here.filter(side=Message.Side.CUSTOMER, split_ticket__isnull=True)
    later = unsplit.exclude(seq=1, ticket__split_from__isnull=True)
    return list(later.select_related("ticket").order_by("-created_at", "-pk"))


def _describe_message(message: Message, ticket: Ticket) -> str:
    """Return a message as one line of the list: who, when, in which other ticket it was written, how it begins."""
    text = " ".join(message.body.split())
    shown = text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1].rstrip()}…"
    origin = "" if message.ticket_id == ticket.pk else f", en {message.ticket.number}"
    return f"{message.author_name}, {when(message.created_at)}{origin}: «{shown}»"


def _show_page(
    request: HttpRequest, ticket: Ticket, form: PortalForm, title: str, template: str, **more: Any
) -> HttpResponse:
    """Show one of these pages with its form, and a way back to the ticket; `more` is what only its template needs."""
    back_url = workspace_url(ticket.pk, read_place(request))
    context = page_context(request, title, ticket=ticket, form=form, back_url=back_url, **more)
    return TemplateResponse(request, template, context)
