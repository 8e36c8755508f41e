"""What the officers keep: the closed list of causes, and the dated delegations (M23)."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.models import RoleAssignment, User
from change_requests.control.pages import choose_status_code
from change_requests.emergency import operations, policy
from change_requests.emergency.forms import CauseForm, DelegationForm, PasswordForm
from change_requests.emergency.list_page import may_keep_delegations
from change_requests.emergency.models import Delegation, EmergencyCause
from change_requests.emergency.views_common import EmergencyView
from change_requests.emergency.views_seals import list_custodians
from factureya.core import clock
from factureya.core.refusals import Refused

SHOWN_ENDED = 20  # delegations that are over, the newest first


class Causes(EmergencyView):
    """List the causes; the security officer adds one here, and ends one."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the list, with the form for the security officer."""
        return self.render_list(self.fill_held(CauseForm(request), request.path))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Add a cause and return to the list; or return the page with what is wrong."""
        if refused := policy.why_not_keep(self.user):
            return self.render_list(CauseForm(request), self.tell(refused))
        form = CauseForm(request, request.POST)
        if not form.is_valid():
            return self.render_list(form)
        try:
            cause = operations.add_cause(actor=self.user, proof=self.make_proof(), **form.make_arguments())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_list(form, choose_status_code(refusal))
        messages.success(request, f"«{cause.title}» está en la lista.")
        return redirect("emergency:causes")

    def render_list(self, form: CauseForm, code: int = 200) -> HttpResponse:
        """Return the page of the causes, with the form to add one if the reader may; `code` is the HTTP status."""
        causes = EmergencyCause.objects.select_related("kept_by", "ended_by").order_by("-active", "pk")
        context = {"causes": list(causes), "form": form if policy.may_keep(self.user) else None}
        return render(self.request, "emergency/causes.html", context, status=code)


class EndCause(EmergencyView):
    """Let the security officer end a cause, with the password typed again."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the page that asks for the password; who may not end a cause is sent to the list."""
        return self.render_form(PasswordForm(request), pk)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End the cause and return to the list; or return the page with what is wrong."""
        form = PasswordForm(request, request.POST)
        if not form.is_valid():
            return self.render_form(form, pk)
        cause = get_object_or_404(EmergencyCause, pk=pk)
        try:
            operations.end_cause(cause.pk, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_form(form, pk, choose_status_code(refusal))
        messages.success(request, f"«{cause.title}» ya no está en la lista.")
        return redirect("emergency:causes")

    def render_form(self, form: PasswordForm, pk: int, code: int = 200) -> HttpResponse:
        """Return the page that asks to confirm the end of this cause; a reader who may not end it goes to the list."""
        cause = get_object_or_404(EmergencyCause, pk=pk)
        if refusal := policy.why_not_keep(self.user):
            messages.error(self.request, str(refusal))
            return redirect("emergency:causes")
        context = {
            "form": form,
            "title": "Terminar una causa",
            "lead": f"«{cause.title}» deja de poder elegirse. Las emergencias que la nombran la conservan.",
            "button": "Terminar la causa",
            "back": reverse("emergency:causes"),
            "back_label": "Causas",
        }
        return render(self.request, "emergency/confirm.html", context, status=code)


class DelegationsView(EmergencyView):
    """Serve a page about delegations to the officers who name or have alternates; others go to the list."""

    def why_not(self) -> HttpResponse | None:
        """Return None if the person may keep or read delegations, else a redirect to the list, with a message."""
        if may_keep_delegations(self.user) or self.user.reads_all:
            return None
        messages.error(self.request, "Las suplencias las llevan Seguridad, el Propietario y el Área Informática.")
        return redirect("emergency:list")


class Delegations(DelegationsView):
    """List who stands in for whom; the absent officer or the security officer names an alternate here."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the list and the form."""
        return self.why_not() or self.render_list(self.fill_held(self.make_form(), request.path))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Name the alternate and return to the list; or return the page with what is wrong."""
        if redirection := self.why_not():
            return redirection
        form = self.make_form(request.POST)
        if not form.is_valid():
            return self.render_list(form)
        try:
            delegation = operations.delegate_office(actor=self.user, proof=self.make_proof(), **form.make_arguments())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_list(form, choose_status_code(refusal))
        messages.success(request, f"Quedó registrada la suplencia: {delegation}.")
        return redirect("emergency:delegations")

    def make_form(self, data: Any = None) -> DelegationForm:
        """Return the form; the security officer chooses any absent officer, another officer only himself."""
        holders = RoleAssignment.objects.in_force().filter(office__in=Delegation.OFFICES, user__is_active=True)
        absent = User.objects.filter(pk__in=holders.values("user")).order_by("full_name", "pk")
        if not policy.may_keep(self.user):
            absent = absent.filter(pk=self.user.pk)
        return DelegationForm(self.request, data, absent=absent, people=list_custodians())

    def render_list(self, form: DelegationForm, code: int = 200) -> HttpResponse:
        """Return the page of the delegations: those in force or to come, then the SHOWN_ENDED newest that are over."""
        instant = clock.now()
        joined = Delegation.objects.select_related("absent", "alternate", "granted_by").order_by("-starts_at", "-pk")
        live = list(joined.filter(ended_at=None, ends_at__gt=instant))
        over = list(joined.exclude(ended_at=None, ends_at__gt=instant)[:SHOWN_ENDED])
        rows = [
            {
                "delegation": each,
                "may_end": policy.why_not_end_delegation(self.user, each) is None,
                "is_over": each in over,
            }
            for each in [*live, *over]
        ]
        context = {"rows": rows, "form": form if may_keep_delegations(self.user) else None, "now": instant}
        return render(self.request, "emergency/delegations.html", context, status=code)


class EndDelegation(DelegationsView):
    """Let the absent officer, or the security officer, end a delegation before its date."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the page that asks for the password."""
        return self.why_not() or self.render_form(PasswordForm(request), pk)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End the delegation and return to the list; or return the page with what is wrong."""
        if redirection := self.why_not():
            return redirection
        form = PasswordForm(request, request.POST)
        delegation = get_object_or_404(Delegation, pk=pk)
        if not form.is_valid():
            return self.render_form(form, pk)
        try:
            operations.end_delegation(delegation.pk, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_form(form, pk, choose_status_code(refusal))
        messages.success(request, "La suplencia terminó.")
        return redirect("emergency:delegations")

    def render_form(self, form: PasswordForm, pk: int, code: int = 200) -> HttpResponse:
        """Return the page that asks to confirm the end of this delegation; `code` is the HTTP status."""
        delegation = get_object_or_404(Delegation.objects.select_related("absent", "alternate"), pk=pk)
        context = {
            "form": form,
            "title": "Terminar una suplencia",
            "lead": f"{delegation}. Lo que ya decidió se conserva.",
            "button": "Terminar la suplencia",
            "back": reverse("emergency:delegations"),
            "back_label": "Suplencias",
        }
        return render(self.request, "emergency/confirm.html", context, status=code)
