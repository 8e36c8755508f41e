"""«Ticket por teléfono»: find who calls, then write down the problem for him (M3, M17)."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import Contact, User
from accounts.web import drafts
from accounts.web.mixins import posted_text
from factureya.core.files import store
from factureya.core.forms import STALE_FORM
from tickets import formkeys, operations, policy
from tickets.desk import queue
from tickets.desk.pages import agent_of, page_context, workspace_url
from tickets.desk.people import contact_or_404, find_contacts
from tickets.formkeys import FormWithFiles
from tickets.forms import TicketForm
from tickets.models import Ticket

FORM = "telefono"


class PhoneForm(TicketForm):
    """The customer's guided form, as an agent fills it in while he listens: the steps may be missing."""

    asks_steps = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["steps"].label = "¿Qué pasos siguió? (opcional)"
        self.fields["steps"].help_text = "Uno por renglón, como los va diciendo."
        self.fields["description"].help_text = "Con las palabras del cliente; el mensaje de error, tal cual."
        self.fields["cfdi_uuid"].help_text = "Si el problema es con un comprobante. Tiene 36 caracteres."


class PhoneTicket(FormWithFiles):
    """The two steps on one address: without a chosen contact, the search; with one, the form."""

    def __init__(self, request: HttpRequest, agent: User) -> None:
        self.request, self.agent = request, agent

    def search(self) -> HttpResponse:
        """People to choose from, by RFC, mail or name; a bounded list."""
        query = " ".join(self.request.GET.get("q", "").replace("\0", "").split())[: queue.MAX_QUERY]
        context = page_context(
            self.request,
            "Ticket por teléfono",
            query=query,
            contacts=find_contacts(query) if query else [],
        )
        return TemplateResponse(self.request, "admin/tickets/phone_search.html", context)

    def fill_in(self, contact: Contact) -> HttpResponse:
        """Show the form for this person: empty, or as it was when the agent's session ended (M17)."""
        found = drafts.find(self.request.session, self.agent, FORM)
        if found is None or found[1].get("contacto") != str(contact.user_id):
            blank = PhoneForm(initial={"impact": None})
            return self._page(contact, blank, formkeys.new(self.agent, FORM), [])
        key, fields, _why = found
        form = PhoneForm(initial=fields)
        return self._page(contact, form, key, store.list_draft_files(key.key), is_recovered=True)

    def receive(self, contact: Contact) -> HttpResponse:
        """Open the ticket, or show again, complete, what cannot be stored yet."""
        key, is_ours = self.posted_key(self.agent, FORM)
        kept, refusals = self.posted_files(key)
        if "quitar" in self.request.POST:
            return self._page(contact, PhoneForm(initial=posted_text(self.request)), key, kept)
        form = PhoneForm(self.request.POST)
        form.take_files(kept, refusals)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if form.is_valid():
            try:
                ticket = operations.open_ticket(
                    author=contact.user,
                    customer=contact.customer,
                    agent=self.agent,
                    channel=Ticket.Channel.PHONE,
                    form_key=key.key,
                    **form.opening(),
                )
                drafts.forget(self.request.session, key)
                return redirect(workspace_url(ticket.pk, queue.Place(queue.NOWHERE)))
            except (operations.WrongStatus, operations.FilesGone, policy.NotAllowed) as refusal:
                form.add_error(None, str(refusal))
                key = self.key_after(refusal, key, self.agent)
                kept = store.list_draft_files(key.key)
        return self._page(contact, form, key, kept)

    def _page(
        self,
        contact: Contact,
        form: PhoneForm,
        key: formkeys.FormKey,
        kept: Any,
        *,
        is_recovered: bool = False,
    ) -> HttpResponse:
        context = page_context(
            self.request,
            "Ticket por teléfono",
            contact=contact,
            form=form,
            key=key,
            kept=kept,
            is_recovered=is_recovered,
        )
        return TemplateResponse(self.request, "admin/tickets/phone.html", context)


def call_of(request: HttpRequest, _arguments: dict[str, Any]) -> str:
    """Return the address of the form of the person who calls."""
    return f"{request.path}?{urlencode({'contacto': request.POST.get('contacto', '')})}"


def phone_ticket(request: HttpRequest) -> HttpResponse:
    """Only for our own desk: a third party's agents look up no companies (M3)."""
    agent = agent_of(request)
    if not policy.may_take_calls(agent):
        raise Http404
    page = PhoneTicket(request, agent)
    chosen = request.POST.get("contacto", "") or request.GET.get("contacto", "")
    if not chosen:
        return page.search()
    contact = contact_or_404(chosen)
    return page.receive(contact) if request.method == "POST" else page.fill_in(contact)
