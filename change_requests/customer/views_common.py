"""Share what the customer's pages of formal requests need: who may enter, and which request it is (M8)."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import Customer, Proof, Representative, User
from accounts.web.mixins import PrivateView, login_keeping_draft
from accounts.web.proofs import read_proof
from change_requests import policy
from change_requests.models import FormalRequest, MailText

NOT_YOURS = "No hay una solicitud con ese folio para usted."


class RequesterView(PrivateView):
    """Serve a page to whoever may ask for a company: its representative with powers in force (M8).

    An anonymous person is sent to the login, with what was typed kept. Everybody else gets 403 and the reason.
    """

    http_method_names = ["get", "head"]
    user: User
    customer: Customer
    signer: Representative
    needs_service = False  # whether a company whose service ended may not come here

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve a page of formal requests to a person with powers in force; set `user`, `customer` and `signer`.

        A method that the page does not take gets 405. A visitor gets the login. Staff and people without powers get 403
        and the reason; so does a company whose service ended, on a page that needs the service.
        """
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return login_keeping_draft(request, self.form_name(), self.after_login())
        self.user = request.user
        membership = None if self.user.is_staff else self.user.membership
        signer = policy.find_powers(self.user, membership.customer) if membership else None
        if membership is None or signer is None:
            return self.refuse_with_page("change_requests/customer/not_yours.html", membership=membership)
        self.customer, self.signer = membership.customer, signer
        if self.needs_service and self.customer.is_suspended:
            return self.refuse_with_page("accounts/suspended.html", customer=self.customer)
        return super().dispatch(request, *args, **kwargs)

    @property
    def proof(self) -> Proof:
        """Return how the person of this page is authenticated, for the operation that the page calls (M26)."""
        return read_proof(self.request)

    def refuse_with_page(self, page: str, **context: Any) -> HttpResponse:
        """Return a page with status 403 that gives the reason."""
        return render(self.request, page, context, status=403)

    def form_name(self) -> str:
        """Return the name of the page's form, for its one-time key."""
        return "solicitud"

    def after_login(self) -> str:
        """Return the URL to come back to after the login; it must answer to GET."""
        return self.request.get_full_path()


class RequestView(RequesterView):
    """Serve a page of one request of the person's company; another company's request gets 404 (M8)."""

    url_name = ""
    formal: FormalRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page to a person with powers; first redirect a GET whose folio is not written as we write it."""
        self.folio: str = kwargs["folio"]
        canonical = reverse(f"requests:{self.url_name}", args=[self.folio])
        if request.method in {"GET", "HEAD"} and request.path != canonical:
            return redirect(canonical)
        return super().dispatch(request, *args, **kwargs)

    def form_name(self) -> str:
        """Return the name of the form: the page and the folio."""
        return f"{self.url_name}:{self.folio}"

    def after_login(self) -> str:
        """Return where to go after a login: to this page, or if it only takes POST, to the request's page."""
        if "get" in self.http_method_names:
            return super().after_login()
        return reverse("requests:detail", args=[self.folio])

    def find_request(self) -> FormalRequest:
        """Return the request whose folio is in the URL. Raise Http404 when the person may not see it."""
        visible = policy.visible_to(self.user).select_related("requester", "representative", "implementer")
        has_mails = Exists(MailText.objects.filter(request=OuterRef("pk")))
        formal = visible.annotate(has_mails=has_mails).filter(folio=self.folio).first()
        if formal is None:
            raise Http404(NOT_YOURS)
        formal.customer = self.customer  # a visible request is of this company; so no query is needed
        return formal

    def redirect_to_detail(self, text: str = "", level: int = messages.INFO) -> HttpResponse:
        """Return a redirect to the page of the request, where `text`, if there is one, is shown as a message."""
        if text:
            messages.add_message(self.request, level, text)
        return redirect("requests:detail", folio=self.folio)
