"""The pages of one ticket (M12–M16): its history, the customer's answer, the confirmation, what follows."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import drafts
from accounts.web.mixins import posted_text
from factureya.core import calendar
from factureya.core.clock import now
from factureya.core.files import store
from factureya.core.forms import STALE_FORM
from tickets import access, formkeys, notifications, operations, policy
from tickets.customer import timeline, wording
from tickets.customer.views_common import REFUSALS, TicketView
from tickets.formkeys import FormKey, FormWithFiles
from tickets.forms import FollowUpForm, InformationForm
from tickets.models import Ticket


class TicketPage(FormWithFiles, TicketView):
    """The ticket's page with its composer; also what a post that was refused shows again."""

    def find(self, number: str) -> Ticket:
        """Also the number of the ticket that continues it, if it is closed and the person may see that one (M12)."""
        ticket: Any = super().find(number)
        ticket.continued_by = None
        if ticket.is_closed:
            next_ones = Ticket.objects.visible_to(self.actor.user).filter(follows=ticket)
            ticket.continued_by = next_ones.order_by("-pk").values_list("number", flat=True).first()
        return ticket

    def form(self, *args: Any, **options: Any) -> InformationForm:
        """The composer of this ticket."""
        return InformationForm(*args, is_waiting=self.ticket.is_waiting, **options)

    def page(self, form: InformationForm, key: FormKey, **more: Any) -> HttpResponse:
        """Five queries, session and user included, and one more when closed, however long the history is."""
        ticket, user = self.ticket, self.actor.user
        follows = ticket.follows if ticket.follows and policy.may_write_as_customer(user, ticket.follows) else None
        context = self.context(
            form=form,
            key=key,
            entries=timeline.of(ticket, user),
            turn=wording.turn(ticket),
            state=wording.state(ticket),
            follows=follows,
            **_clock(ticket),
            is_writer=self.may_write(ticket) and not ticket.customer.is_suspended,
            next_step=f"tickets/partials/next_{ticket.status}.html",
            reminder_hours=settings.REMINDER_HOURS,
            workspace_url=notifications.workspace_url(ticket) if user.is_staff else "",
            **{"kept": [], "why": "", **more},
        )
        return render(self.request, "tickets/detail.html", context)


