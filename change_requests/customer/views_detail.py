"""Serve the page of one request (M7, M8, M19), and what its customer may still do with the request."""

from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import KeyedForm
from change_requests import operations, policy
from change_requests.customer import forms, request_page, wording
from change_requests.customer.views_common import RequestView
from change_requests.links import Objector
from change_requests.models import FormalRequest
from change_requests.recipients import Role
from factureya.core.forms import STALE_FORM, PortalForm

PAGES = "change_requests/customer/"
Status = FormalRequest.Status


class RequestPage(KeyedForm, RequestView):
    """Show the page of a request with its forms, also after a form on it was refused."""

    def page(
        self, facts: request_page.RequestFacts, status: int = 200, *, key: FormKey | None = None, **asked: PortalForm
    ) -> HttpResponse:
        """Return the page; `asked` are the forms that were posted, as `answer` or `code`."""
        key = key or form_memory.new_key(self.user, self.page_key())
        given = {"answer": forms.AnswerForm(), "code": forms.CodeForm(), **asked}
        context = {
            "dossier": facts,
            "formal": facts.formal,
            "customer": self.customer,
            "key": key.token,
            "answer_form": given["answer"],
            "code_form": given["code"],
            "form": next(iter(asked.values()), None),
            "turn": facts.turn,
            "reader": self.user,
        }
        return render(self.request, PAGES + "detail.html", context, status=status)

    def page_key(self) -> str:
        """Return the name of the one-time key that the forms of the page share."""
        return f"detail:{self.folio}"

    def form_name(self, **kwargs: Any) -> str:
        """Return the same name before the person is known."""
        return f"detail:{kwargs['folio']}"


class Detail(RequestPage):
    """Show a request."""

    url_name = "detail"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page, with an answer that was typed before the login, if there is one."""
        facts = request_page.read_facts(self.find_request(), self.user)
        found = form_memory.find_draft(request.session, self.user, self.page_key())
        if found is None:
            return self.page(facts)
        key, fields, _ = found
        return self.page(facts, key=key, answer=forms.AnswerForm(initial=fields))


class AnswerClarification(RequestPage):
    """Take the answer to a clarification; the content of the request stays as it is."""

    url_name = "answer"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Record the answer; a second click finds that it was answered."""
        formal = self.find_request()
        key, is_ours = self.posted_key(self.user, self.page_key())
        form = forms.AnswerForm(request.POST)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if form.is_valid():
            try:
                operations.answer_clarification(formal.pk, actor=self.user, answer=form.cleaned_data["answer"])
            except operations.WrongStatus as refusal:
                form_memory.forget_draft(request.session, key)
                return self.redirect_to_detail(str(refusal))
            except operations.Refused as refusal:
                form.add_error("answer", str(refusal))
            else:
                form_memory.forget_draft(request.session, key)
                return self.redirect_to_detail("Enviamos su respuesta. La solicitud sigue su curso.", messages.SUCCESS)
        return self.page(request_page.read_facts(formal, self.user), key=key, answer=form)


class ConfirmCode(RequestPage):
    """Take the code that was mailed to the new registered address."""

    url_name = "code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Compare the code; the number of tries is limited."""
        formal = self.find_request()
        if limited := ratelimit.consume_or_429(request, action="new_mail_code", key=formal.folio):
            return limited
        form = forms.CodeForm(request.POST)
        if form.is_valid():
            try:
                operations.confirm_new_email(formal.pk, code=form.cleaned_data["code"], actor=self.user)
            except operations.WrongStatus as refusal:
                return self.redirect_to_detail(str(refusal))
            except operations.Refused as refusal:
                form.add_error("code", str(refusal))
            else:
                return self.redirect_to_detail("Comprobamos el correo nuevo.", messages.SUCCESS)
        return self.page(request_page.read_facts(self.find_request(), self.user), code=form)


