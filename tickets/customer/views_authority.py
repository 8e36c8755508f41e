"""Serve the form of the «Portal para el usuario SAT»: an authority asks for information, without an account (M2)."""

import secrets

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.web.mixins import PrivateView
from accounts.web.proofs import read_client_ip
from factureya.core.clock import now
from factureya.core.files import store
from factureya.portal.errors import too_many_requests
from tickets.customer.authority_form import AuthorityForm
from tickets.operations.authority import receive_request

WINDOW_SECONDS = 60 * 60
PER_ADDRESS, OF_ALL = 10, 200  # requests of one IP address, and of all, in WINDOW_SECONDS
_SENT = "authority-sent"  # in the session: the folio that the next page shows


class Authority(PrivateView):
    """Show the form of a request of information, and store what is sent."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the empty form, with a new one-time key."""
        return self.show(AuthorityForm(initial={"form_key": secrets.token_urlsafe(16)}))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store a complete request and go to the page with its folio; otherwise show the form with what was typed."""
        if not _count_try(read_client_ip(request)):
            return too_many_requests(request, WINDOW_SECONDS)
        form = AuthorityForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.show(form)
        data = form.cleaned_data
        try:
            document = store.store(data.pop("document"), draft=data["form_key"])
        except store.RefusedFile as refusal:
            form.add_error("document", str(refusal))
            return self.show(form)
        received = receive_request(document=document, **data)
        request.session[_SENT] = received.folio
        return redirect("tickets:authority_sent")

    def show(self, form: AuthorityForm) -> HttpResponse:
        """Return the page with this form."""
        return render(self.request, "tickets/authority.html", {"form": form})


class AuthoritySent(PrivateView):
    """Show the folio of the request that this browser sent, and what follows; without one lead to the form."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the page with the folio that the session holds."""
        folio = request.session.get(_SENT)
        if not folio:
            return redirect("tickets:authority")
        return render(request, "tickets/authority_sent.html", {"folio": folio})


def _count_try(ip_address: str) -> bool:
    """Count a request that is sent; return False if this IP address, or all together, sent too many in this hour."""
    period = int(now().timestamp() // WINDOW_SECONDS)
    if _count_one_more(f"authority:{period}:{ip_address}") > PER_ADDRESS:
        return False
    return _count_one_more(f"authority:{period}") <= OF_ALL


def _count_one_more(key: str) -> int:
    """Add one to the counter under this key of the cache, and return the new count."""
    cache.add(key, 0, timeout=WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired in between
        return 1
