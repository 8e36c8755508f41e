"""Serve the tray's pages: the list, a mail as text, its original, and what an agent does with it (M5, M6, M16)."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from factureya.core.files import store
from factureya.core.files.sending import send_document
from factureya.core.forms import PortalForm
from factureya.core.mail import readings
from factureya.core.mail.verdicts import Verdict
from factureya.core.models import Event, InboundMessage
from factureya.core.refusals import Refused
from tickets import inbound as mail_in
from tickets import operations, policy, sql
from tickets.desk import mail_tray, queue
from tickets.desk.mail_tray import Spot
from tickets.desk.pages import (
    contact_or_404,
    find_speakers,
    page_context,
    read_posted,
    read_search,
    require_agent,
    workspace_url,
)
from tickets.desk.views_steps import ChoiceForm
from tickets.forms import TicketForm
from tickets.models import Ticket, chain_of

NOBODY = "nota"  # the choice of a mail whose sender nobody made sure of
UNREADABLE = "(El correo no se pudo leer. El original está guardado en la bandeja.)"


class DiscardForm(PortalForm):
    """Ask why a mail is put aside."""

    reason = forms.CharField(
        label="¿Por qué se descarta?",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Escriba por qué se descarta",
            "max_length": "Son hasta %(limit_value)d caracteres y escribió %(show_value)d",
            "null_characters_not_allowed": "El motivo trae un carácter que no se puede guardar",
        },
    )


class MailTicketForm(TicketForm):
    """Ask what a mail does not say: what it is about and how it hurts the customer."""

    asks_steps = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields = {name: self.fields[name] for name in ("subject", "category", "impact")}
        self.fields["category"].label = "¿Sobre qué es?"
        self.fields["impact"].label = "¿Cómo le afecta al cliente?"


def tray_page(request: HttpRequest) -> HttpResponse:
    """Show the mails of one view of the tray, which our own desk decides about, and how many mails some views have."""
    agent = _require_tray_agent(request)
    spot = Spot.parse(request.GET.dict())
    page = mail_tray.read_page(spot, agent)
    counts = sql.ask_all(mail_tray.count_questions(agent))
    count_texts = {slug: sql.show_count(count, mail_tray.COUNT_CAP) for slug, count in counts.items()}
    views = [(view, _tray_url(Spot(view)), count_texts.get(view.slug, "")) for view in mail_tray.VIEWS.values()]
    context = page_context(
        request,
        "Bandeja de correo",
        spot=spot,
        views=views,
        rows=[(mail, _mail_url(mail.pk), mail_tray.explain_reason(mail)) for mail in page.rows],
        **page.links({"vista": spot.view.slug}, reverse("admin:tickets_ticket_tray")),
    )
    return TemplateResponse(request, "admin/tickets/tray.html", context)


def mail_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a mail as text, never as HTML: who, when, what our server found out, and its words."""
    return _show_mail(request, _mail_or_404(require_agent(request), pk), DiscardForm())


