"""Two steps an agent takes on a page of their own, because they cannot be taken back: GET shows, POST decides.

The customer confirmed by phone (M15), and a ticket goes to another provider (M3). And the buttons of a failed mail and
of a held close.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import Provider
from factureya.core.forms import PortalForm
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import when
from tickets import operations, policy
from tickets.desk import queue
from tickets.desk.composer import keep_texts
from tickets.desk.pages import page_context, queue_url, require_agent, ticket_or_404, workspace_url
from tickets.desk.people import find_speakers
from tickets.models import Ticket


class ChoiceForm(PortalForm):
    """One choice out of a short list; `missing` is said when none is taken or it is not of the list."""

    def __init__(self, label: str, choices: list[tuple[str, str]], missing: str, data: Any = None) -> None:
        super().__init__(data)
        self.fields["chosen"] = forms.ChoiceField(
            label=label,
            choices=choices,
            widget=forms.RadioSelect,
            error_messages={"required": missing, "invalid_choice": missing},
        )


def confirm_by_phone(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask which contact confirmed, and close the ticket; both people are recorded (M15)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    contacts = {str(person.pk): person for person in find_speakers(ticket)}
    choices = [(key, f"{person.get_full_name()} ({person.email})") for key, person in contacts.items()]
    form = ChoiceForm("¿Quién confirmó?", choices, "Elija a la persona que confirmó.", _posted_data(request))
    if form.is_valid():
        try:
            operations.confirm_by_phone(pk, agent=agent, contact=contacts[form.cleaned_data["chosen"]])
            messages.success(request, f"{ticket.number} quedó Cerrado: el cliente confirmó por teléfono.")
            return redirect(workspace_url(pk, _read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_page(request, ticket, form, "Confirmó por teléfono", "admin/tickets/confirm.html")


def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask which provider takes the ticket, and hand it over; only a supervisor may (M3)."""
    ticket, agent = ticket_or_404(request, pk), require_agent(request)
    if not policy.may_hand_over(agent, ticket):
        raise Http404
    providers = {str(provider.pk): provider for provider in Provider.objects.exclude(pk=ticket.provider_id)}
    choices = [(key, provider.name) for key, provider in sorted(providers.items(), key=lambda item: item[1].name)]
    form = ChoiceForm("¿Quién lo atenderá?", choices, "Elija el prestador.", _posted_data(request))
    if form.is_valid():
        try:
            operations.hand_over(pk, supervisor=agent, provider=providers[form.cleaned_data["chosen"]])
            messages.success(request, f"{ticket.number} pasó a {providers[form.cleaned_data['chosen']]}.")
            return redirect(queue_url(_read_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_page(request, ticket, form, "Turnar a otro prestador", "admin/tickets/hand_over.html")


def retry_mail(request: HttpRequest, pk: int, mail: int) -> HttpResponse:
    """Queue again a mail of the ticket that could not be sent (M6)."""
    ticket = ticket_or_404(request, pk)
    keep_texts(request, ticket)
    try:
        operations.retry_mail(ticket.pk, agent=require_agent(request), mail_pk=mail)
        messages.success(request, "El correo está en cola de nuevo.")
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect(workspace_url(pk, _read_place(request)))


def release_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a held close run again, or, if the customer's own mails held it, take the ticket to Abierto (M6, M15)."""
    ticket = ticket_or_404(request, pk)
    keep_texts(request, ticket)
    try:
        released = operations.release_close(ticket.pk, agent=require_agent(request))
        messages.success(request, _describe_release(released))
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect(workspace_url(pk, _read_place(request)))


def _describe_release(ticket: Ticket) -> str:
    """Return what happened to the ticket whose close was held."""
    if ticket.is_open:
        return f"{ticket.number} pasó a Abierto: nos toca responder."
    return f"El cierre de {ticket.number} corre de nuevo: sin respuesta, se cierra {when(ticket.closes_at)}."


def _posted_data(request: HttpRequest) -> Any:
    """Return the posted fields, or None on a GET."""
    return request.POST if request.method == "POST" else None


def _read_place(request: HttpRequest) -> queue.Place:
    """Return the place in the queue that the address names."""
    return queue.Place.parse(request.GET.dict(), queue.NOWHERE)


def _show_page(request: HttpRequest, ticket: Ticket, form: ChoiceForm, title: str, template: str) -> HttpResponse:
    """Show the page with the choice."""
    place = _read_place(request)
    context = page_context(
        request, title, ticket=ticket, form=form, place=place, back_url=workspace_url(ticket.pk, place)
    )
    return TemplateResponse(request, template, context)
