"""Serve the pages that end a ticket and continue it: the confirmation (M15), and «El problema sigue» (M12)."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web.form_memory import FormKey
from factureya.core.models import Attachment
from factureya.core.refusals import Refused
from tickets import operations
from tickets.customer import wording
from tickets.customer.views_ticket import TicketForms, TicketView
from tickets.forms import FollowUpForm


class Confirm(TicketView):
    """Close a ticket by «Confirmar que se resolvió» (M15): GET shows the question, POST closes."""

    url_name = "confirm"
    writes = True
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the page that asks whether the problem is solved; if the ticket is Cerrado, go to its page."""
        self.require_writer()
        if self.ticket.is_closed:
            return redirect("tickets:detail", number=self.ticket.number)
        return render(request, "tickets/confirm.html", self.context(state=wording.describe_state(self.ticket)))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Close the ticket because the customer confirms the solution; go to its page, which says whether it closed."""
        self.require_writer()
        try:
            self.close_confirmed(author=self.user)
            messages.success(request, "Gracias por confirmarlo. El ticket quedó Cerrado.")
        except operations.TicketClosed:
            messages.info(request, "El ticket ya estaba Cerrado.")
        except operations.TicketMerged:
            return self.ask_in_survivor()
        except Refused as refusal:
            messages.warning(request, str(refusal))
        return redirect("tickets:detail", number=self.ticket.number)


class FollowUp(TicketForms):
    """Open by «El problema sigue» a new ticket that continues a closed one (M12)."""

    url_name = "follow_up"
    writes = True
    http_method_names = ["get", "head", "post"]

    def after_login(self, number: str) -> str:
        """Return the address of the form «El problema sigue», to come back to after a login."""
        return reverse("tickets:follow_up", args=[number])

    def form(self, *args: Any, **options: Any) -> FollowUpForm:
        return FollowUpForm(*args, **options)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form to continue a closed ticket; if the ticket is not Cerrado, go to the form to answer in it."""
        self.require_writer()
        if not self.ticket.is_closed:
            return redirect(reverse("tickets:detail", args=[self.ticket.number]) + "#responder")
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        self.require_writer()
        return self.receive_form()

    def perform(self, form: FollowUpForm, key: FormKey) -> str:
        return reverse("tickets:created", args=[self.open_follow_up(self.arguments(form, key)).number])

    def render_page(
        self, form: FollowUpForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page «El problema sigue» with its form, the stored files, and why an unsent draft is shown."""
        context = self.context(form=form, key=key, kept=kept, draft_reason=draft_reason)
        return render(self.request, "tickets/follow_up.html", context)
