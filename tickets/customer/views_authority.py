"""Serve the form of the «Portal para el usuario SAT»: an authority asks for information, without an account (M2)."""

import secrets
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.web.mixins import PrivateView
from accounts.web.proofs import read_client_network
from factureya.core import tries
from factureya.core.files import store
from factureya.core.models import Attachment
from tickets.customer.authority_form import AuthorityForm
from tickets.operations.authority import receive_request

WINDOW = timedelta(hours=1)
PER_ADDRESS, OF_ALL = 10, 200  # complete requests of one IP address, and of all, in WINDOW
TOO_MANY = "Llegaron demasiados requerimientos desde su red en esta hora. Espere y envíelo de nuevo."
PDF, NOT_A_PDF = "application/pdf", "El oficio debe ser un PDF."
_SENT = "authority-sent"  # in the session: the folio that the next page shows


class Authority(PrivateView):
    """Show the form of a request of information, and store what is sent."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the empty form, with a new one-time key."""
        return self.show(AuthorityForm(initial={"form_key": secrets.token_urlsafe(16)}))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store a complete request and go to the page with its folio; otherwise show the form with what was typed."""
        form = AuthorityForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.show(form)
        address = read_client_network(request)
        if not tries.count_try("authority", address, window=WINDOW, of_one=PER_ADDRESS, of_all=OF_ALL):
            form.add_error(None, TOO_MANY)
            return self.show(form, status=429)
        data = form.cleaned_data
        try:
            document = _store_document(data.pop("document"), data["form_key"])
        except store.RefusedFile as refusal:
            form.add_error("document", str(refusal))
            return self.show(form)
        received = receive_request(document=document, **data)
        request.session[_SENT] = received.folio
        return redirect("tickets:authority_sent")

    def show(self, form: AuthorityForm, status: int = 200) -> HttpResponse:
        """Return the page with this form."""
        return render(self.request, "tickets/authority.html", {"form": form}, status=status)


class AuthoritySent(PrivateView):
    """Show the folio of the request that this browser sent, and what follows; without one lead to the form."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the page with the folio that the session holds."""
        folio = request.session.get(_SENT)
        if not folio:
            return redirect("tickets:authority")
        return render(request, "tickets/authority_sent.html", {"folio": folio})


def _store_document(upload: Any, form_key: str) -> Attachment:
    """Store the *oficio*, and return its row. Raises RefusedFile for a file that the store finds to be no PDF."""
    document = store.store(upload, draft=form_key)
    if document.content_type != PDF:
        store.discard_file(form_key, document.token)
        raise store.RefusedFile(NOT_A_PDF, document.name)
    return document
