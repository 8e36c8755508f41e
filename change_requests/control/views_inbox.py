"""What mesa de control has to decide."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views import View
from django.views.generic import TemplateView

from accounts import operations, policy
from accounts.mixins import ControlMixin
from accounts.models import FactorReset


class Inbox(ControlMixin, TemplateView):
    """Who I am here, and what waits for me: formal requests come with a later issue, factor resets are here."""

    template_name = "control/inbox.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """My offices, and the factor resets that others asked for."""
        user = self.request.user
        resets = FactorReset.objects.none()
        if policy.may_decide_factor_reset(user):
            undecided = FactorReset.objects.filter(decided_at__isnull=True)
            resets = undecided.exclude(requested_by=user).exclude(user=user)
        return super().get_context_data(
            offices=[assignment.get_office_display() for assignment in user.assignments],
            resets=resets.select_related("user", "requested_by").order_by("requested_at")[:50],
            **kwargs,
        )


class DecideFactorReset(ControlMixin, View):
    """POST: the security officer approves or declines that a lost second factor be taken away."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The operation asks again, under the lock."""
        if not policy.may_decide_factor_reset(request.user):
            raise PermissionDenied
        reset = get_object_or_404(FactorReset, pk=pk)
        approve = request.POST.get("decision") == "approve"
        decide = operations.approve_factor_reset if approve else operations.decline_factor_reset
        try:
            decide(reset.pk, actor=request.user)
        except operations.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            done = (
                "Se quitó el segundo factor de" if approve else "No se quitó el segundo factor de"
            )
            messages.success(request, f"{done} {reset.user.get_full_name()}.")
        return redirect("control:inbox")
