"""Serve the page of one request (M7, M8, M19), and what its customer may still do with the request."""

from collections.abc import Sequence
from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from accounts.web.proofs import read_code_proof
from change_requests import operations, policy
from change_requests.customer import forms, request_page, wording
from change_requests.customer.views_common import RequestView
from change_requests.links import Objector
from change_requests.models import FormalRequest
from change_requests.recipients import Role

PAGES = "change_requests/customer/"
Status = FormalRequest.Status


class RequestPage(RequestView, PostingForm):
    """Show the page of a request with its forms, also after a form on it was refused."""

    refusal_field = "answer"

    def form_name(self) -> str:
        """Return the name of the one-time key that the forms of the page share."""
        return f"detail:{self.folio}"

    def form(self, *args: Any, **options: Any) -> forms.AnswerForm:
        """Return the form of the answer to a clarification."""
        return forms.AnswerForm(*args, **options)

    def render_page(
        self,
        form: forms.AnswerForm,
        key: FormKey,
        *,
        kept: Sequence[Any] = (),
        draft_reason: str = "",
        code_form: forms.CodeForm | None = None,
    ) -> HttpResponse:
        """Return the page of the request with `form`, which answers a clarification, and its one-time `key`.

        `code_form` is the form of a refused code, to show its errors. This page does not use `kept` and `draft_reason`.
        """
        facts = request_page.read_facts(self.formal, self.user)
        context = {
            "dossier": facts,
            "formal": facts.formal,
            "customer": self.customer,
            "key": key.token,
            "answer_form": form,
            "code_form": code_form or forms.CodeForm(),
            "form": code_form or form,  # its errors stand at the head of the page
            "turn": facts.turn,
            "reader": self.user,
        }
        return render(self.request, PAGES + "detail.html", context)


class Detail(RequestPage):
    """Show a request."""

    url_name = "detail"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page of the request; an answer that the person typed before he logged in is in its form."""
        self.formal = self.find_request()
        return self.show_form()


class AnswerClarification(RequestPage):
    """Take the answer to a clarification; the content of the request stays as it is."""

    url_name = "answer"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Record the answer to a clarification and redirect to the request's page; a second click records nothing."""
        self.formal = self.find_request()
        return self.receive_form()

    def perform(self, form: forms.AnswerForm, key: FormKey) -> str:
        """Record the answer to the clarification, unless it has one; return the URL of the request's page."""
        try:
            operations.answer_clarification(
                self.formal.pk, actor=self.user, answer=form.cleaned_data["answer"], proof=self.proof
            )
            messages.success(self.request, "Enviamos su respuesta. La solicitud sigue su curso.")
        except operations.WrongStatus as refusal:
            messages.info(self.request, str(refusal))
        return reverse("requests:detail", args=[self.folio])


class ConfirmCode(RequestPage):
    """Take the code that was mailed to the new registered address."""

    url_name = "code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Confirm the new registered address by the code that was mailed there; after a wrong code, show the form."""
        formal = self.find_request()
        if limited := ratelimit.consume_or_429(request, action="new_mail_code", key=formal.folio):
            return limited
        form = forms.CodeForm(request.POST)
        if form.is_valid():
            try:
                operations.confirm_new_email(
                    formal.pk, code=form.cleaned_data["code"], actor=self.user, proof=read_code_proof(request)
                )
            except operations.WrongStatus as refusal:  # no code is expected any more
                return self.redirect_to_detail(str(refusal))
            except operations.Refused as refusal:  # a wrong code, for example
                form.add_error("code", str(refusal))
            else:
                return self.redirect_to_detail("Comprobamos el correo nuevo.", messages.SUCCESS)
        self.formal = self.find_request()  # read again: it may have changed
        return self.render_page(self.form(), form_memory.new_key(self.user, self.form_name()), code_form=form)


class ResendCode(RequestView):
    """Mail another code to the new registered address; the earlier code stops working."""

    url_name = "resend_code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Mail another code to the new registered address; redirect to the request. Too many tries get 429."""
        formal = self.find_request()
        if limited := ratelimit.consume_or_429(request, action="send_code", key=formal.folio):
            return limited
        try:
            operations.send_new_email_code(formal.pk, actor=self.user, proof=self.proof)
        except operations.Refused as refusal:
            return self.redirect_to_detail(str(refusal))
        return self.redirect_to_detail("Enviamos otro código; el anterior ya no sirve.", messages.SUCCESS)