class ResendCode(RequestView):
    """Mail another code to the new registered address; the earlier code stops working."""

    url_name = "resend_code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Send the code; how often is limited."""
        formal = self.find_request()
        if limited := ratelimit.consume_or_429(request, action="send_code", key=formal.folio):
            return limited
        try:
            operations.send_new_email_code(formal.pk, actor=self.user)
        except operations.Refused as refusal:
            return self.redirect_to_detail(str(refusal))
        return self.redirect_to_detail("Enviamos otro código; el anterior ya no sirve.", messages.SUCCESS)


class Sent(RequestView):
    """Show the folio of a request that was just sent, and where the link to confirm it went."""

    url_name = "sent"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page while the confirmation is awaited; afterwards redirect to the request's page."""
        formal = self.find_request()
        if formal.status != Status.SUBMITTED:
            return self.redirect_to_detail()
        return render(request, PAGES + "sent.html", {"formal": formal, "customer": self.customer})


class Withdraw(KeyedForm, RequestView):
    """Withdraw a request before it is executed, or discard a draft (*retirar*)."""

    url_name = "withdraw"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        formal = self.find_request()
        if formal.status not in policy.WITHDRAWABLE:
            return self.redirect_to_detail("La solicitud ya no se puede retirar.")
        found = form_memory.find_draft(request.session, self.user, self.form_name(folio=folio))
        key, fields, _ = found or (form_memory.new_key(self.user, self.form_name(folio=folio)), {}, "")
        return self.page(formal, forms.WithdrawForm(initial=fields), key)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Withdraw the request; a second click changes nothing."""
        formal = self.find_request()
        key, is_ours = self.posted_key(self.user, self.form_name(folio=folio))
        form = forms.WithdrawForm(request.POST)
        if formal.status == Status.DRAFT:
            form.fields["reason"].required = False
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if not form.is_valid():
            return self.page(formal, form, key)
        try:
            operations.withdraw(formal.pk, actor=self.user, reason=form.cleaned_data["reason"] or "Borrador descartado")
        except operations.WrongStatus as refusal:
            return self.redirect_to_detail(str(refusal))
        except operations.Refused as refusal:
            form.add_error("reason", str(refusal))
            return self.page(formal, form, key)
        form_memory.forget_draft(request.session, key)
        done = "Se descartó el borrador." if formal.status == Status.DRAFT else "Se retiró la solicitud."
        messages.success(request, done)
        return redirect("requests:list")

    def page(self, formal: FormalRequest, form: PortalForm, key: FormKey) -> HttpResponse:
        """Return the page that asks for the reason, with this form."""
        context = {"formal": formal, "form": form, "key": key.token, "is_draft": formal.status == Status.DRAFT}
        return render(self.request, PAGES + "withdraw.html", context)


class NotMeHere(RequestView):
    """Let somebody who is logged in say «no fui yo»: stop a request, or report an executed one (M8)."""

    url_name = "not_me_here"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        formal = self.find_request()
        does = request_page.not_me_does(formal)
        if not does:
            return self.redirect_to_detail("La solicitud ya no se puede detener.")
        context = {"formal": formal, "action": request.path, "does": does, "until": policy.alarm_until(formal)}
        return render(request, PAGES + "not_me.html", context)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Stop or report the request; a second click changes nothing."""
        formal = self.find_request()
        said_by = Objector(self.user.email.lower(), Role.PORTAL)
        try:
            formal = operations.not_me(formal.pk, actor=self.user, objector=said_by)
        except operations.Refused as refusal:
            return self.redirect_to_detail(str(refusal))
        return self.redirect_to_detail(wording.describe_objection(formal), messages.SUCCESS)


class Correct(RequestView):
    """Make a draft of a sent request (*corregir*); what is sent next is a new version."""

    url_name = "correct"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Reopen the draft and redirect to the second step."""
        formal = self.find_request()
        if formal.status != Status.DRAFT:
            try:
                operations.reopen_draft(formal.pk, actor=self.user)
            except operations.Refused as refusal:
                return self.redirect_to_detail(str(refusal), messages.WARNING)
        return redirect("requests:data", folio=self.folio)
