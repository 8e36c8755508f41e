"""Serve two steps of an agent that cannot be taken back, each on a page of its own: GET shows, POST decides.

The customer confirmed by phone (M15), and a ticket goes to another provider (M3). And the buttons of a failed mail and
of a close that is on hold.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Provider, User
from factureya.core import clock
from factureya.core.forms import PortalForm
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import when
from tickets import operations, policy
from tickets.calls.operations import CALL_ROW
from tickets.calls.policy import may_speak_of
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
from tickets.models import CALL_PERIOD, Call, MailGrant, Ticket
from tickets.providers import operations as provider_operations
from tickets.providers.hiding import hide_mails


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
    """Close the ticket because the contact confirmed it in the agent's call, once it is verified by a code (M5, M15).

    Without such a call the page lists the contacts, each with a button that begins his call. A merged ticket's page
    leads to that of the ticket which goes on, to be asked about that one (M11).
    """
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    if ticket.is_merged:
        survivor = ticket_or_404(request, Ticket.objects.find_survivor_pk(pk))
        messages.warning(request, f"{ticket} se combinó con {survivor}: véalo y confirme ahí.")
        query = read_place(request).query
        return redirect(reverse("admin:tickets_ticket_confirm", args=[survivor.pk]) + (f"?{query}" if query else ""))
    calls = {str(call.pk): call for call in _find_verified_calls(ticket, agent)}
    choices = [(key, describe_verified_call(call)) for key, call in calls.items()]
    form = ChoiceForm("¿Quién confirmó?", choices, "Elija a la persona que confirmó.", read_posted(request))
    if form.is_valid():
        try:
            closed = operations.confirm_by_phone(pk, agent=agent, call_pk=int(form.cleaned_data["chosen"]))
            messages.success(request, f"{closed.number} quedó Cerrado: el cliente confirmó por teléfono.")
            return redirect(workspace_url(closed.pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    people = [] if calls else [(person.pk, hide_mails(person.get_full_name())) for person in find_speakers(ticket)]
    title, template = "Confirmó por teléfono", "admin/tickets/confirm.html"
    return _show_page(request, ticket, form, title, template, people=people, has_call=bool(calls))


def _find_verified_calls(ticket: Ticket, agent: User) -> list[Call]:
    """Return the verified calls of this agent, which go on, of contacts who may speak of this ticket (M5)."""
    started = clock.now() - CALL_PERIOD
    calls = CALL_ROW.filter(agent=agent, ended_at=None, verified_at__isnull=False, started_at__gt=started)
    return [call for call in calls if call.is_verified and may_speak_of(call, ticket)]


def describe_verified_call(call: Call) -> str:
    """Return the sentence by which the page names who is on the line, and when that was verified."""
    name = hide_mails(call.contact.get_full_name()) if call.contact else ""
    return f"{name}, comprobado por código {when(call.verified_at)}"


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


class MailGrantForm(PortalForm):
    """Ask why a third party must see the customer's mail."""

    reason = forms.CharField(
        label="¿Por qué necesita verlo?",
        max_length=provider_operations.MAX_REASON,
        widget=forms.TextInput(attrs={"class": "fy-full"}),
        error_messages={
            "required": "Escriba el motivo",
            "max_length": "El motivo tiene hasta %(limit_value)d caracteres; escribió %(show_value)d",
            "null_characters_not_allowed": "El motivo trae un carácter que no se puede guardar; escríbalo de nuevo",
        },
    )


def show_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a supervisor why the ticket's third party must see the customer's mail, and let it; others get 404 (M3)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    if not policy.may_hand_over(agent, ticket) or ticket.provider.is_own:
        raise Http404
    form = MailGrantForm(read_posted(request))
    if form.is_valid():
        try:
            provider_operations.grant_mail(pk, supervisor=agent, reason=form.cleaned_data["reason"])
            messages.success(request, f"{ticket.provider} ya ve el correo del cliente en este ticket.")
            return redirect(workspace_url(pk, read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    title = "Mostrar el correo del cliente"
    days = provider_operations.GRANT_DAYS
    return _show_page(request, ticket, form, title, "admin/tickets/show_mail.html", days=days)


def hide_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what lets the ticket's third party see the customer's mail (POST), and show the ticket again (M3)."""

    def hide(agent: User) -> str:
        provider_operations.hide_mail(pk, supervisor=agent)
        return "El correo del cliente ya no se muestra al prestador."

    return _act_on_ticket(request, pk, hide)


def find_mail_grant(ticket: Ticket) -> MailGrant | None:
    """Return the grant by which the ticket's third party sees the customer's mail now, or None (M3)."""
    if ticket.provider.is_own:
        return None
    grants = MailGrant.objects.filter(ticket=ticket, provider=ticket.provider_id, ended_at=None)
    return grants.filter(ends_at__gt=clock.now()).select_related("granted_by").first()


def retry_mail(request: HttpRequest, pk: int, mail: int) -> HttpResponse:
    """Put a mail that could not be sent back into the queue, to try it again. `mail` is its database key (M6)."""

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


def _show_page(
    request: HttpRequest, ticket: Ticket, form: forms.Form, title: str, template: str, **more: Any
) -> HttpResponse:
    """Show a page with a `form` on which an agent makes a choice and confirms it, because it cannot be undone."""
    place = read_place(request)
    context = page_context(
        request, title, ticket=ticket, form=form, place=place, back_url=workspace_url(ticket.pk, place), **more
    )
    return TemplateResponse(request, template, context)
