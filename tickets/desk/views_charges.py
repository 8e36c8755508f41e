"""Serve the desk's pages of minutes and charges (M18): note and void minutes, propose and withdraw a charge."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from accounts.models import User
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from factureya.core import clock
from factureya.core.models import Attachment
from factureya.core.refusals import Invalid
from tickets.charges import money, operations, policy
from tickets.charges.forms import ChargeForm, ChargeReasonForm, TimeEntryForm
from tickets.charges.models import ChargeProposal, TimeEntry
from tickets.charges.operations import ChargeTerms
from tickets.charges.statement import count_minutes
from tickets.desk.pages import page_context, read_place, require_agent, require_reader, ticket_or_404, workspace_url
from tickets.desk.queue import Place
from tickets.merging import family
from tickets.models import Ticket
from tickets.policy import find_mail_hidden, is_third_party, may_read_mail
from tickets.providers.hiding import hide_in_charge, hide_in_time

PREVIEW = "calcular"  # the button that shows the sums and sends nothing


class DeskStep(PostingForm, View):
    """Serve a page with one form about a ticket, to an agent who may work on it; others get 404 or 403."""

    http_method_names = ["get", "head", "post"]
    title = ""
    template = ""
    ticket: Ticket
    place: Place
    seq: int

    def dispatch(self, request: HttpRequest, *args: Any, pk: int, **kwargs: Any) -> HttpResponseBase:
        """Serve the page of the ticket with the key `pk` to who may open it; `seq` is of its charge or entry."""
        self.seq = int(kwargs.get("seq", 0))
        self.ticket = ticket_or_404(request, pk)
        self.user = self.admit(request)
        self.place = read_place(request)
        return super().dispatch(request, *args)

    def admit(self, request: HttpRequest) -> User:
        """Return the person who may see the page. Raises PermissionDenied or Http404 for anybody else."""
        return require_agent(request)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Do what the form asks and go on, or show it with what is wrong."""
        return self.receive_form()

    def form_name(self) -> str:
        return f"{type(self).__name__}:{self.ticket.number}:{self.seq}"

    def go_back(self) -> str:
        """Return the address of the ticket's page."""
        return workspace_url(self.ticket.pk, self.place)

    def context(self) -> dict[str, Any]:
        """Return what the template of this page needs besides the form."""
        return {}

    def render_page(
        self, form: Any, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page with this form."""
        context = page_context(
            self.request,
            self.title,
            ticket=self.ticket,
            form=form,
            key=key,
            place=self.place,
            back_url=self.go_back(),
            **self.context(),
        )
        return TemplateResponse(self.request, self.template, context)


class TimePage(DeskStep):
    """Show the minutes and the charges of a ticket, with the form to note minutes; Auditoría reads it."""

    title = "Tiempo y cobros"
    template = "admin/tickets/time.html"

    def admit(self, request: HttpRequest) -> User:
        """Return an agent of the ticket's desk; who only reads may not post."""
        return require_agent(request) if request.method == "POST" else require_reader(request)

    def form(self, *args: Any, **options: Any) -> TimeEntryForm:
        return TimeEntryForm(*args, ticket=self.ticket, accepted=find_accepted(self.ticket), **options)

    def perform(self, form: TimeEntryForm, key: FormKey) -> str:
        """Note the minutes; return the address of this page."""
        data = form.cleaned_data
        operations.note_time(
            form.charge.ticket_id if form.charge else self.ticket.pk,
            agent=self.user,
            minutes=data["minutes"],
            work=data["work"],
            charge_seq=form.charge.seq if form.charge else None,
            form_key=key.key,
        )
        messages.success(self.request, f"Anotó {data['minutes']} min.")
        return self.request.get_full_path()

    def context(self) -> dict[str, Any]:
        """Return the entries and charges of the ticket and of those merged into it, and what the person may do."""
        pks, instant = family.list_read_pks(self.ticket), clock.now()
        found = TimeEntry.objects.filter(ticket__in=pks).select_related("agent", "charge", "voided_by", "ticket")
        entries = list(found.order_by("created_at", "pk"))
        proposed = ChargeProposal.objects.filter(ticket__in=pks).select_related("ended_by", "proposed_by", "ticket")
        charges = list(proposed.order_by("proposed_at", "pk"))
        self.hide_mails(entries, charges)
        may_write = bool(self.user.desk_provider_ids) and policy.may_work(self.user, self.ticket)
        may_propose = policy.may_propose(self.user, self.ticket)
        return {
            "rows": [(entry, may_write and self.may_void(entry, may_propose)) for entry in entries],
            "minutes": sum(entry.minutes for entry in entries if entry.voided_at is None),
            "charges": [(charge, describe_state(charge, charge.find_state(instant))) for charge in charges],
            "may_write": may_write,
            "may_propose": may_propose and not self.ticket.is_closed and not self.ticket.is_merged,
            "is_third_party": is_third_party(self.user),
        }

    def hide_mails(self, entries: list[TimeEntry], charges: list[ChargeProposal]) -> None:
        """Take the customer's mail addresses out of what this person may not read them in (M3, M11)."""
        pks = {self.ticket.pk, *(entry.ticket_id for entry in entries), *(charge.ticket_id for charge in charges)}
        hidden = find_mail_hidden(self.user, self.ticket, pks)
        for entry in entries:
            if entry.ticket_id in hidden:
                hide_in_time(entry)
        for charge in charges:
            if charge.ticket_id in hidden:
                hide_in_charge(charge)

    def may_void(self, entry: TimeEntry, may_propose: bool) -> bool:
        """Return whether the person may void this entry: its agent, or a supervisor."""
        return entry.voided_at is None and (may_propose or entry.agent_id == self.user.pk)


class VoidTime(DeskStep):
    """Ask why an entry is wrong, and void it."""

    title = "Anular un tiempo anotado"
    template = "admin/tickets/void_time.html"

    def form(self, *args: Any, **options: Any) -> ChargeReasonForm:
        return ChargeReasonForm(*args, **options)

    def perform(self, form: ChargeReasonForm, key: FormKey) -> str:
        """Void the entry; return the address of the ticket's minutes."""
        entry = self.context()["entry"]
        operations.void_time(self.ticket.pk, agent=self.user, seq=entry.seq, reason=form.cleaned_data["reason"])
        messages.success(self.request, "Anulado: ya no cuenta.")
        return reverse("admin:tickets_ticket_time", args=[self.ticket.pk])

    def context(self) -> dict[str, Any]:
        """Return the entry. Raises Http404 if there is none."""
        entry = self.ticket.time_entries.select_related("agent").filter(seq=self.seq).first()
        if entry is None:
            raise Http404
        if not may_read_mail(self.user, self.ticket):
            hide_in_time(entry)
        return {"entry": entry}


class ProposeCharge(DeskStep):
    """Ask a supervisor for a charge, show its sums, and propose it; other people of the desk get 404."""

    title = "Proponer un cobro"
    template = "admin/tickets/propose.html"

    def admit(self, request: HttpRequest) -> User:
        """Return a supervisor of the ticket's desk."""
        return require_proposer(request, self.ticket)

    def form(self, *args: Any, **options: Any) -> ChargeForm:
        return ChargeForm(*args, **options)

    def initial(self) -> dict[str, Any]:
        return {"rate": settings.CHARGE_HOURLY_RATE, "seen": self.ticket.message_count}

    def perform(self, form: ChargeForm, key: FormKey) -> str | HttpResponse:
        """Propose the charge and return the ticket's address; «calcular» only shows the sums."""
        terms = form.build_terms()
        if PREVIEW in self.request.POST:
            return self.render_page(form, key)
        try:
            charge = operations.propose_charge(
                self.ticket.pk, supervisor=self.user, terms=terms, seen=form.cleaned_data["seen"], form_key=key.key
            )
        except Invalid as refusal:
            for name, text in refusal.errors.items():
                form.add_error(name, text)
            return self.render_page(form, key)
        messages.success(
            self.request, f"Propuso un cobro de {money.format_cents(charge.total_cents)}; lo decide el representante."
        )
        return self.go_back()

    def render_page(
        self, form: ChargeForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page with its form, and with the sums of a form that is valid."""
        self.preview = preview_charge(form.build_terms()) if form.is_bound and form.is_valid() else None
        return super().render_page(form, key, kept=kept, draft_reason=draft_reason)

    def context(self) -> dict[str, Any]:
        """Return the sums, and who of the company may decide."""
        deciders = policy.find_deciders(self.ticket.customer)
        return {"preview": self.preview, "deciders": deciders, "preview_name": PREVIEW}


class WithdrawCharge(DeskStep):
    """Ask a supervisor why a charge is withdrawn, and withdraw it."""

    title = "Retirar la propuesta de cobro"
    template = "admin/tickets/withdraw.html"

    def admit(self, request: HttpRequest) -> User:
        """Return a supervisor of the ticket's desk."""
        return require_proposer(request, self.ticket)

    def form(self, *args: Any, **options: Any) -> ChargeReasonForm:
        return ChargeReasonForm(*args, **options)

    def perform(self, form: ChargeReasonForm, key: FormKey) -> str:
        """Withdraw the charge; return the ticket's address."""
        reason = form.cleaned_data["reason"]
        operations.withdraw_charge(self.ticket.pk, seq=self.seq, supervisor=self.user, reason=reason)
        messages.success(self.request, "Retiró la propuesta: no se cobra nada.")
        return self.go_back()

    def context(self) -> dict[str, Any]:
        """Return the charge. Raises Http404 if there is none."""
        charge = self.ticket.charges.filter(seq=self.seq).first()
        if charge is None:
            raise Http404
        return {"charge": charge}


def require_proposer(request: HttpRequest, ticket: Ticket) -> User:
    """Return the supervisor who asks for the page. Raises PermissionDenied for strangers, Http404 for an agent."""
    agent = require_agent(request)
    if not policy.may_propose(agent, ticket):
        raise Http404
    return agent


def find_accepted(ticket: Ticket) -> list[tuple[ChargeProposal, int]]:
    """Return the accepted charges of a ticket and of those merged into it, each with the minutes left of it (M11)."""
    charges = ChargeProposal.objects.filter(ticket__in=family.list_read_pks(ticket)).select_related("ticket")
    accepted = charges.filter(status=ChargeProposal.Status.ACCEPTED).prefetch_related("time_entries")
    instant = clock.now()
    return [
        (charge, max(0, charge.minutes - count_minutes(charge.time_entries.all(), instant)))
        for charge in accepted.order_by("proposed_at", "pk")
    ]


def preview_charge(terms: ChargeTerms) -> ChargeProposal:
    """Return a charge that is not stored, with the sums that these terms would have."""
    subtotal = sum(terms.amounts)
    tax = money.compute_tax(subtotal, settings.CHARGE_TAX_RATE)
    return ChargeProposal(
        minutes=terms.minutes,
        rate_cents=terms.rate_cents,
        subtotal_cents=subtotal,
        tax_rate=settings.CHARGE_TAX_RATE,
        tax_cents=tax,
        total_cents=subtotal + tax,
    )


def describe_state(charge: ChargeProposal, state: str) -> tuple[str, str, bool]:
    """Return the colour and the label of a charge's state, and whether it can still be decided."""
    Status = ChargeProposal.Status  # noqa: N806
    colour = {Status.ACCEPTED: "ok", Status.PROPOSED: "waiting"}.get(Status(state), "closed")
    return colour, str(Status(state).label), state == Status.PROPOSED
