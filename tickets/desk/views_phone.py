"""Serve «Registrar llamada»: find who calls, begin the call, and write down a call about sales (M3–M5)."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from factureya.core.forms import PortalForm, Text
from factureya.core.models import Attachment
from factureya.core.refusals import Refused
from tickets import policy
from tickets.calls import operations as calls
from tickets.desk.callers import MAX_CALLERS, find_callers, read_query
from tickets.desk.pages import contact_or_404, page_context, require_agent, workspace_url
from tickets.desk.queue import NOWHERE, Place, may_be_key
from tickets.models import Call, Ticket
from tickets.models.calls import MAX_NAME, MAX_PHONE

TITLE = "Registrar llamada"
SALES_TITLE = "Llamadas de ventas"
MAX_SALES_CALLS = 50
NULL = {"null_characters_not_allowed": "Hay un carácter que no se puede guardar; escríbalo de nuevo"}


class SalesCallForm(PortalForm):
    """Ask who called about sales: name and phone are enough (M4)."""

    caller_name = forms.CharField(
        label="Nombre de quien llama",
        max_length=MAX_NAME,
        error_messages={
            "required": "Escriba el nombre de quien llama",
            "max_length": "El nombre tiene hasta 150 caracteres; escribió %(show_value)d",
            **NULL,
        },
    )
    caller_phone = forms.RegexField(
        label="Teléfono",
        regex=r"^[\d\s()+.,;extEXT-]*\d[\d\s()+.,;extEXT-]*$",
        max_length=MAX_PHONE,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
        error_messages={
            "required": "Escriba el teléfono al que se le devuelve la llamada",
            "max_length": "El teléfono tiene hasta 30 caracteres; escribió %(show_value)d",
            "invalid": "Un teléfono lleva números, espacios y signos, como 222 555 0134",
            **NULL,
        },
    )
    note = Text(label="Qué le interesa (opcional)", required=False, rows=3)


class SalesCalls(PostingForm):
    """Show the calls about sales of people who are not registered, and write down another."""

    def __init__(self, request: HttpRequest, agent: User) -> None:
        self.request, self.user = request, agent

    def form_name(self) -> str:
        return "llamada-ventas"

    def form(self, *args: Any, **options: Any) -> SalesCallForm:
        return SalesCallForm(*args, **options)

    def perform(self, form: SalesCallForm, key: FormKey) -> str:
        """Write down the call, and return the address of the list."""
        calls.note_sale(agent=self.user, form_key=key.key, **form.cleaned_data)
        messages.success(self.request, "Anotó la llamada. Quien atiende ventas la ve en esta lista.")
        return reverse("admin:tickets_ticket_call_sales")

    def render_page(
        self, form: SalesCallForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page with the form and the last calls, those that nobody has handled first."""
        rows = Call.objects.filter(contact=None).select_related("agent", "handled_by")
        rows = rows.order_by(F("handled_at").desc(nulls_first=True), "-pk")[:MAX_SALES_CALLS]
        waiting = [row for row in rows if row.handled_at is None]
        done = sorted((row for row in rows if row.handled_at), key=lambda row: -row.pk)
        context = page_context(
            self.request,
            SALES_TITLE,
            form=form,
            key=key,
            rows=[*waiting, *done],
            shown=MAX_SALES_CALLS,
            is_recovered=bool(draft_reason),
        )
        return TemplateResponse(self.request, "admin/tickets/call_sales.html", context)


def search_callers(request: HttpRequest) -> HttpResponse:
    """Show the search for who calls, and whom it finds; that somebody looked is recorded. For our own desk (M3, M5)."""
    agent = require_desk(request)
    query = read_query(request.GET.get("q", ""))
    callers = find_callers(query, agent)
    if query:
        calls.record_search(agent, query=query, people=[caller.pk for caller in callers])
    context = page_context(request, TITLE, query=query, callers=callers, shown=MAX_CALLERS)
    return TemplateResponse(request, "admin/tickets/phone_search.html", context)


def start_call(request: HttpRequest) -> HttpResponse:
    """Begin the call of the chosen contact (POST), or go on with the one that is open, and show its page.

    `ticket` is the key of the ticket whose page it was begun on: a third party's agent calls about no other (M3).
    """
    agent = require_agent(request)
    contact = contact_or_404(request.POST.get("contacto", "")).user
    ticket_key = request.POST.get("ticket", "")
    ticket = Ticket.objects.visible_to(agent).filter(pk=int(ticket_key)).first() if may_be_key(ticket_key) else None
    if ticket is None and not policy.may_take_calls(agent):
        raise Http404
    try:
        call = calls.start_call(agent=agent, contact=contact, ticket_pk=ticket.pk if ticket else None)
    except Refused as refusal:
        messages.warning(request, str(refusal))
        return redirect(workspace_url(ticket.pk, Place(NOWHERE)) if ticket else reverse("admin:tickets_ticket_phone"))
    return redirect("admin:tickets_ticket_call", call.pk)


def list_sales(request: HttpRequest) -> HttpResponse:
    """Show the calls about sales of people who are not registered (GET), or write one down (POST) (M4)."""
    page = SalesCalls(request, require_desk(request))
    return page.receive_form() if request.method == "POST" else page.show_form()


def handle_sale(request: HttpRequest, call: int) -> HttpResponse:
    """Record that the person who asked about sales was called back (POST), and show the list again (M4)."""
    agent = require_desk(request)
    if not Call.objects.filter(pk=call, contact=None).exists():
        raise Http404
    calls.handle_sale(call, agent=agent)
    messages.success(request, "Quedó como atendida.")
    return redirect("admin:tickets_ticket_call_sales")


def find_start_page(request: HttpRequest, _arguments: dict[str, Any]) -> str:
    """Return the address of the search, to come back to it after a login."""
    return reverse("admin:tickets_ticket_phone")


def require_desk(request: HttpRequest) -> User:
    """Return the agent of our own desk who asks. Raises Http404 for a third party's, else PermissionDenied (M3)."""
    agent = require_agent(request)
    if not policy.may_take_calls(agent):
        raise Http404
    return agent
