"""Serve the pages reached by a signed link of a mail: GET shows, POST decides (M7, M8).

«No fui yo» and a new password need no login; the confirmation needs the login of somebody with powers.
"""

from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.web.mixins import PrivateView, get_person
from accounts.web.proofs import read_link_proof
from change_requests import links, operations, policy
from change_requests.customer import request_page, wording
from change_requests.customer.forms import NewPasswordForm
from change_requests.models import FormalRequest

PAGES = "change_requests/customer/"
GONE = 410


class LinkView(PrivateView):
    """Serve a page reached by a link; explain a link that is forged, expired or void.

    The site's Referrer-Policy keeps the token from other sites. (With `no-referrer` a form would post no Origin.)
    """

    http_method_names = ["get", "head", "post"]
    page_of_bad = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page of a mailed link. Answer 410 to a forged, expired or void link, 429 to too many tries."""
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if limited := ratelimit.consume_or_429(request, action="open_link"):
            return limited
        try:
            return super().dispatch(request, *args, **kwargs)
        except links.BadLink:
            response = render(request, PAGES + "bad_link.html", {"page": self.page_of_bad}, status=GONE)
            response["Cache-Control"] = "private, no-store"
            return response


class Confirm(LinkView):
    """Confirm a request by the registered mail's link and the login of somebody with powers in force (M8)."""

    page_of_bad = "confirm"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Return the page to confirm a request, with old and new values; or ask for the login of somebody who may."""
        formal = links.read_confirm_link(token)
        if login_page := self._ask_other_login(formal):
            return login_page
        is_stopped = formal.suspended_at is not None  # by «no fui yo»
        is_waiting = formal.status == FormalRequest.Status.SUBMITTED and not is_stopped
        context = {"formal": formal, "dossier": request_page.read_facts(formal), "is_waiting": is_waiting}
        return render(request, PAGES + "confirm.html", context)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Confirm the request and redirect to the link's page with the outcome; a second click changes nothing."""
        formal = links.read_confirm_link(token)
        if login_page := self._ask_other_login(formal):
            return login_page
        try:
            operations.confirm_from_registered_email(
                formal.pk,
                actor=get_person(request),
                revision_no=formal.revision_no,
                link=links.describe_confirm_link(token),
                proof=read_link_proof(request),
            )
        except operations.Refused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(request, "Gracias. La solicitud quedó confirmada y pasó a revisión.")
        return redirect("requests:confirm", token=token)

    def _ask_other_login(self, formal: FormalRequest) -> HttpResponse | None:
        """Return the page that asks for the login of somebody who may confirm the request; None if this person may.

        The page's status is 200 if a visitor has just opened the link, else 403.
        """
        person = self.request.user
        if person.is_authenticated and policy.why_not_confirm(person, formal) is None:
            return None
        is_refusal = person.is_authenticated or self.request.method == "POST"
        context = {"login_url": redirect_to_login(self.request.path).url}
        return render(self.request, PAGES + "confirm_login.html", context, status=403 if is_refusal else 200)


class NotMe(LinkView):
    """Let whoever has the mail say «no fui yo»: stop the request, or report it after it was executed (M8)."""

    page_of_bad = "not_me"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Return the page with the button «no fui yo», which says what it would do, and by when an officer looks."""
        formal, _ = links.read_not_me_link(token)
        context = {
            "formal": formal,
            "action": request.path,
            "does": request_page.find_not_me_effect(formal),
            "until": policy.find_alarm_deadline(formal),
        }
        return render(request, PAGES + "not_me_link.html", context)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Stop the request, or report it if it was executed, and redirect to the link's page with the outcome."""
        formal, objector = links.read_not_me_link(token)
        try:
            formal = operations.not_me(
                formal.pk, objector=objector, link=links.describe_not_me_link(token), proof=read_link_proof(request)
            )
        except operations.Refused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(request, wording.describe_objection(formal))
        return redirect("requests:not_me", token=token)


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SetPassword(LinkView):
    """Let the person of a cambio de clave choose a new password, once, within 30 minutes (M7)."""

    page_of_bad = "password"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        person, _ = links.read_password_link(token)
        return self.render_page(NewPasswordForm(person=person), person)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Set the new password and redirect to the login; or return the form with why the password is refused."""
        person, _ = links.read_password_link(token)
        form = NewPasswordForm(request.POST, person=person)
        if not form.is_valid():
            return self.render_page(form, person)
        try:
            operations.set_password(token, password=form.cleaned_data["password"], proof=read_link_proof(request))
        except operations.Refused as refusal:
            form.add_error(None, str(refusal))
            return self.render_page(form, person)
        messages.success(request, "Guardamos su contraseña. Ingrese con ella.")
        return redirect("account_login")

    def render_page(self, form: NewPasswordForm, person: Any) -> HttpResponse:
        """Return the page with this form and the person whose password it is."""
        return render(self.request, PAGES + "set_password.html", {"form": form, "person": person})
