"""Serve the page of a call: the code that proves who calls, and what the caller says (M4, M5, M11, M17).

Every button of the page belongs to one form, so that no word is lost whatever is pressed.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from factureya.core import clock
from factureya.core.forms import choose_kept_fields
from factureya.core.models import Attachment
from factureya.core.refusals import Refused
from tickets import operations, policy
from tickets.calls import operations as calls
from tickets.calls.policy import why_not_use
from tickets.desk.call_page import find_alike, read_call
from tickets.desk.pages import page_context, require_agent
from tickets.forms import TicketForm
from tickets.models import Call, Message, Ticket

ADD = "agregar"  # the button beside a ticket that is there already
QUEUE = "cola"  # the button that leaves the new ticket unassigned
MAX_SUBJECT = 200  # characters of a subject that is typed
SEEN = "otro"  # hidden beside the similar tickets that the page showed


class CallForm(TicketForm):
    """Ask what the caller says, as an agent writes it down: of a ticket that is there only the words are needed."""

    asks_steps = False

    kind = forms.ChoiceField(
        label="La llamada es de",
        choices=Call.Kind.choices,
        widget=forms.RadioSelect(),
        error_messages={"required": "Elija si es de soporte o de ventas", "invalid_choice": "Elija soporte o ventas"},
    )

    def __init__(self, *args: Any, is_adding: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_adding = is_adding
        self.fields["impact"].widget = forms.Select(
            choices=[("", "Elija una opción"), *reversed(Ticket.Impact.choices)]
        )
        labels = {"subject": "Asunto", "description": "Qué le dijo", "category": "Categoría", "impact": "Impacto"}
        labels |= {"steps": "Pasos que siguió (opcional)", "expected": "Qué esperaba que pasara (opcional)"}
        for name, label in labels.items():
            self.fields[name].label = label
            self.fields[name].help_text = ""
        self.fields["files"].label, self.fields["cfdi_uuid"].help_text = "Archivos (opcional)", ""
        if is_adding:
            for name in ("kind", "subject", "category", "impact"):
                self.fields[name].required = False
        elif self["kind"].value() == Call.Kind.SALES:
            for name in ("category", "impact"):
                self.fields[name].required = False

    def build_arguments(self) -> dict[str, Any]:
        """Return what was noted as arguments of `open_by_phone`; a call about sales is a question by default (M4)."""
        arguments = super().build_arguments()
        if self.cleaned_data["kind"] == Call.Kind.SALES:
            arguments["impact"] = arguments["impact"] or Ticket.Impact.QUESTION
        return {**arguments, "kind": self.cleaned_data["kind"]}

    def build_message(self) -> dict[str, Any]:
        """Return what was noted as arguments of `add_by_phone`: the text and the files."""
        arguments = super().build_arguments()
        return {"body": arguments["body"], "files": arguments["files"]}


class CallPage(PostingForm):
    """Show the page of a call, and take what the agent writes down in it."""

    def __init__(self, request: HttpRequest, agent: User, call: Call) -> None:
        self.request, self.user, self.call = request, agent, call
        self.code_error = ""

    def form_name(self) -> str:
        return f"llamada-{self.call.pk}"

    def form(self, *args: Any, **options: Any) -> CallForm:
        return CallForm(*args, is_adding=bool(args) and ADD in self.request.POST, **options)

    def initial(self) -> dict[str, Any]:
        return {"kind": Call.Kind.SUPPORT, "impact": None}

    def perform(self, form: CallForm, key: FormKey) -> str | HttpResponse:
        """Open the ticket, or add the words to the one whose button was pressed; return the address of this page.

        Return the page itself, before a ticket is opened, to ask once about similar ones of who calls (M11).
        """
        if ADD in self.request.POST:
            ticket = self.add_to(self.request.POST[ADD], form, key)
            messages.success(self.request, f"Agregó lo que le dijo a {ticket.number}, que queda Abierto.")
        elif self.asks_first(form, key):
            return self.render_page(form, key, kept=form_memory.list_files(key.key), asks=True)
        else:
            takes_it = QUEUE not in self.request.POST
            arguments = form.build_arguments()
            ticket = operations.open_by_phone(
                self.call.pk, agent=self.user, takes_it=takes_it, form_key=key.key, **arguments
            )
            messages.success(
                self.request, f"Levantó el ticket {ticket.number}. Díctele el número; también le llega por correo."
            )
        return self.address

    def asks_first(self, form: CallForm, key: FormKey) -> bool:
        """Return whether to ask about similar tickets: unless the agent saw them, or this form opened its ticket."""
        if SEEN in self.request.POST or Message.objects.filter(form_key=key.key).exists():
            return False
        return bool(find_alike(read_call(self.call, self.user), form.cleaned_data["subject"]))

    def add_to(self, number: str, form: CallForm, key: FormKey) -> Ticket:
        """Add what was noted to the ticket with this number; raise Http404 for one that the agent may not see."""
        ticket = Ticket.objects.visible_to(self.user).find_by_number(number)
        if ticket is None:
            raise Http404
        return operations.add_by_phone(
            ticket.pk, agent=self.user, call_pk=self.call.pk, form_key=key.key, **form.build_message()
        )

    @property
    def address(self) -> str:
        """Return the address of this page."""
        return reverse("admin:tickets_ticket_call", args=[self.call.pk])

    def render_page(
        self,
        form: CallForm,
        key: FormKey,
        *,
        kept: Sequence[Attachment] = (),
        draft_reason: str = "",
        asks: bool = False,
    ) -> HttpResponse:
        """Return the page of the call as it is now, and record what of the customer's it shows (M5).

        `asks` is whether the ticket was not opened yet, because the page asks about similar ones.
        """
        call = load_call(self.call.pk, self.user)
        facts = read_call(call, self.user)
        calls.record_look(call, agent=self.user, shown=facts.shown)
        context = page_context(
            self.request,
            f"Llamada de {facts.name}",
            facts=facts,
            call=call,
            form=form,
            key=key,
            kept=kept,
            is_recovered=draft_reason == form_memory.RECOVERED,
            code_error=self.code_error,
            present=clock.now(),
            why_not=why_not_use(self.user, call),
            alike=find_alike(facts, form["subject"].value() or ""),
            asks=asks,
        )
        return TemplateResponse(self.request, "admin/tickets/call.html", context)

    def press(self, act: Callable[[], object]) -> HttpResponse:
        """Do what a button beside the form asks, keep all that was typed in it, and show the page again (M17)."""
        key, is_good_key = self.posted_key()
        kept, refusals = self.update_draft_files(key)
        if is_good_key:
            fields = choose_kept_fields(self.request.POST)
            form_memory.keep_draft(self.request.session, key, fields, reason=form_memory.SET_ASIDE)
        for refused in refusals:
            messages.warning(self.request, str(refused))
        try:
            act()
        except calls.WrongCode as refusal:
            self.code_error = str(refusal)
            return self.render_page(self.form(initial=choose_kept_fields(self.request.POST)), key, kept=kept)
        except Refused as refusal:
            messages.warning(self.request, str(refusal))
        return redirect(self.address)


def show_call(request: HttpRequest, call: int) -> HttpResponse:
    """Show the page of the agent's own call (GET), or take what he wrote down in it (POST); others get 404 (M5)."""
    page = open_page(request, call)
    return page.receive_form() if request.method == "POST" else page.show_form()


