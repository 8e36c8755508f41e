"""Serve the five steps of a draft (mock-ups solicitud-paso, solicitud-revise); each step is saved (M7, M19)."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.functional import cached_property

from accounts.web.form_memory import FormKey
from accounts.web.mixins import REMOVE, PostingForm
from change_requests import operations
from change_requests.customer import forms, request_page, steps, wording
from change_requests.customer.views_common import RequestView
from change_requests.kinds import content
from change_requests.kinds.base import RequestKind
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import show_day
from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.files import store
from factureya.core.forms import PortalForm
from factureya.core.models import Attachment

PAGES = "change_requests/customer/"
CHANGED_MEANWHILE = "La solicitud cambió en otra ventana o por correo. Revísela de nuevo antes de enviarla."
NOT_HIS = "La edita y la envía quien la comenzó; usted puede retirarla o hacer otra."


class StepView(RequestView, PostingForm):
    """Serve one step of a draft; a request that was sent is shown on its own page instead."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    step = ""
    template = ""
    button = "Continuar"
    has_rules = True  # whether the rules of the content say something about the answers

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve this step. Its name is also its `url_name`, by which RequestView checks the URL."""
        self.url_name = self.step
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page of this step with the saved answers, or with those typed when the session ended.

        A person who cannot edit the draft is redirected to the request's page.
        """
        self.formal = self.find_request()
        if reason := self.why_not_edit():
            return self.redirect_to_detail(reason)
        return self.show_form()

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Save the answers of this step and go to the next step; or show them again with what is wrong."""
        self.formal = self.find_request()
        if reason := self.why_not_edit():
            return self.redirect_to_detail(reason)
        return self.receive_form()

    @property
    def kind(self) -> RequestKind:
        """Return the kind of the request."""
        return find_kind(self.formal)

    def why_not_edit(self) -> str:
        """Return why this person cannot edit the draft in the wizard, or "" if he can."""
        if self.formal.status not in FormalRequest.EDITABLE:
            return "La solicitud ya se envió; aquí ve cómo va."
        return "" if self.formal.requester_id == self.user.pk else NOT_HIS

    def form(self, *args: Any, **options: Any) -> PortalForm:
        raise ImproperlyConfigured(self.step)

    def initial(self) -> dict[str, Any]:
        return {}

    def perform(self, form: PortalForm, key: FormKey) -> str | HttpResponse:
        """Save the answers of this step and return the next step's URL; or return the page with what is wrong."""
        if self.has_rules:  # the answers of steps 2 and 3 become content of the request
            self.check_answers(form)
        return self.save(form, key) if form.is_valid() else self.render_page(form, key)

    def check_answers(self, form: PortalForm) -> None:
        """Check the answers of this step by the rules for a request, before saving; put each error beside its input."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        errors: dict[str, str] = {}
        content.find_items(steps.copy_with_draft(self.formal, draft), errors)  # writes what is wrong into `errors`
        for field, text in errors.items():
            form.add_error(self.find_input(field, form), text)

    def find_input(self, field: str, form: PortalForm) -> str | None:
        """Return the input that shows an error of this field; None for the top of the page."""
        return field if field in form.fields else None

    def save(self, form: PortalForm, key: FormKey) -> str | HttpResponse:
        """Write the answers of this step into the draft, and return the URL of the next step."""
        answers = {**form.answers(), "saved_at": clock.now().isoformat()}  # type: ignore[attr-defined]
        operations.save_draft(self.formal.pk, actor=self.user, draft=answers, proof=self.proof)
        next_step = steps.ORDER[steps.ORDER.index(self.step) + 1]
        return reverse(f"requests:{next_step}", args=[self.folio])

    def render_page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of this step, with its form and one-time key; `more` are further values for its template."""
        formal = self.formal
        previous_step = steps.ORDER[steps.ORDER.index(self.step) - 1] if self.step != steps.KIND else ""
        context = {
            "form": form,
            "key": key.token,
            "formal": formal,
            "customer": self.customer,
            "signer": self.signer,
            "document": formal.get_form_display(),
            "button": self.button,
            "draft_reason": "",
            "steps": steps.list_steps(self.kind.step_label, self.step),
            "back_url": reverse(f"requests:{previous_step}", args=[formal.folio]) if previous_step else "",
            "saved_at": parse_datetime(formal.draft.get("saved_at", "")),
            **more,
        }
        return render(self.request, PAGES + self.template, context)


