"""The tray's pages: the list, a mail as text, its original, and what an agent does with it (M5, M6, M16)."""

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Contact, User
from factureya.core import numbers
from factureya.core.files import from_mail, store
from factureya.core.files.sending import send_document
from factureya.core.forms import PortalForm
from factureya.core.mail import readings
from factureya.core.models import Event, InboundMessage
from tickets import mail_text, operations, policy, sql
from tickets.desk import mail_tray, queue
from tickets.desk.mail_tray import Reading, Spot
from tickets.desk.pages import agent_of, page_context, workspace_url
from tickets.desk.people import contact_or_404, contacts_of, find_contacts
from tickets.desk.views_steps import ChoiceForm
from tickets.forms import TicketForm
from tickets.models import NUMBER_PREFIX, Ticket, chain_of

NOBODY = "nota"  # the choice of a mail whose sender nobody made sure of
UNREADABLE = "(El correo no se pudo leer. El original está guardado en la bandeja.)"
Refusals = (operations.WrongStatus, operations.FilesGone, policy.NotAllowed, store.Unstorable)


class DiscardForm(PortalForm):
    """Why a mail is put aside."""

    reason = forms.CharField(
        label="¿Por qué se descarta?",
        max_length=200,
        widget=forms.TextInput(attrs={"class": "textinput form-control", "autocomplete": "off"}),
        error_messages={
            "required": "Escriba por qué se descarta",
            "max_length": "Son hasta %(limit_value)d caracteres y escribió %(show_value)d",
            "null_characters_not_allowed": "El motivo trae un carácter que no se puede guardar",
        },
    )


class MailTicketForm(TicketForm):
    """What a mail does not say of itself: what it is about and how it hurts. Its words are its own."""

    asks_steps = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("description", "steps", "expected", "cfdi_uuid", "files"):
            del self.fields[name]
        self.fields["category"].label = "¿Sobre qué es?"
        self.fields["impact"].label = "¿Cómo le afecta al cliente?"


def tray_page(request: HttpRequest) -> HttpResponse:
    """The mails that wait for an agent of our own, a view at a time."""
    agent = _tray_agent(request)
    spot = Spot.parse(request.GET.dict())
    page = mail_tray.page(spot, agent)
    counts = mail_tray.counts_by_view(sql.ask(mail_tray.counts(agent)))
    views = [(view, _tray_url(Spot(view)), _shown(counts.get(view.slug))) for view in mail_tray.VIEWS.values()]
    context = page_context(
        request,
        "Bandeja de correo",
        spot=spot,
        views=views,
        rows=[(mail, _mail_url(mail.pk), mail_tray.why(mail)) for mail in page.rows],
        previous_url=_tray_url(page.previous) if page.previous else "",
        next_url=_tray_url(page.next) if page.next else "",
    )
    return TemplateResponse(request, "admin/tickets/tray.html", context)


def mail_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A mail as text: who, when, what our server found out, and its words; never as HTML."""
    return _show(request, _mail_or_404(request, pk), DiscardForm())


def original(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the mail to be saved, without our links: never shown by the browser on our origin (M16, M17).

    The untouched bytes leave by `manage.py export_mail` alone.
    """
    inbound = _mail_or_404(request, pk)
    content = readings.for_download(inbound)
    if not content:
        raise Http404("Este correo no se pudo leer y su original no se entrega aquí. Pídalo a quien opera el sistema.")
    name = f"correo-{inbound.pk}.eml"
    return send_document(content, name=name, content_type="message/rfc822", headers=store.SANDBOXED)


def discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the mail aside with a reason; it stays stored."""
    inbound, agent = _tray_mail(request, pk), _tray_agent(request)
    form = DiscardForm(request.POST)
    if form.is_valid():
        try:
            operations.discard_mail(pk, agent=agent, reason=form.cleaned_data["reason"])
            messages.success(request, "El correo se descartó; queda guardado en «Atendidos».")
            return redirect(_tray_url(Spot.of(inbound)))
        except Refusals as refusal:
            form.add_error(None, str(refusal))
    return _show(request, _mail_or_404(request, pk), form)


def link(request: HttpRequest, pk: int) -> HttpResponse:
    """Add the mail to a ticket: as the words of a contact whom the agent made sure of, or as a note (M16)."""
    inbound, agent = _tray_mail(request, pk), _tray_agent(request)
    ticket = _ticket(request, agent)
    if ticket is None:
        messages.warning(request, "Revise el número: no hay un ticket suyo con él. Se ve como FY-7K4M-92Q0.")
        return redirect(_mail_url(pk))
    people = {str(person.pk): person for person in contacts_of(ticket)}
    form = ChoiceForm(
        "¿De quién son estas palabras?",
        [(NOBODY, "No lo sé: agregarlo como nota interna, que el cliente no ve")]
        + [(key, f"{person.get_full_name()} ({person.email})") for key, person in people.items()],
        "Elija de quién son las palabras, o que se agregue como nota.",
        request.POST if request.method == "POST" else None,
    )
    if form.is_valid():
        try:
            words = _Words(inbound)
            operations.link_mail(
                ticket.pk,
                agent=agent,
                inbound_pk=pk,
                body=words.body,
                files=words.kept.files,
                contact=people.get(form.cleaned_data["chosen"]),
            )
            messages.success(request, f"El correo se agregó a {ticket.number}.")
            return redirect(workspace_url(ticket.pk, queue.Place(queue.NOWHERE)))
        except Refusals as refusal:
            form.add_error(None, str(refusal))
    context = _about(request, inbound, "Agregar a un ticket", ticket=ticket, form=form)
    return TemplateResponse(request, "admin/tickets/mail_link.html", context)


def open_ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a ticket of a contact whom the agent made sure of: first who, then what it is about (M5, M10)."""
    inbound, agent = _tray_mail(request, pk), _tray_agent(request)
    chosen = request.POST.get("contacto", "") or request.GET.get("contacto", "")
    if not chosen:
        return _search(request, inbound)
    contact = contact_or_404(chosen)
    form = MailTicketForm(
        request.POST if request.method == "POST" else None,
        initial={"subject": mail_text.subject_line(inbound.subject), "impact": None},
    )
    if form.is_valid():
        try:
            words = _Words(inbound)
            ticket = operations.open_from_mail(
                pk,
                agent=agent,
                contact=contact.user,
                subject=form.cleaned_data["subject"],
                body=words.body,
                category=form.cleaned_data["category"],
                impact=form.cleaned_data["impact"],
                files=words.kept.files,
            )
            messages.success(request, f"Se abrió {ticket.number} con el correo.")
            return redirect(workspace_url(ticket.pk, queue.Place(queue.NOWHERE)))
        except Refusals as refusal:
            form.add_error(None, str(refusal))
    context = _about(request, inbound, "Abrir un ticket", contact=contact, form=form)
    return TemplateResponse(request, "admin/tickets/mail_open.html", context)


