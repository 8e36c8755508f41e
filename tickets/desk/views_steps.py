"""Serve two steps of an agent that cannot be taken back, each on a page of its own: GET shows, POST decides.

The customer confirmed by phone (M15), and a ticket goes to another provider (M3). And the buttons of a failed mail and
of a held close.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import Provider, User
from factureya.core.forms import PortalForm
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import when
from tickets import operations, policy
from tickets.desk.composer import keep_texts
from tickets.desk.pages import (
    find_speakers,
    page_context,
    queue_url,
    read_place,
    read_posted,
    require_agent,
    ticket_or_404,
    workspace_url,
)
from tickets.models import Ticket


class ChoiceForm(PortalForm):
    """Ask for one choice out of a short list; `missing` is said when none is taken or it is not of the list."""

    def __init__(self, label: str, choices: list[tuple[str, str]], missing: str, data: Any = None) -> None:
        super().__init__(data)
        self.fields["chosen"] = forms.ChoiceField(
            label=label,
            choices=choices,
            widget=forms.RadioSelect,
            error_messages={"required": missing, "invalid_choice": missing},
        )


def confirm_by_phone(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the agent which contact confirmed the solution by phone. After his choice close the ticket (M15)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    contacts = {str(person.pk): person for person in find_speakers(ticket)}
    choices = [(key, f"{person.get_full_name()} ({person.email})") for key, person in contacts.items()]
    form = ChoiceForm("¿Quién confirmó?", choices, "Elija a la persona que confirmó.", read_posted(request))
    if form.is_valid():
        try:
            operations.confirm_by_phone(pk, agent=agent, contact=contacts[form.cleaned_data["chosen"]])
            messages.success(request, f"{ticket.number} quedó Cerrado: el cliente confirmó por teléfono.")
            return redirect(workspace_url(pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_page(request, ticket, form, "Confirmó por teléfono", "admin/tickets/confirm.html")


def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a supervisor which provider takes over the ticket, and hand it over; anybody else gets 404 (M3)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    if not policy.may_hand_over(agent, ticket):
        raise Http404
    other_providers = Provider.objects.exclude(pk=ticket.provider_id)
    providers = {str(provider.pk): provider for provider in sorted(other_providers, key=attrgetter("name"))}
    choices = [(key, provider.name) for key, provider in providers.items()]
    form = ChoiceForm("¿Quién lo atenderá?", choices, "Elija el prestador.", read_posted(request))
    if form.is_valid():
        try:
            provider = providers[form.cleaned_data["chosen"]]
            operations.hand_over(pk, supervisor=agent, provider=provider)
            messages.success(request, f"{ticket.number} pasó a {provider}.")
            return redirect(queue_url(read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_page(request, ticket, form, "Turnar a otro prestador", "admin/tickets/hand_over.html")


def retry_mail(request: HttpRequest, pk: int, mail: int) -> HttpResponse:
    """Send a mail of the ticket that failed once more: put it into the queue. `mail` is its database key (M6)."""

    def retry(agent: User) -> str:
        operations.retry_mail(pk, agent=agent, mail_pk=mail)
        return "El correo está en cola de nuevo."

    return _act_on_ticket(request, pk, retry)


def release_close(request: HttpRequest, pk: int) -> HttpResponse:
    """End the stop of a ticket's automatic close. If many mails caused it, the ticket becomes Abierto (M15)."""

    def release(agent: User) -> str:
        """End the stop, and return the sentence for the agent: the ticket is Abierto, or when it closes."""
        ticket = operations.release_close(pk, agent=agent)
        if ticket.is_open:
            return f"{ticket.number} pasó a Abierto: nos toca responder."
        return f"El cierre de {ticket.number} corre de nuevo: sin respuesta, se cierra {when(ticket.closes_at)}."

    return _act_on_ticket(request, pk, release)


def _act_on_ticket(request: HttpRequest, pk: int, act: Callable[[User], str]) -> HttpResponse:
    """Do what a button on the agent's page of a ticket asks (`act`), and show that page again.

    The page shows the sentence that `act` returns, or why it was refused. The text that he was typing is kept.
    """
    keep_texts(request, ticket_or_404(request, pk))
    try:
        messages.success(request, act(require_agent(request)))
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect(workspace_url(pk, read_place(request)))


def _show_page(request: HttpRequest, ticket: Ticket, form: ChoiceForm, title: str, template: str) -> HttpResponse:
    """Show a page with a `form` on which an agent makes a choice and confirms it, because it cannot be undone."""
    place = read_place(request)
    context = page_context(
        request, title, ticket=ticket, form=form, place=place, back_url=workspace_url(ticket.pk, place)
    )
    return TemplateResponse(request, template, context)