def suggest_similar(request: HttpRequest, call: int) -> HttpResponse:
    """Return as HTML the caller's open tickets like the typed subject; the script asks when the field is left (M11)."""
    page = open_page(request, call)
    facts = read_call(page.call, page.user)
    is_over = bool(why_not_use(page.user, page.call))
    alike = [] if is_over else find_alike(facts, request.GET.get("asunto", "")[:MAX_SUBJECT])
    if alike:
        calls.record_look(page.call, agent=page.user, shown=[row.ticket.number for row in alike])
    return TemplateResponse(request, "admin/tickets/call_alike.html", {"alike": alike, "asks": False})


def send_code(request: HttpRequest, call: int) -> HttpResponse:
    """Mail a code to the chosen registered address (POST) (M5)."""
    page, agent = open_page(request, call), require_agent(request)
    to = request.POST.get("a_que_correo", calls.COMPANY)

    def send() -> None:
        calls.send_code(call, agent=agent, to=to)
        messages.success(request, "Enviamos el código. Pídale a quien llama que se lo lea.")

    return page.press(send)


def check_code(request: HttpRequest, call: int) -> HttpResponse:
    """Compare the code that the caller read back (POST): within 10 minutes, 3 tries, once (M5)."""
    page, agent = open_page(request, call), require_agent(request)

    def check() -> None:
        calls.check_code(call, agent=agent, code=request.POST.get("cifras", ""))
        messages.success(request, "Comprobado: ya puede hablar de sus tickets y de sus datos.")

    return page.press(check)


def end_call(request: HttpRequest, call: int) -> HttpResponse:
    """End the agent's call (POST), and go back to the search, or to the ticket that a third party called about."""
    open_page(request, call)
    agent = require_agent(request)
    ended = calls.end_call(call, agent=agent)
    messages.success(request, "La llamada terminó.")
    if ended.ticket_id is not None and not policy.may_take_calls(agent):
        return redirect("admin:tickets_ticket_change", ended.ticket_id)
    return redirect("admin:tickets_ticket_phone")


def open_page(request: HttpRequest, pk: int) -> CallPage:
    """Return the page of this call for the agent who takes it. Raises Http404 for anybody else's call."""
    agent = require_agent(request)
    return CallPage(request, agent, load_call(pk, agent))


def load_call(pk: int, agent: User) -> Call:
    """Return the agent's own call of a contact, as it is now; raise Http404 for another's."""
    return get_object_or_404(calls.CALL_ROW.filter(contact__isnull=False), pk=pk, agent=agent)
