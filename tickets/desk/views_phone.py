"""Serve «Ticket por teléfono»: find who calls, then write down the problem (M3, M17)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models import Contact, User
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from factureya.core.models import Attachment
from tickets import operations, policy
from tickets.desk import queue
from tickets.desk.pages import contact_or_404, page_context, read_search, require_agent, workspace_url
from tickets.forms import TicketForm
from tickets.models import Ticket

TITLE = "Ticket por teléfono"


class PhoneForm(TicketForm):
    """Ask what the customer's guided form asks, as an agent fills it in while he listens: the steps may be missing."""

    asks_steps = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["steps"].label = "¿Qué pasos siguió? (opcional)"
        self.fields["steps"].help_text = "Uno por renglón, como los va diciendo."
        self.fields["description"].help_text = "Con las palabras del cliente; el mensaje de error, tal cual."
        self.fields["cfdi_uuid"].help_text = "Si el problema es con un comprobante. Tiene 36 caracteres."


class PhoneTicket(PostingForm):
    """Show the form of a ticket that an agent writes down for the contact who calls, and open the ticket."""

    def __init__(self, request: HttpRequest, agent: User, contact: Contact) -> None:
        self.request, self.user, self.contact = request, agent, contact

    def form_name(self) -> str:
        return "telefono"

    def form(self, *args: Any, **options: Any) -> PhoneForm:
        return PhoneForm(*args, **options)

    def initial(self) -> dict[str, Any]:
        return {"impact": None}

    def may_show(self, fields: dict[str, str]) -> bool:
        """Return whether an unsent draft may be shown: was it typed for the contact of this page?"""
        return fields.get("contacto") == str(self.contact.user_id)

    def perform(self, form: PhoneForm, key: FormKey) -> str:
        """Open the ticket of the contact who calls the agent, and return the address of its page."""
        ticket = operations.open_ticket(
            author=self.contact.user,
            customer=self.contact.customer,
            agent=self.user,
            channel=Ticket.Channel.PHONE,
            form_key=key.key,
            **form.build_arguments(),
        )
        return workspace_url(ticket.pk, queue.Place(queue.NOWHERE))

    def render_page(
        self, form: PhoneForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page «Ticket por teléfono» with its form and kept files; `draft_reason`: why a draft is shown."""
        context = page_context(
            self.request, TITLE, contact=self.contact, form=form, key=key, kept=kept, is_recovered=bool(draft_reason)
        )
        return TemplateResponse(self.request, "admin/tickets/phone.html", context)


def find_call_page(request: HttpRequest, _arguments: dict[str, Any]) -> str:
    """Return the address of the page «Ticket por teléfono» for the chosen contact, to come back to after a login."""
    return f"{request.path}?{urlencode({'contacto': request.POST.get('contacto', '')})}"


def phone_ticket(request: HttpRequest) -> HttpResponse:
    """Show «Ticket por teléfono»: the search for who calls, or the form for the chosen contact, and receive the form.

    It is for our own desk; others get 404 (M3).
    """
    agent = require_agent(request)
    if not policy.may_take_calls(agent):
        raise Http404
    chosen = request.POST.get("contacto", "") or request.GET.get("contacto", "")
    if not chosen:
        return _show_search(request)
    page = PhoneTicket(request, agent, contact_or_404(chosen))
    return page.receive_form() if request.method == "POST" else page.show_form()


def _show_search(request: HttpRequest) -> HttpResponse:
    """Show the page where an agent finds the contact who calls, by RFC, mail or name."""
    context = page_context(request, TITLE, **read_search(request))
    return TemplateResponse(request, "admin/tickets/phone_search.html", context)
