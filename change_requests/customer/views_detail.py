"""One request (M7, M8, M19): where it stands, why, what was answered, and what its customer may still do."""

from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.web import drafts, form_keys
from accounts.web.form_keys import FormKey
from accounts.web.mixins import KeyedForm
from change_requests import operations, policy
from change_requests.customer import forms, request_page, wording
from change_requests.customer.views_common import REFUSALS, RequestView
from change_requests.links import Objector
from change_requests.models import FormalRequest
from change_requests.recipients import Role
from factureya.core.forms import STALE_FORM, PortalForm

PAGES = "change_requests/customer/"
Status = FormalRequest.Status


class RequestPage(KeyedForm, RequestView):
    """The page of a request, with its forms; also what a post that was refused shows again."""

    def page(
        self,
        seen: request_page.Dossier,
        status: int = 200,
        *,
        key: FormKey | None = None,
        **asked: PortalForm,
    ) -> HttpResponse:
        """`asked` are the forms that were posted, as `answer` or `code`; the others are fresh."""
        key = key or form_keys.new(self.user, self.page_key())
        given = {"answer": forms.AnswerForm(), "code": forms.CodeForm(), **asked}
        context = {
            "dossier": seen,
            "formal": seen.formal,
            "customer": self.customer,
            "key": key.token,
            "answer_form": given["answer"],
            "code_form": given["code"],
            "form": next(iter(asked.values()), None),
            "turn": seen.turn,
            "reader": self.user,
        }
        return render(self.request, PAGES + "detail.html", context, status=status)

    def page_key(self) -> str:
        """The forms of the page share one key."""
        return f"detail:{self.folio}"

    def form_name(self, **kwargs: Any) -> str:
        """As `page_key`, before the person is known."""
        return f"detail:{kwargs['folio']}"


class Detail(RequestPage):
    """The request."""

    url_name = "detail"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """As it is now."""
        seen = request_page.of(self.find(), self.user)
        found = drafts.find(request.session, self.user, self.page_key())
        if found is None:
            return self.page(seen)
        key, fields, _ = found
        return self.page(seen, key=key, answer=forms.AnswerForm(initial=fields))


class AnswerClarification(RequestPage):
    """POST: the answer to the question that was asked; the content stays as it is."""

    url_name = "answer"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Answer once; a double click finds that it was answered."""
        formal = self.find()
        key, is_ours = self.posted_key(self.user, self.page_key())
        form = forms.AnswerForm(request.POST)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if form.is_valid():
            try:
                operations.answer_clarification(formal.pk, actor=self.user, answer=form.cleaned_data["answer"])
            except operations.WrongStatus as refusal:
                drafts.forget(request.session, key)
                return self.to_detail(str(refusal))
            except REFUSALS as refusal:
                form.add_error("answer", str(refusal))
            else:
                drafts.forget(request.session, key)
                return self.to_detail("Enviamos su respuesta. La solicitud sigue su curso.", messages.SUCCESS)
        return self.page(request_page.of(formal, self.user), key=key, answer=form)


class ConfirmCode(RequestPage):
    """POST: the code that was mailed to the new registered address."""

    url_name = "code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Compare it; tries are limited."""
        formal = self.find()
        if limited := ratelimit.consume_or_429(request, action="new_mail_code", key=formal.folio):
            return limited  # type: ignore[no-any-return]
        form = forms.CodeForm(request.POST)
        if form.is_valid():
            try:
                operations.confirm_new_email(formal.pk, code=form.cleaned_data["code"])
            except operations.WrongStatus as refusal:
                return self.to_detail(str(refusal))
            except REFUSALS as refusal:
                form.add_error("code", str(refusal))
            else:
                return self.to_detail("Comprobamos el correo nuevo.", messages.SUCCESS)
        return self.page(request_page.of(self.find(), self.user), code=form)


class ResendCode(RequestView):
    """POST: another code to the new registered address; the one before stops working."""

    url_name = "resend_code"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Send it; how often is limited."""
        formal = self.find()
        if limited := ratelimit.consume_or_429(request, action="send_code", key=formal.folio):
            return limited  # type: ignore[no-any-return]
        try:
            operations.send_new_email_code(formal.pk, actor=self.user)
        except REFUSALS as refusal:
            return self.to_detail(str(refusal))
        return self.to_detail("Enviamos otro código; el anterior ya no sirve.", messages.SUCCESS)


class Sent(RequestView):
    """«Falta confirmar su solicitud»: folio, and where the link went. A plain page that survives a reload."""

    url_name = "sent"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """While it waits for the link; afterwards the request's page says more."""
        formal = self.find()
        if formal.status != Status.SUBMITTED:
            return self.to_detail()
        return render(request, PAGES + "sent.html", {"formal": formal, "customer": self.customer})


class Withdraw(KeyedForm, RequestView):
    """«Retirar»: GET asks, POST does, before it is carried out. A draft is discarded the same way."""

    url_name = "withdraw"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Why?"""
        formal = self.find()
        if formal.status not in policy.WITHDRAWABLE:
            return self.to_detail("La solicitud ya no se puede retirar.")
        found = drafts.find(request.session, self.user, self.form_name(folio=folio))
        key, fields, _ = found or (form_keys.new(self.user, self.form_name(folio=folio)), {}, "")
        return self.page(formal, forms.WithdrawForm(initial=fields), key)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Withdraw it; saying it twice is harmless."""
        formal = self.find()
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
            return self.to_detail(str(refusal))
        except REFUSALS as refusal:
            form.add_error("reason", str(refusal))
            return self.page(formal, form, key)
        drafts.forget(request.session, key)
        done = "Se descartó el borrador." if formal.status == Status.DRAFT else "Se retiró la solicitud."
        messages.success(request, done)
        return redirect("requests:list")

    def page(self, formal: FormalRequest, form: PortalForm, key: FormKey) -> HttpResponse:
        """The question."""
        context = {
            "formal": formal,
            "form": form,
            "key": key.token,
            "is_draft": formal.status == Status.DRAFT,
        }
        return render(self.request, PAGES + "withdraw.html", context)


class NotMeHere(RequestView):
    """«No fui yo», logged in: GET asks, POST stops the request, or reports it once it was applied (M8)."""

    url_name = "not_me_here"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """The question."""
        formal = self.find()
        does = request_page.not_me_does(formal)
        if not does:
            return self.to_detail("La solicitud ya no se puede detener.")
        context = {
            "formal": formal,
            "action": request.path,
            "does": does,
            "until": policy.alarm_until(formal),
        }
        return render(request, PAGES + "not_me.html", context)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Stop or report it; saying it twice is harmless."""
        formal = self.find()
        said_by = Objector(self.user.email.lower(), Role.PORTAL)
        try:
            formal = operations.not_me(formal.pk, actor=self.user, said_by=said_by)
        except REFUSALS as refusal:
            return self.to_detail(str(refusal))
        return self.to_detail(wording.not_me_done(formal), messages.SUCCESS)


class Correct(RequestView):
    """POST: «Corregir», which makes a draft of it again; what it says then is a new version."""

    url_name = "correct"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """To the second step."""
        formal = self.find()
        if formal.status != Status.DRAFT:
            try:
                operations.reopen_draft(formal.pk, actor=self.user)
            except REFUSALS as refusal:
                return self.to_detail(str(refusal), messages.WARNING)
        return redirect("requests:data", folio=self.folio)