class KindStep(StepView):
    """Show what an existing draft asks for; who wants another kind makes another request."""

    step, template, has_rules = steps.KIND, "step_kind.html", False

    def form(self, *args: Any, **options: Any) -> PortalForm:
        return PortalForm(*args, **options)

    def save(self, form: PortalForm, key: FormKey) -> HttpResponse:
        """Redirect to the second step."""
        return redirect("requests:data", folio=self.folio)

    def render_page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of step 1. It only shows the kind of request, because a draft cannot change its kind."""
        kind = self.kind.title([])  # [] gives the title of the kind alone
        return super().render_page(form, key, kind_label=f"de {kind[0].lower()}{kind[1:]}", **more)


class DataStep(StepView):
    """Ask in step 2 for what the kind of request needs."""

    step = steps.DATA

    def form(self, *args: Any, **options: Any) -> PortalForm:
        return self.kind.step_form(self.formal, *args, **options)

    def initial(self) -> dict[str, Any]:
        return self.kind.step_initial(self.formal)

    def find_input(self, field: str, form: PortalForm) -> str | None:
        """Return the input that shows this field's error; the kind of request lists inputs with another name."""
        return super().find_input(self.kind.error_places.get(field, field), form)

    def render_page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of step 2, from the template of this kind of request."""
        customer, self.template = self.customer, self.kind.step_template
        context = {
            "identity": f"{customer.rfc} · {customer.legal_name}",
            "email_note": f"Se aplica {settings.SENSITIVE_FREEZE_HOURS} horas después de aprobado",
            "kind": self.kind,
            "has_people": bool(getattr(form, "keys", None)),  # only a form that offers people has keys
        }
        return super().render_page(form, key, **context, **more)


class ReasonStep(StepView):
    """Ask in step 3 for reason, date and evidence; files are kept even when other answers are wrong."""

    step, template = steps.REASON, "step_reason.html"

    def form(self, *args: Any, **options: Any) -> forms.ReasonForm:
        return forms.ReasonForm(*args, kind=self.kind, **options)

    def initial(self) -> dict[str, Any]:
        draft = self.formal.draft
        return {"reason": draft.get("reason", ""), "effective_date": draft.get("effective_date") or None}

    def update_draft_files(self, key: FormKey) -> tuple[list[Attachment], list[Any]]:
        """Add the uploaded files to the draft's evidence; or, after a click on «Quitar», remove one and add none.

        Return two lists: the files that the form keeps (always none, as the draft keeps them), and the refused files.
        """
        if token := self.request.POST.get(REMOVE):
            self.remove_file(token, key)
            return [], []
        kept, refusals = super().update_draft_files(key)
        if kept:
            try:
                operations.add_evidence(self.formal.pk, actor=self.user, files=kept, proof=self.proof)
            except operations.Refused as refusal:
                return [], [refusal, *refusals]
        return [], refusals

    def check_answers(self, form: PortalForm) -> None:
        """Check reason, date and evidence by the rules for a request; step 5 shows the errors of other answers."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        copy, files = steps.copy_with_draft(self.formal, draft), request_page.find_files(self.formal)
        for field, text in content.find_problems(copy, evidence=len(files)).items():
            if field in steps.OF_REASON:
                form.add_error("files" if field == "evidence" else field, text)  # the input of evidence is «files»

    def remove_file(self, token: str, key: FormKey) -> None:
        """Remove this file from the draft's evidence, or from the files that were posted after a session had ended."""
        evidence = self.formal.evidence.filter(attachment__token=token, dropped_at__isnull=True).first()
        try:
            if evidence is None:
                store.discard_file(key.key, token)  # it was posted after a session ended: not evidence yet
            else:
                operations.remove_evidence(self.formal.pk, actor=self.user, evidence=evidence, proof=self.proof)
        except operations.Refused as refusal:
            messages.error(self.request, str(refusal))

    def render_page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of step 3 with the draft's evidence; it asks for a date if this kind of request has one.

        Files that were posted after a session ended (`kept`) are listed too. They wait for the next post of the form.
        """
        files = [*request_page.find_files(self.formal), *more.pop("kept", ())]
        return super().render_page(form, key, kept=files, has_date="effective_date" in form.fields, **more)


class SignStep(StepView):
    """Ask in step 4 who signs, and with which powers (M8)."""

    step, template, has_rules = steps.SIGN, "step_sign.html", False

    def form(self, *args: Any, **options: Any) -> PortalForm:
        return forms.SignForm(*args, **options)

    def initial(self) -> dict[str, Any]:
        return {"declares": bool(self.formal.draft.get("declares"))}


class ReviewStep(StepView):
    """Show all answers in step 5, and send the request."""

    step, template, button = steps.REVIEW, "step_review.html", "Firmar y enviar la solicitud"
    has_rules = False  # `submit` checks the whole draft

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page of step 5 if everything is answered; else redirect to the step that lacks an answer."""
        self.formal = self.find_request()
        if not self.why_not_edit() and (missing := self.find_missing_step()):
            step, text = missing
            messages.info(request, text)
            return redirect(f"requests:{step}", folio=folio)
        return super().get(request, folio)

    def find_missing_step(self) -> tuple[str, str] | None:
        """Return the first step that lacks a right answer, and what is wrong; None when all are answered."""
        return steps.find_missing_step(self.formal, evidence=len(self.kept_files))

    @cached_property
    def kept_files(self) -> list[Attachment]:
        return request_page.find_files(self.formal)

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """Return the form of step 5; it holds the hash of the draft that is shown, to notice a later change."""
        if not args:  # a posted form brings the hash of the page that was read
            seen_hash = content.hash_draft(self.formal, self.kept_files)
            options["initial"] = {**options.get("initial", {}), "seen": seen_hash}
        return forms.SubmitForm(*args, **options)

    def save(self, form: PortalForm, key: FormKey) -> HttpResponse:
        """Send the request and redirect to the next page. If the draft changed after it was shown, show it again.

        If it cannot be sent, say why: on the request's page if its status is the reason, else in this form.
        """
        try:
            operations.submit(self.formal.pk, actor=self.user, seen=form.cleaned_data["seen"], proof=self.proof)
        except operations.StaleContent:
            messages.warning(self.request, CHANGED_MEANWHILE)
            return redirect("requests:review", folio=self.folio)
        except operations.WrongStatus as refusal:
            return self.redirect_to_detail(str(refusal), messages.WARNING)
        except operations.Invalid as refusal:
            for text in refusal.errors.values():
                form.add_error(None, text)
            return self.render_page(form, key)
        return redirect("requests:sent", folio=self.folio)

    def render_page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of step 5 with all answers of the draft, and what follows after it is sent."""
        formal, draft = self.formal, self.formal.draft
        unused_errors: dict[str, str] = {}  # this page does not show what is wrong with an answer
        context = {
            "rows": wording.list_changes(content.find_items(formal, unused_errors)),
            "reason": draft.get("reason", ""),
            "what_heading": self.kind.changes_heading,
            "has_date": self.kind.has_date,
            "date_label": self.kind.date_label,
            "date_text": show_day(draft.get("effective_date", "")) or "En cuanto esté aprobado",
            "what_next": describe_what_follows(formal),
            "preview_url": request_page.make_form_url(formal),
        }
        return super().render_page(form, key, **{**more, **context, "kept": self.kept_files})


def describe_what_follows(formal: FormalRequest) -> str:
    """Return what will happen after the author sends the request: who must confirm it, and who must approve it."""
    mail = formal.customer.registered_email
    confirming = f"le enviamos un enlace a {mail} para confirmarla."
    if formal.is_access:
        return (
            f"{confirming} Después la revisa la mesa de control y la aprueba el Responsable de Seguridad Informática. "
            "Nada cambia hasta entonces."
        )
    days = settings.APPROVE_BUSINESS_DAYS
    return (
        f"{confirming} Después la revisan la mesa de control, el Propietario de la Información y el Responsable de "
        f"Seguridad Informática. Nada cambia hasta que ambos aprueben. Le respondemos en {days} días hábiles, "
        "por lo general."
    )
