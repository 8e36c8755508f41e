"""Serve the page of a proposed charge, on which the representative decides it (M18): GET shows, POST decides.

A mail's signed link shows the charge. To decide it the person must be signed in, and represent the company then.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web.form_memory import FormKey
from accounts.web.mixins import login_keeping_draft
from accounts.web.proofs import read_proof
from factureya.core import clock
from factureya.core.models import Attachment
from tickets.charges import operations, policy
from tickets.charges.forms import ACCEPT, DECLINE, ChargeDecisionForm
from tickets.charges.models import ChargeProposal
from tickets.charges.months import Month
from tickets.customer import wording
from tickets.customer.views_public import OpenLink
from tickets.customer.views_ticket import TicketForms

Status = ChargeProposal.Status


class ChargePage(TicketForms):
    """Show a charge to who may see its ticket, and take the representative's decision."""

    url_name = "charge"
    http_method_names = ["get", "head", "post"]
    refusal_field = None

    def follow_merge(self, request: HttpRequest) -> None:
        """Go nowhere: a charge stays under the number where it was proposed, also when its ticket is merged (M11)."""

    def get(self, request: HttpRequest, seq: int) -> HttpResponse:
        """Show the charge, with the buttons if the person may decide it now."""
        self.charge = self.find_charge(seq)
        return self.show_form()

    def post(self, request: HttpRequest, seq: int) -> HttpResponse:
        """Take the decision, and show the charge again; who came by a mail's link must first sign in."""
        self.require_writer()
        self.charge = self.find_charge(seq)
        if self.actor.grant is not None:
            return login_keeping_draft(request, self.form_name(), self.after_login(self.ticket.number))
        return self.receive_form()

    def find_charge(self, seq: int) -> ChargeProposal:
        """Return the ticket's charge with this number. Raises Http404 if there is none."""
        charges = self.ticket.charges.select_related("proposed_by", "ended_by").prefetch_related("lines")
        charge = charges.filter(seq=seq).first()
        if charge is None:
            raise Http404("No hay una propuesta de cobro con ese número.")
        charge.ticket = self.ticket
        return charge

    def after_login(self, number: str) -> str:
        """Return the address of the charge, to come back to after a login."""
        return reverse("tickets:charge", kwargs={"number": number, "seq": self.kwargs["seq"]})

    def name_form(self, number: str) -> str:
        """Return the name of the form that decides this charge."""
        return f"cobro:{number}:{self.kwargs['seq']}"

    def form(self, *args: Any, **options: Any) -> ChargeDecisionForm:
        return ChargeDecisionForm(*args, **options)

    def perform(self, form: ChargeDecisionForm, key: FormKey) -> str:
        """Decide the charge as the form says; return its address."""
        charge = operations.decide_charge(
            self.ticket.pk,
            seq=self.charge.seq,
            decider=self.user,
            accepts=form.accepts,
            note=form.cleaned_data["note"],
            proof=read_proof(self.request),
        )
        if charge.is_accepted:
            messages.success(self.request, "Aceptó el cobro. Nos toca a nosotros: empezamos el trabajo.")
        else:
            messages.success(self.request, "No aceptó el cobro: no se cobra nada.")
        return self.after_login(self.ticket.number)

    def render_page(
        self, form: ChargeDecisionForm, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page of the charge with its form, if the person may decide."""
        charge, instant = self.charge, clock.now()
        state = charge.find_state(instant)
        customer = self.ticket.customer
        represents = policy.find_representation(self.user, customer) is not None
        can_decide = state == Status.PROPOSED and represents and not customer.is_suspended
        context = self.context(
            charge=charge,
            lines=sorted(charge.lines.all(), key=lambda line: line.seq),
            state=state,
            state_label=wording.describe_charge(state),
            represents=represents,
            may_decide=can_decide and self.actor.grant is None,
            must_sign_in=can_decide and self.actor.grant is not None,
            month=Month.of(instant),
            form=form,
            key=key,
            draft_reason=draft_reason,
            accept=ACCEPT,
            decline=DECLINE,
        )
        return render(self.request, "tickets/charge.html", context)


class OpenChargeLink(OpenLink):
    """Exchange the link of a mail for a grant in the session, and go to the charge; nothing is decided (M18)."""

    def go_to_ticket(self, number: str) -> HttpResponse:
        """Redirect to the charge that the link names."""
        return redirect("tickets:charge", number=number, seq=self.kwargs["seq"])
