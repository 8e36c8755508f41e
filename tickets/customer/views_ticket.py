"""Serve the pages of one ticket (M12–M16): its history, and the customer's answer."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm, PrivateView, login_keeping_draft
from factureya.core import calendar
from factureya.core.clock import now
from factureya.core.forms import choose_kept_fields
from factureya.core.models import Attachment
from factureya.core.refusals import NotAllowed, Refused
from tickets import access, notifications, operations, policy
from tickets.customer import timeline, wording
from tickets.forms import InformationForm
from tickets.models import ChargeProposal, Ticket, TicketQuerySet

# A ticket's page shows most of the ticket but few columns of what it belongs to; half the cost of the query is columns.
_NOT_SHOWN = {"search_words", "last_excerpt", "queue_at", "team", "reply_due_at", "customer_waits_since", "voided_by"}
_SHOWN = (
    *(field.name for field in Ticket._meta.concrete_fields if field.name not in _NOT_SHOWN),
    *"customer__legal_name customer__rfc customer__suspended_at requester__full_name requester__email".split(),
    *"assignee__full_name assignee__email".split(),
)


class TicketView(PrivateView):
    """Serve a page of one ticket to who may see it by login or by a signed link; answer 404 to others (M16)."""

    url_name = ""
    writes = False  # as in PersonView; a POST always is
    actor: access.Actor
    user: User  # the actor's
    ticket: Ticket

    def dispatch(self, request: HttpRequest, *args: Any, number: str, **kwargs: Any) -> HttpResponseBase:
        """Serve the page to who may see the ticket, by login or by a mail's link. Others must log in, or get a 404.

        A number typed in small letters is redirected to its usual form. A suspended company only reads.
        """
        canonical = reverse(f"tickets:{self.url_name}", kwargs=self.kwargs)
        if request.method in {"GET", "HEAD"} and request.path != canonical:
            return HttpResponseRedirect(canonical)
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        actor = access.find_actor(request.user, request.session, number)
        if actor is None:
            return login_keeping_draft(request, self.name_form(number), self.after_login(number))
        self.actor, self.user = actor, actor.user
        self.ticket = self.find_ticket(number)
        if self.ticket.is_merged and (answer := self.follow_merge(request)):
            return answer
        is_write = self.writes or request.method == "POST"
        # Who may not write in this ticket at all is refused by the view, not because the company is suspended.
        if is_write and self.may_write(self.ticket) and self.ticket.customer.is_suspended:
            return render(request, "accounts/suspended.html", {"customer": self.ticket.customer}, status=403)
        return super().dispatch(request, *args, **kwargs)

    def follow_merge(self, request: HttpRequest) -> HttpResponse | None:
        """Return the redirect from a merged ticket's page to the same page of the one that takes its messages (M11).

        What was typed for the merged one waits there (M17). Return None for a POST, which the operation takes there
        itself, and if the person may not see that ticket.
        """
        survivor = self.find_survivor()
        if survivor is None or request.method not in {"GET", "HEAD"}:
            return None
        form_memory.move_draft(request.session, self.user, self.ticket.number, survivor.number)
        messages.info(request, f"El ticket {self.ticket.number} se combinó con este: aquí se atiende.")
        page = "detail" if self.url_name == "created" else self.url_name
        return redirect(f"tickets:{page}", number=survivor.number)

    def find_survivor(self) -> Ticket | None:
        """Return the ticket that takes this merged one's messages, or None if the person may not see it (M11).

        Who came by a mail's link may see both.
        """
        survivor = self.tickets().filter(number=self.ticket.find_survivor().number).first()
        if survivor is None or (self.actor.grant and not self.may_write(survivor)):
            return None
        if self.actor.grant:
            access.extend_grant(self.request.session, self.actor.grant, survivor)
        return survivor

    def close_confirmed(self, **arguments: Any) -> Ticket:
        """Close the ticket because the customer confirms the solution, and return it (M15).

        Raises TicketMerged if the person sees where it goes on, and NotAllowed if not (M11).
        """
        try:
            return operations.confirm_resolved(self.ticket.pk, **arguments)
        except operations.TicketMerged:
            self.ticket.refresh_from_db(fields=["merged_into"])
            if self.find_survivor() is None:
                raise NotAllowed("El ticket se combinó con otro que usted no ve: no se cerró nada.") from None
            raise

    def ask_in_survivor(self) -> HttpResponse:
        """Go to the ticket that takes this one's messages, for the customer to read it and confirm there (M11, M15)."""
        number = self.ticket.find_survivor().number
        form_memory.move_draft(self.request.session, self.user, self.ticket.number, number)
        text = f"No se cerró nada: {self.ticket.number} se combinó con {number}. Véalo y confirme ahí."
        messages.warning(self.request, text)
        return redirect("tickets:detail", number=number)

    def tickets(self) -> TicketQuerySet:
        """Select the tickets this person may see, with the columns that a ticket's page shows."""
        visible = Ticket.objects.visible_to(self.user)
        return visible.select_related("customer", "requester", "assignee").only(*_SHOWN)

    def find_ticket(self, number: str) -> Ticket:
        """Return the ticket. Raises Http404 if the person may not see it, or has a mail's link but may not write.

        A third party's agents work in the admin alone, where what they may not see is hidden (M3).
        """
        ticket = self.tickets().filter(number=number).first()
        if ticket is None or policy.is_third_party(self.user) or (self.actor.grant and not self.may_write(ticket)):
            raise Http404("No hay un ticket con ese número para usted.")
        return ticket

    def may_write(self, ticket: Ticket) -> bool:
        """Return whether the person writes here as the customer; staff only read."""
        return policy.may_write_as_customer(self.user, ticket)

    def require_writer(self) -> None:
        """Raise Http404 if the person may read the ticket but not write as the customer: staff write in the admin."""
        if not self.may_write(self.ticket):
            raise Http404("Aquí solo escribe el cliente.")

    def name_form(self, number: str) -> str:
        """Return the name of the page's form, by which its key is read when nobody is logged in."""
        return number

    def after_login(self, number: str) -> str:
        """Return the address that the person goes to after logging in again."""
        return reverse("tickets:detail", args=[number])

    def context(self, **more: Any) -> dict[str, Any]:
        """Return what the template of every page of a ticket needs."""
        return {"ticket": self.ticket, "reader": self.user, "by_link": self.actor.grant is not None, **more}