# -- Private -----------------------------------------------------------------------------------------


class _Words:
    """What of a mail goes into a ticket: the same words and files as if it had been taken by itself."""

    def __init__(self, inbound: InboundMessage) -> None:
        reading = Reading(inbound)
        draft = f"mail:{inbound.pk}:{secrets.token_hex(16)}"
        stored = reading.stored
        files = readings.files(stored, inbound.raw) if stored and stored.files else []
        self.kept = from_mail.store(files, draft=draft)
        self.body = mail_text.message_text(reading.new_text, reading.text, self.kept) if stored else UNREADABLE


def _tray_agent(request: HttpRequest) -> User:
    """An agent or supervisor of our own; third parties and everybody else are refused (M3)."""
    agent = agent_of(request)
    if not policy.may_take_calls(agent):
        raise PermissionDenied
    return agent


def _mail_or_404(request: HttpRequest, pk: int) -> InboundMessage:
    """A mail that this person may read; another's is as good as absent (M16)."""
    return _found(mail_tray.visible_to(agent_of(request)), pk)


def _tray_mail(request: HttpRequest, pk: int) -> InboundMessage:
    """A mail for our own desk to decide about; whether it still waits, the operation asks under its lock."""
    return _found(mail_tray.visible_to(_tray_agent(request)), pk)


def _found(mails: mail_tray.Mails, pk: int) -> InboundMessage:
    inbound = mails.filter(pk=pk).first()
    if inbound is None:
        raise Http404("No hay un correo con esa dirección para usted.")
    return inbound


def _ticket(request: HttpRequest, agent: User) -> Ticket | None:
    """The agent's ticket with the number that was written, or None."""
    written = request.POST.get("numero") or request.GET.get("numero", "")
    try:
        number = numbers.parse(NUMBER_PREFIX, written)
    except numbers.InvalidNumber:
        return None
    return Ticket.objects.visible_to(agent).filter(number=number).first()


def _search(request: HttpRequest, inbound: InboundMessage) -> HttpResponse:
    """People to choose from; at first those whom the sender's address names."""
    query = " ".join(request.GET.get("q", inbound.sender).replace("\0", "").split())
    query = query[: queue.MAX_QUERY]
    contacts: list[Contact] = find_contacts(query) if query else []
    context = _about(request, inbound, "Abrir un ticket", query=query, contacts=contacts)
    return TemplateResponse(request, "admin/tickets/mail_search.html", context)


def _show(request: HttpRequest, inbound: InboundMessage, form: DiscardForm) -> HttpResponse:
    agent = agent_of(request)
    context = _about(
        request,
        inbound,
        inbound.subject or "(sin asunto)",
        form=form,
        reading=Reading(inbound),
        why=mail_tray.why(inbound),
        ticket=_became(inbound, agent),
        decided=Event.objects.filter(chain=inbound.chain).order_by("seq").last(),
        may_decide=inbound.is_in_tray and policy.may_take_calls(agent),
    )
    return TemplateResponse(request, "admin/tickets/mail.html", context)


def _became(inbound: InboundMessage, agent: User) -> Ticket | None:
    """The ticket the mail is in, or is about, if the agent sees it."""
    prefix = chain_of("")
    if not inbound.about.startswith(prefix):
        return None
    number = inbound.about.removeprefix(prefix)
    return Ticket.objects.visible_to(agent).filter(number=number).first()


def _about(request: HttpRequest, inbound: InboundMessage, title: str, **more: Any) -> dict[str, Any]:
    context = page_context(
        request,
        title,
        inbound=inbound,
        mail_url=_mail_url(inbound.pk),
        spot=Spot.of(inbound),
        **more,
    )
    return {**context, "list_url": _tray_url(Spot.of(inbound))}


def _shown(count: int | None) -> str:
    return "" if count is None else "99+" if count >= mail_tray.COUNT_CAP else str(count)


def _tray_url(spot: Spot) -> str:
    return f"{reverse('admin:tickets_ticket_tray')}?{spot.query}"


def _mail_url(pk: int) -> str:
    return reverse("admin:tickets_ticket_mail", args=[pk])
