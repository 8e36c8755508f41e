"""What the customer's pages of formal requests share: who may come in, and which request it is (M8)."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import Customer, Representative, User
from accounts.web.mixins import PrivateView, login_keeping_draft
from change_requests import operations, policy
from change_requests.models import FormalRequest, MailText

# What an operation may answer to a form that was filled in well; the page shows it again with the reason.
REFUSALS = operations.Refused
NOT_YOURS = "No hay una solicitud con ese folio para usted."


class RequesterView(PrivateView):
    """A page of who may ask for a company: its representative with powers in force (M8).

    Anonymous: to the login, with what was typed kept. Everybody else: 403 and a page that says who may.
    """

    user: User
    customer: Customer
    signer: Representative
    needs_service = False  # whether a company whose service ended may not come here

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """405 first, then login, then the powers."""
        if not self.takes(request):
            return self.http_method_not_allowed(request)
        if not request.user.is_authenticated:
            return login_keeping_draft(request, self.form_name(**kwargs), self.after_login())
        self.user = request.user
        membership = None if self.user.is_staff else self.user.membership
        signer = policy.powers_of(self.user, membership.customer) if membership else None
        if membership is None or signer is None:
            return self.explain("change_requests/customer/not_yours.html", membership=membership)
        self.customer, self.signer = membership.customer, signer
        if self.needs_service and self.customer.is_suspended:
            return self.explain("accounts/suspended.html", customer=self.customer)
        return super().dispatch(request, *args, **kwargs)

    def explain(self, page: str, **context: Any) -> HttpResponse:
        """403 with the reason."""
        return render(self.request, page, context, status=403)

    def form_name(self, **kwargs: Any) -> str:
        """Which form a post of this page is of, for its one-time key."""
        return "solicitud"

    def after_login(self) -> str:
        """Where who must sign in first comes back to: an address that answers to GET."""
        return self.request.get_full_path()


class RequestView(RequesterView):
    """A page of one request of the company; everybody else's is 404 (M8)."""

    url_name = ""
    formal: FormalRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A GET of a folio typed otherwise goes to its canonical address."""
        folio = kwargs["folio"]
        canonical = reverse(f"requests:{self.url_name}", args=[folio])
        if request.method in {"GET", "HEAD"} and request.path != canonical:
            return redirect(canonical)
        return super().dispatch(request, *args, **kwargs)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """As a view; the request is found once the person is known (`found`)."""
        super().setup(request, *args, **kwargs)
        self.folio: str = kwargs["folio"]

    def form_name(self, **kwargs: Any) -> str:
        """The page and the folio."""
        return f"{self.url_name}:{kwargs['folio']}"

    def after_login(self) -> str:
        """The request's page, when this address only takes a POST."""
        if "get" in self.http_method_names:
            return super().after_login()
        return reverse("requests:detail", args=[self.folio])

    def find(self) -> FormalRequest:
        """The request, or 404."""
        visible = policy.visible_to(self.user).select_related("requester", "representative", "implementer")
        has_mails = Exists(MailText.objects.filter(request=OuterRef("pk")))
        formal = visible.annotate(has_mails=has_mails).filter(folio=self.folio).first()
        if formal is None:
            raise Http404(NOT_YOURS)
        formal.customer = self.customer  # the visible ones are of this company: no query for it
        return formal

    def to_detail(self, text: str = "", level: int = messages.INFO) -> HttpResponse:
        """Back to the request's page, with a word."""
        if text:
            messages.add_message(self.request, level, text)
        return redirect("requests:detail", folio=self.folio)