class Sent(RequestView):
    """Show the folio of a request that was just sent, and where the link to confirm it went."""

    url_name = "sent"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page that says where we mailed the link to confirm; redirect if nothing is left to confirm."""
        formal = self.find_request()
        if formal.status != Status.SUBMITTED:
            return self.redirect_to_detail()
        return render(request, PAGES + "sent.html", {"formal": formal, "customer": self.customer})


class Withdraw(RequestView, PostingForm):
    """Withdraw a request before it is executed, or discard a draft (*retirar*)."""

    url_name = "withdraw"
    http_method_names = ["get", "head", "post"]
    refusal_field = "reason"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page that asks why the request is withdrawn; or redirect to the request if it is too late."""
        self.formal = self.find_request()
        if self.formal.status not in policy.WITHDRAWABLE:
            return self.redirect_to_detail("La solicitud ya no se puede retirar.")
        return self.show_form()

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Withdraw the request and redirect to the list; a second click changes nothing."""
        self.formal = self.find_request()
        return self.receive_form()

    @property
    def is_draft(self) -> bool:
        """Return whether the request was never sent."""
        return self.formal.status == Status.DRAFT

    def form(self, *args: Any, **options: Any) -> forms.WithdrawForm:
        """Return the form that asks why the request is withdrawn; a draft is discarded without a reason."""
        form = forms.WithdrawForm(*args, **options)
        form.fields["reason"].required = not self.is_draft
        return form

    def perform(self, form: forms.WithdrawForm, key: FormKey) -> str | HttpResponse:
        """Withdraw the request and return the URL of the list; if it is too late, return a redirect to the request."""
        reason = form.cleaned_data["reason"] or "Borrador descartado"  # a draft is discarded without a reason
        try:
            operations.withdraw(self.formal.pk, actor=self.user, reason=reason, proof=self.proof)
        except operations.WrongStatus as refusal:
            return self.redirect_to_detail(str(refusal))
        messages.success(self.request, "Se descartó el borrador." if self.is_draft else "Se retiró la solicitud.")
        return reverse("requests:list")

    def render_page(
        self, form: forms.WithdrawForm, key: FormKey, *, kept: Sequence[Any] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page that asks why a request is withdrawn; `kept` and `draft_reason` are unused."""
        context = {"formal": self.formal, "form": form, "key": key.token, "is_draft": self.is_draft}
        return render(self.request, PAGES + "withdraw.html", context)


class NotMeHere(RequestView):
    """Let somebody who is logged in say «no fui yo»: stop a request, or report an executed one (M8)."""

    url_name = "not_me_here"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page with the button «no fui yo»; or redirect to the request if it has no effect now."""
        formal = self.find_request()
        effect = request_page.find_not_me_effect(formal)
        if not effect:
            return self.redirect_to_detail("La solicitud ya no se puede detener.")
        until = policy.find_alarm_deadline(formal)
        context = {"formal": formal, "action": request.path, "does": effect, "until": until}
        return render(request, PAGES + "not_me.html", context)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Record that the person says «no fui yo»: stop the request, or report it if it was executed."""
        formal = self.find_request()
        objector = Objector(self.user.email.lower(), Role.PORTAL)  # in the portal, not by a link of a mail
        try:
            formal = operations.not_me(formal.pk, actor=self.user, objector=objector, proof=self.proof)
        except operations.Refused as refusal:
            return self.redirect_to_detail(str(refusal))
        return self.redirect_to_detail(wording.describe_objection(formal), messages.SUCCESS)


class Correct(RequestView):
    """Make a draft of a sent request (*corregir*); what is sent next is a new version."""

    url_name = "correct"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Turn the sent request into a draft again, unless it is a draft already; redirect to the wizard's step 2."""
        formal = self.find_request()
        if formal.status != Status.DRAFT:
            try:
                operations.reopen_draft(formal.pk, actor=self.user, proof=self.proof)
            except operations.Refused as refusal:
                return self.redirect_to_detail(str(refusal), messages.WARNING)
        return redirect("requests:data", folio=self.folio)