class Detail(TicketPage):
    """The ticket."""

    url_name = "detail"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Its page, with the draft that waits for it, if there is one."""
        user, number = self.actor.user, self.ticket.number
        found = drafts.find(request.session, user, number)
        if found is None:
            return self.page(self.form(), formkeys.new(user, number))
        key, fields, why = found
        return self.page(self.form(initial=fields), key, kept=store.list_draft_files(key.key), why=why)


class AddInformation(TicketPage):
    """The customer's message (M11, M13), or his message with the confirmation (M15)."""

    url_name = "add_information"
    http_method_names = ["post"]

    def after_login(self, number: str) -> str:
        """To the composer."""
        return super().after_login(number) + "#responder"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Write it; or show the page again with the draft kept."""
        self.require_writer()
        user, number = self.actor.user, self.ticket.number
        key, is_ours = self.posted_key(user, number)
        kept, refusals = self.posted_files(key)
        if "quitar" in request.POST:
            return self.page(self.form(initial=posted_text(request)), key, kept=kept)
        form = self.form(request.POST, is_confirming="resolved" in request.POST)
        form.take_files(kept, refusals)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        return self.write(form, key) if form.is_valid() else self.page(form, key, kept=kept)

    def write(self, form: InformationForm, key: FormKey) -> HttpResponse:
        """Call the operation; what it refuses stays on the page."""
        try:
            number = self.confirm(form, key) if form.is_confirming else self.add(form, key)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            key = self.key_after(refusal, key, self.actor.user)
            return self.page(form, key, kept=store.list_draft_files(key.key))
        drafts.forget(self.request.session, key)
        return redirect("tickets:detail", number=number)

    def add(self, form: InformationForm, key: FormKey) -> str:
        """Add the message; what was written to a ticket that closed meanwhile opens a linked one (M12)."""
        wanted = {"author": self.actor.user, "form_key": key.key, **form.message()}
        try:
            operations.add_information(self.ticket.pk, **wanted)
        except operations.TicketClosed:
            return self.continue_in_new(wanted)
        messages.success(self.request, "Recibimos su mensaje. Nos toca a nosotros.")
        return self.ticket.number

    def continue_in_new(self, wanted: dict[str, Any]) -> str:
        """Open the linked ticket and say so."""
        ticket = follow_up(self, wanted)
        messages.warning(
            self.request,
            f"El ticket {self.ticket.number} ya se había cerrado. Con lo que escribió abrimos este, "
            f"{ticket.number}, enlazado con el anterior; no se perdió nada.",
        )
        return ticket.number

    def confirm(self, form: InformationForm, key: FormKey) -> str:
        """Close it by confirmation (M15); a text that came too late opens a linked ticket, as any other (M12)."""
        wanted = {"author": self.actor.user, "form_key": key.key, **form.message()}
        try:
            operations.confirm_resolved(self.ticket.pk, **wanted)
        except operations.TicketClosed:
            if wanted["body"]:
                return self.continue_in_new(wanted)
            messages.info(self.request, "El ticket ya estaba Cerrado.")
            return self.ticket.number
        messages.success(self.request, "Gracias por confirmarlo. El ticket quedó Cerrado.")
        return self.ticket.number


class Confirm(TicketView):
    """«Confirmar que se resolvió» (M15): GET shows, POST decides."""

    url_name = "confirm"
    writes = True
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question, with what it is about."""
        self.require_writer()
        if self.ticket.is_closed:
            return redirect("tickets:detail", number=self.ticket.number)
        return render(request, "tickets/confirm.html", self.context(state=wording.state(self.ticket)))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Close the ticket; saying it twice is harmless."""
        self.require_writer()
        try:
            operations.confirm_resolved(self.ticket.pk, author=self.actor.user)
            messages.success(request, "Gracias por confirmarlo. El ticket quedó Cerrado.")
        except operations.TicketClosed:
            messages.info(request, "El ticket ya estaba Cerrado.")
        except REFUSALS as refusal:
            messages.warning(request, str(refusal))
        return redirect("tickets:detail", number=self.ticket.number)


class FollowUp(FormWithFiles, TicketView):
    """«El problema sigue»: a new ticket that continues a closed one (M12)."""

    url_name = "follow_up"
    writes = True
    http_method_names = ["get", "head", "post"]

    def after_login(self, number: str) -> str:
        """Back to this form."""
        return reverse("tickets:follow_up", args=[number])

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form; a ticket that is not closed is answered on its own page."""
        self.require_writer()
        if not self.ticket.is_closed:
            return redirect(reverse("tickets:detail", args=[self.ticket.number]) + "#responder")
        found = drafts.find(request.session, self.actor.user, self.ticket.number)
        key, fields, why = found or (formkeys.new(self.actor.user, self.ticket.number), {}, "")
        kept = store.list_draft_files(key.key) if found else []
        return self.page(FollowUpForm(initial=fields), key, kept=kept, why=why)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open the ticket; or show the form again with everything kept."""
        self.require_writer()
        key, is_ours = self.posted_key(self.actor.user, self.ticket.number)
        kept, refusals = self.posted_files(key)
        if "quitar" in request.POST:
            return self.page(FollowUpForm(initial=posted_text(request)), key, kept=kept)
        form = FollowUpForm(request.POST)
        form.take_files(kept, refusals)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        return self.open(form, key) if form.is_valid() else self.page(form, key, kept=kept)

    def open(self, form: FollowUpForm, key: FormKey) -> HttpResponse:
        """Call the operation; what it refuses stays on the page."""
        try:
            ticket = follow_up(self, {"author": self.actor.user, "form_key": key.key, **form.message()})
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            key = self.key_after(refusal, key, self.actor.user)
            return self.page(form, key, kept=store.list_draft_files(key.key))
        drafts.forget(self.request.session, key)
        return redirect("tickets:created", number=ticket.number)

    def page(self, form: FollowUpForm, key: FormKey, **more: Any) -> HttpResponse:
        """The form with its kept files."""
        context = self.context(form=form, key=key, **{"kept": [], "why": "", **more})
        return render(self.request, "tickets/follow_up.html", context)


class Created(TicketView):
    """«Recibimos su ticket»: number and what follows (M10). A plain page that survives a reload."""

    url_name = "created"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """The number, where it was sent, and what follows."""
        context = self.context(first_reply=wording.first_reply(), reply_days=calendar.describe_reply_time())
        return render(request, "tickets/created.html", context)


def follow_up(view: TicketView, wanted: dict[str, Any]) -> Ticket:
    """Open the ticket that continues this one; who came by a link may see the ticket he just opened."""
    ticket = operations.follow_up(view.ticket.pk, **wanted)
    if view.actor.grant is not None:
        access.extend(view.request.session, view.actor.grant, ticket)
    return ticket


def _clock(ticket: Ticket) -> dict[str, Any]:
    """The wait as the page draws it: the server's instant, and how much of the time is left, in hundredths."""
    instant = now()
    if not ticket.is_waiting or ticket.closes_at is None or ticket.waiting_since is None:
        return {"instant": instant, "left": 0, "is_due": False}
    whole = ticket.closes_at - ticket.waiting_since
    left = max(0, min(100, round(100 * ((ticket.closes_at - instant) / whole)))) if whole else 0
    return {"instant": instant, "left": left, "is_due": ticket.closes_at <= instant}
