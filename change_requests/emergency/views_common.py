"""What the pages of emergencies share: who is let in, one emergency of the address, an act that is posted (M3, M23)."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import CONTROL_OFFICES, User
from change_requests.control.pages import ControlPage
from change_requests.emergency import policy
from change_requests.emergency.grant_page import JOINED, GrantPage
from change_requests.emergency.models import EmergencyGrant
from factureya.core import numbers

NOT_YOURS = "No hay una emergencia con ese folio para usted."


class EmergencyView(ControlPage):
    """Serve a page about emergencies to who works or reads in /control/; everybody else gets 404 (M3)."""

    not_yours = NOT_YOURS


class GrantView(EmergencyView):
    """Serve a page of one emergency to who may see it; everybody else gets 404."""

    grant: EmergencyGrant

    def prepare(self, **kwargs: Any) -> None:
        """Find the emergency of the address (letter O is read as 0). Raises Http404 if this person may not see it."""
        try:
            folio = numbers.parse_number(EmergencyGrant.PREFIX, kwargs["folio"])
        except numbers.InvalidNumber:
            raise Http404(NOT_YOURS) from None
        grant = policy.visible_to(self.user).select_related(*JOINED).filter(folio=folio).first()
        if grant is None:
            raise Http404(NOT_YOURS)
        self.grant = grant

    def make_page(self) -> GrantPage:
        """Return the emergency as this person sees it."""
        return GrantPage(self.grant, self.user)

    def form_address(self) -> str:
        """Return the address of the emergency's page, which holds the forms of its acts."""
        return reverse("emergency:grant", args=[self.kwargs["folio"]])

    def go_to_grant(self, text: str) -> HttpResponse:
        """Redirect to the emergency's page, with a message."""
        messages.success(self.request, text)
        return redirect("emergency:grant", self.grant.folio)


def works_in_control(user: User) -> bool:
    """Return True if the person does something in mesa de control, and not only reads there."""
    return user.is_staff and user.holds(*CONTROL_OFFICES)