def download_original(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the agent download a received mail as a file; no browser shows it as a page of our site (M16, M17).

    The secret links of our own mails are removed from it. Only `manage.py export_mail` gives the mail unchanged. For a
    mail that could not be read the answer is 404, because then we cannot remove the links.
    """
    inbound = _mail_or_404(require_agent(request), pk)
    content = readings.read_for_download(inbound)
    if not content:
        raise Http404("Este correo no se pudo leer y su original no se entrega aquí. Pídalo a quien opera el sistema.")
    name = f"correo-{inbound.pk}.eml"
    return send_document(content, name=name, content_type="message/rfc822", headers=store.SANDBOXED)


def discard_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a mail of the tray as discarded, with the agent's reason, and go back to the tray. Nothing is deleted."""
    agent = _require_tray_agent(request)
    inbound = _mail_or_404(agent, pk)
    form = DiscardForm(request.POST)
    if form.is_valid():
        try:
            operations.discard_mail(pk, agent=agent, reason=form.cleaned_data["reason"])
            messages.success(request, "El correo se descartó; queda guardado en «Atendidos».")
            return redirect(_tray_url(Spot.of_mail(inbound)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _show_mail(request, _mail_or_404(agent, pk), form)  # read again: a colleague may have decided


def link_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a mail of the tray to the ticket whose number the agent typed. First ask him which contact sent it (M16).

    The mail becomes a message of that contact. If the agent does not know who sent it, it becomes an internal note.
    """
    agent = _require_tray_agent(request)
    inbound = _mail_or_404(agent, pk)
    number = request.POST.get("numero") or request.GET.get("numero", "")
    ticket = Ticket.objects.visible_to(agent).find_by_number(number)
    if ticket is None:
        messages.warning(request, "Revise el número: no hay un ticket suyo con él. Se ve como FY-7K4M-92Q0.")
        return redirect(_mail_url(pk))
    people = {str(person.pk): person for person in find_speakers(ticket)}
    form = ChoiceForm(
        "¿De quién son estas palabras?",
        [(NOBODY, "No lo sé: agregarlo como nota interna, que el cliente no ve")]
        + [(key, f"{person.get_full_name()} ({person.email})") for key, person in people.items()],
        "Elija de quién son las palabras, o que se agregue como nota.",
        read_posted(request),
    )
    if form.is_valid():
        try:
            contact = people.get(form.cleaned_data["chosen"])  # None for NOBODY
            operations.link_mail(ticket.pk, agent=agent, inbound_pk=pk, contact=contact, **_read_words(inbound))
            messages.success(request, f"El correo se agregó a {ticket.number}.")
            return redirect(workspace_url(ticket.pk, queue.Place(queue.NOWHERE)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    context = _build_context(request, inbound, "Agregar a un ticket", ticket=ticket, form=form)
    return TemplateResponse(request, "admin/tickets/mail_link.html", context)


def open_ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a ticket from a mail of the tray: the agent first says which contact sent it, then what it is about (M5)."""
    agent = _require_tray_agent(request)
    inbound = _mail_or_404(agent, pk)
    chosen = request.POST.get("contacto", "") or request.GET.get("contacto", "")
    if not chosen:  # show the search for the contact, at first by the sender's address
        context = _build_context(request, inbound, "Abrir un ticket", **read_search(request, inbound.sender))
        return TemplateResponse(request, "admin/tickets/mail_search.html", context)
    contact = contact_or_404(chosen)
    form = MailTicketForm(
        read_posted(request), initial={"subject": mail_in.shorten_subject(inbound.subject), "impact": None}
    )
    if form.is_valid():
        try:
            words = {**form.cleaned_data, **_read_words(inbound)}
            ticket = operations.open_from_mail(pk, agent=agent, contact=contact.user, **words)
            messages.success(request, f"Se abrió {ticket.number} con el correo.")
            return redirect(workspace_url(ticket.pk, queue.Place(queue.NOWHERE)))
        except Refused as refusal:
            form.add_error(None, str(refusal))
    context = _build_context(request, inbound, "Abrir un ticket", contact=contact, form=form)
    return TemplateResponse(request, "admin/tickets/mail_open.html", context)


def _read_words(inbound: InboundMessage) -> dict[str, Any]:
    """Return the text and files that a mail of the tray adds to a ticket; a fixed text if we cannot read the mail."""
    reading = mail_tray.read_mail(inbound)
    if reading is None:
        return {"body": UNREADABLE, "files": ()}
    stored = mail_in.store_files(inbound, readings.read_files(reading, inbound.raw) if reading.files else [])
    return {"body": mail_in.join_mail_text(reading.own_words, reading.text, stored), "files": stored.files}


def _require_tray_agent(request: HttpRequest) -> User:
    """Return the agent if he works at our own desk: only it has the tray. Raises PermissionDenied for others (M3)."""
    agent = require_agent(request)
    if not policy.may_take_calls(agent):
        raise PermissionDenied
    return agent


def _mail_or_404(agent: User, pk: int) -> InboundMessage:
    """Return the received mail with the database key `pk`. Raises Http404 if this agent may not read it (M16)."""
    inbound = mail_tray.visible_to(agent).filter(pk=pk).first()
    if inbound is None:
        raise Http404("No hay un correo con esa dirección para usted.")
    return inbound


def _show_mail(request: HttpRequest, inbound: InboundMessage, form: DiscardForm) -> HttpResponse:
    """Show the page of a received mail: its text, what we checked, what was decided, and the form to discard it.

    If we could not read the mail, the page has no text of it; sender and recipients come from the mail server.
    """
    agent, reading = require_agent(request), mail_tray.read_mail(inbound)
    recipients = reading.recipients if reading else ()
    verdict = Verdict(reading.verdict) if reading else Verdict.NONE
    context = _build_context(
        request,
        inbound,
        inbound.subject or "(sin asunto)",
        form=form,
        reading=reading,
        senders=", ".join(reading.senders) if reading else inbound.sender,
        recipients=", ".join(recipients or inbound.recipients),
        verdict=mail_tray.VERDICTS[verdict],
        why=mail_tray.explain_reason(inbound),
        ticket=_find_resulting_ticket(inbound, agent),
        decided=Event.objects.filter(chain=inbound.chain).order_by("seq").last(),
        may_decide=inbound.is_in_tray and policy.may_take_calls(agent),
    )
    return TemplateResponse(request, "admin/tickets/mail.html", context)


def _find_resulting_ticket(inbound: InboundMessage, agent: User) -> Ticket | None:
    """Return the ticket that a received mail opened, was added to, or is about; None if the agent may not see it."""
    prefix = chain_of("")  # "ticket:"
    if not inbound.about.startswith(prefix):  # it is about no ticket
        return None
    number = inbound.about.removeprefix(prefix)
    return Ticket.objects.visible_to(agent).filter(number=number).first()


def _build_context(request: HttpRequest, inbound: InboundMessage, title: str, **more: Any) -> dict[str, Any]:
    """Return the template's context for a page about a mail of the tray; `more` is what only this page needs."""
    spot, mail_url = Spot.of_mail(inbound), _mail_url(inbound.pk)
    return page_context(request, title, inbound=inbound, mail_url=mail_url, spot=spot, list_url=_tray_url(spot), **more)


def _tray_url(spot: Spot) -> str:
    return f"{reverse('admin:tickets_ticket_tray')}?{spot.query}"


def _mail_url(pk: int) -> str:
    return reverse("admin:tickets_ticket_mail", args=[pk])
