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
from tickets.desk.composer import keep_words
from tickets.desk.pages import agent_of, page_context, queue_url, ticket_or_404, workspace_url
from tickets.desk.people import contacts_of
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
    """Which contact confirmed; the ticket closes and both people are recorded (M15)."""
    ticket, agent = ticket_or_404(request, pk), agent_of(request)
    contacts = {str(person.pk): person for person in contacts_of(ticket)}
    choices = [(key, f"{person.get_full_name()} ({person.email})") for key, person in contacts.items()]
    form = ChoiceForm("¿Quién confirmó?", choices, "Elija a la persona que confirmó.", _data(request))
    if form.is_valid():
        try:
            operations.confirm_by_phone(pk, agent=agent, contact=contacts[form.cleaned_data["chosen"]])
            messages.success(request, f"{ticket.number} quedó Cerrado: el cliente confirmó por teléfono.")
            return redirect(workspace_url(pk, _place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _page(request, ticket, form, "Confirmó por teléfono", "admin/tickets/confirm.html")


def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Which provider takes the ticket; only a supervisor, and only to another one (M3)."""
    ticket, agent = ticket_or_404(request, pk), agent_of(request)
    if not policy.may_hand_over(agent, ticket):
        raise Http404
    providers = {str(provider.pk): provider for provider in Provider.objects.exclude(pk=ticket.provider_id)}
    choices = [(key, provider.name) for key, provider in sorted(providers.items(), key=lambda item: item[1].name)]
    form = ChoiceForm("¿Quién lo atenderá?", choices, "Elija el prestador.", _data(request))
    if form.is_valid():
        try:
            operations.hand_over(pk, supervisor=agent, provider=providers[form.cleaned_data["chosen"]])
            messages.success(request, f"{ticket.number} pasó a {providers[form.cleaned_data['chosen']]}.")
            return redirect(queue_url(_place(request)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _page(request, ticket, form, "Turnar a otro prestador", "admin/tickets/hand_over.html")


def retry_mail(request: HttpRequest, pk: int, mail: int) -> HttpResponse:
    """Try again to send a mail of the ticket that could not be sent (M6)."""
    ticket = ticket_or_404(request, pk)
    keep_words(request, ticket)
    try:
        operations.retry_mail(ticket.pk, agent=agent_of(request), mail_pk=mail)
        messages.success(request, "El correo está en cola de nuevo.")
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect(workspace_url(pk, _place(request)))


def release_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a held close run again, or, if the customer's own mails held it, take the ticket to Abierto (M6, M15)."""
    ticket = ticket_or_404(request, pk)
    keep_words(request, ticket)
    try:
        released = operations.release_close(ticket.pk, agent=agent_of(request))
        messages.success(request, _released(released))
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect(workspace_url(pk, _place(request)))


def _released(ticket: Ticket) -> str:
    if ticket.is_open:
        return f"{ticket.number} pasó a Abierto: nos toca responder."
    return f"El cierre de {ticket.number} corre de nuevo: sin respuesta, se cierra {when(ticket.closes_at)}."


def _data(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _place(request: HttpRequest) -> queue.Place:
    return queue.Place.parse(request.GET.dict(), queue.NOWHERE)


def _page(request: HttpRequest, ticket: Ticket, form: ChoiceForm, title: str, template: str) -> HttpResponse:
    place = _place(request)
    context = page_context(
        request,
        title,
        ticket=ticket,
        form=form,
        place=place,
        back_url=workspace_url(ticket.pk, place),
    )
    return TemplateResponse(request, template, context)
