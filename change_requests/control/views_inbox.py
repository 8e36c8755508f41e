"""What mesa de control has to decide: formal requests, and second factors that somebody lost."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views import View
from django.views.generic import TemplateView

from accounts import operations, policy
from accounts.models import FactorReset, Office
from accounts.web.mixins import ControlMixin, get_person
from change_requests.control import inbox


class Inbox(ControlMixin, TemplateView):
    """Show what waits for this person first, and the factor resets that others asked for; at most eight statements."""

    template_name = "control/inbox.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what mesa de control's inbox shows: a page of requests, and petitions about lost second factors."""
        user: Any = self.request.user
        return super().get_context_data(
            offices=[assignment.get_office_display() for assignment in user.assignments],
            resets=self.list_resets(),
            page=inbox.read_page(user, self.read_query()),
            may_see_assets=user.is_superuser or user.holds(Office.SECURITY_OFFICER, Office.AUDITOR),
            **kwargs,
        )

    def read_query(self) -> inbox.InboxQuery:
        """Return what the inbox's address asks for: view, filter, search, and after which request the page begins."""
        address = self.request.GET
        view, kind = address.get("vista", ""), address.get("tipo", "")
        return inbox.InboxQuery(
            view if view in inbox.VIEWS else self.find_first_view(),
            kind if kind in inbox.FORMS else "",
            address.get("q", "").replace("\0", "").strip()[: inbox.MAX_QUERY],
            inbox.FIRST_DUE.read_from(address),
        )

    def find_first_view(self) -> str:
        """Return the view that an address without one shows: what waits for the reader, or all that is open (M26).

        Nothing ever waits for Auditoría, which reads everything and does nothing.
        """
        user: Any = self.request.user
        return inbox.OPEN if user.reads_all else inbox.MINE

    def list_resets(self) -> list[FactorReset]:
        """Return the petitions to take away a lost second factor that the reader may decide, at most 50, oldest first.

        A reader who may decide none gets an empty list. Petitions about the reader or by the reader are left out.
        """
        user: Any = self.request.user
        if not policy.may_decide_factor_reset(user):
            return []
        undecided = FactorReset.objects.filter(decided_at__isnull=True)
        decidable = undecided.exclude(requested_by=user).exclude(user=user)
        return list(decidable.select_related("user", "requested_by").order_by("requested_at")[:50])


class DecideFactorReset(ControlMixin, View):
    """Let the security officer approve or decline, by POST, that a lost second factor is taken away."""

    http_method_names = ["post"]

    def form_page(self) -> str:
        """Return the list that holds the two buttons."""
        return reverse("control:inbox")

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take away a lost second factor, or decline the petition, and redirect to the inbox with the outcome."""
        if not policy.may_decide_factor_reset(get_person(request)):
            raise PermissionDenied
        reset = get_object_or_404(FactorReset, pk=pk)
        is_approval = request.POST.get("decision") == "approve"
        decide = operations.approve_factor_reset if is_approval else operations.decline_factor_reset
        try:
            decide(reset.pk, actor=get_person(request))
        except operations.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            done = "Se quitó el segundo factor de" if is_approval else "No se quitó el segundo factor de"
            messages.success(request, f"{done} {reset.user.get_full_name()}.")
        return redirect("control:inbox")