class TicketForms(PostingForm, TicketView):
    """Serve a page of a ticket with a form; its key carries the ticket's number."""

    def form_name(self) -> str:
        return self.name_form(self.ticket.number)

    def arguments(self, form: InformationForm, key: FormKey) -> dict[str, Any]:
        """Return what the operations take from a form of the ticket's page: author, one-time key, text and files."""
        return {"author": self.user, "form_key": key.key, **form.build_arguments()}

    def open_follow_up(self, arguments: dict[str, Any]) -> Ticket:
        """Open the ticket that continues this closed one; return it. A mail's link to this one gives access to both."""
        ticket = operations.follow_up(self.ticket.pk, **arguments)
        if self.actor.grant is not None:
            access.extend_grant(self.request.session, self.actor.grant, ticket)
        return ticket


class TicketPage(TicketForms):
    """Show the ticket's page with its composer, also after a post that was refused."""

    def find_ticket(self, number: str) -> Ticket:
        """Return the ticket; `continued_by` is the number of the last visible ticket that continues it, or None."""
        ticket: Any = super().find_ticket(number)
        ticket.continued_by = None
        if ticket.is_closed:
            following = Ticket.objects.visible_to(self.user).filter(follows=ticket)
            ticket.continued_by = following.order_by("-pk").values_list("number", flat=True).first()
        return ticket

    def form(self, *args: Any, **options: Any) -> InformationForm:
        is_confirming = bool(args) and "resolved" in self.request.POST  # `args` hold posted data
        return InformationForm(*args, is_waiting=self.ticket.is_waiting, is_confirming=is_confirming, **options)

    def render_page(
        self, form: InformationForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the customer's page of the ticket with its answer form and the files stored for it (`kept`).

        `draft_reason`: why an unsent draft is shown, or "". The ticket that this one continues is linked if visible.
        """
        ticket, user = self.ticket, self.user
        events = timeline.read_events(ticket)
        _add_charges(ticket, has_any=timeline.may_have_charges(events))
        follows = ticket.follows if ticket.follows and policy.may_write_as_customer(user, ticket.follows) else None
        context = self.context(
            form=form,
            key=key,
            kept=kept,
            draft_reason=draft_reason,
            entries=timeline.read_history(ticket, user, events),
            turn=wording.describe_turn(ticket),
            asks_authorization=_asks_authorization(ticket),
            state=wording.describe_state(ticket),
            follows=follows,
            **_measure_wait(ticket),
            is_writer=self.may_write(ticket) and not ticket.customer.is_suspended and not ticket.is_merged,
            next_step=f"tickets/partials/next_{'merged' if ticket.is_merged else ticket.status}.html",
            reminder_hours=settings.REMINDER_HOURS,
            workspace_url=notifications.workspace_url(ticket) if user.is_staff else "",
        )
        return render(self.request, "tickets/detail.html", context)


class Detail(TicketPage):
    """Show the ticket."""

    url_name = "detail"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show_form()


class AddInformation(TicketPage):
    """Add the customer's message (M11, M13), or close the ticket with it (M15)."""

    url_name = "add_information"
    http_method_names = ["post"]

    def after_login(self, number: str) -> str:
        """Return the address of the answer form on the ticket's page, to come back to after a login."""
        return super().after_login(number) + "#responder"

    def post(self, request: HttpRequest) -> HttpResponse:
        self.require_writer()
        return self.receive_form()

    def perform(self, form: InformationForm, key: FormKey) -> str | HttpResponse:
        """Add the customer's message to the ticket, or close the ticket with it; return where to go.

        A confirmation of a ticket that was merged meanwhile is asked for again in the other, with what was typed (M11).
        """
        arguments = self.arguments(form, key)
        try:
            number = self.confirm_solution(arguments) if form.is_confirming else self.add_message(arguments)
        except operations.TicketMerged:
            if arguments["body"] or arguments["files"]:
                fields = choose_kept_fields(self.request.POST)
                form_memory.keep_draft(self.request.session, key, fields, reason=form_memory.CARRIED)
            return self.ask_in_survivor()
        return reverse("tickets:detail", args=[number])

    def add_message(self, arguments: dict[str, Any]) -> str:
        """Add the message; return the number of the ticket that took it.

        It is another one if this one was merged meanwhile (M11), and a new linked ticket if it has closed (M12).
        """
        try:
            ticket = operations.add_information(self.ticket.pk, **arguments)
        except operations.TicketClosed:
            return self.continue_in_new(arguments)
        messages.success(self.request, "Recibimos su mensaje. Nos toca a nosotros.")
        return ticket.number

    def continue_in_new(self, arguments: dict[str, Any]) -> str:
        """Open a ticket linked to this one, which is Cerrado by now; tell the customer, and return the new number."""
        ticket = self.open_follow_up(arguments)
        messages.warning(
            self.request,
            f"El ticket {self.ticket.number} ya se había cerrado. Con lo que escribió abrimos este, "
            f"{ticket.number}, enlazado con el anterior; no se perdió nada.",
        )
        return ticket.number

    def confirm_solution(self, arguments: dict[str, Any]) -> str:
        """Close the ticket because the customer confirms the solution, and return its number (M15).

        If it was Cerrado already, what he wrote opens a linked ticket, whose number is returned (M12). Without a text
        nothing changes.
        """
        try:
            ticket = self.close_confirmed(**arguments)
        except operations.TicketClosed:
            if arguments["body"]:
                return self.continue_in_new(arguments)
            messages.info(self.request, "El ticket ya estaba Cerrado.")
            return self.ticket.number
        messages.success(self.request, "Gracias por confirmarlo. El ticket quedó Cerrado.")
        return ticket.number


class Authorize(TicketForms):
    """Take «Autorizo» or «No autorizo» from the ticket's page (M14)."""

    url_name = "authorize"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Write the decision into the ticket and show its page, which says why if it was refused."""
        self.require_writer()
        key, is_good_key = self.posted_key()
        decision = request.POST.get("autoriza", "")
        if decision not in {"si", "no"} or not is_good_key:
            messages.warning(request, "No se decidió nada: elija de nuevo si autoriza o no.")
            return redirect("tickets:detail", number=self.ticket.number)
        note = request.POST.get("porque", "").replace("\0", "")
        try:
            operations.decide_authorization(
                self.ticket.pk, author=self.user, is_granted=decision == "si", note=note, form_key=key.key
            )
            messages.success(request, "Anotamos su decisión. Nos toca a nosotros.")
        except operations.TicketMerged:  # what is asked in the other ticket may be something else
            messages.warning(request, "No se decidió nada: el ticket se combinó con otro. Vea ahí qué se le pregunta.")
        except Refused as refusal:
            messages.warning(request, str(refusal))
        return redirect("tickets:detail", number=self.ticket.number)


class Created(TicketView):
    """Show «Recibimos su ticket»: the number and what follows (M10). It survives a reload."""

    url_name = "created"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page after a ticket was opened: its number, when we answer, how long the customer has to reply."""
        context = self.context(first_reply=wording.describe_first_reply(), reply_days=calendar.describe_reply_time())
        return render(request, "tickets/created.html", context)


def _add_charges(ticket: Any, *, has_any: bool) -> None:
    """Give the ticket `open_charge`, the number of the charge to decide, or None; and whether a charge began its wait.

    The latter is `waits_for_charge`. Without any charge no query is needed.
    """
    charges = list(ticket.charges.values_list("seq", "status", "proposed_at", "expires_at")) if has_any else []
    instant, undecided = now(), ChargeProposal.Status.PROPOSED
    open_charges = (seq for seq, status, _at, expires_at in charges if status == undecided and expires_at >= instant)
    ticket.open_charge = next(open_charges, None)
    ticket.waits_for_charge = any(proposed_at == ticket.waiting_since for _seq, _status, proposed_at, _end in charges)


def _asks_authorization(ticket: Any) -> bool:
    """Return whether the customer is asked «¿lo autoriza?», and not for a charge or a confirmation (M14)."""
    is_asked = ticket.is_waiting and ticket.wait_reason == Ticket.WaitReason.AUTHORIZATION
    return is_asked and not ticket.asks_confirmation and not ticket.waits_for_charge


def _measure_wait(ticket: Ticket) -> dict[str, Any]:
    """Return, for the bar on the ticket's page, how much of the customer's time to answer is left, in per cent.

    `instant` is the server's time; `is_due`: the customer's time is over. A ticket that is not En espera has none left.
    """
    instant = now()
    if not ticket.is_waiting or ticket.closes_at is None or ticket.waiting_since is None:
        return {"instant": instant, "left": 0, "is_due": False}
    whole_wait = ticket.closes_at - ticket.waiting_since
    percent = round(100 * ((ticket.closes_at - instant) / whole_wait)) if whole_wait else 0
    return {"instant": instant, "left": max(0, min(100, percent)), "is_due": ticket.closes_at <= instant}
