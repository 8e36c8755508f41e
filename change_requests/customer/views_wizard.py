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

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import KeyedForm, posted_text
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
from factureya.core.forms import STALE_FORM, PortalForm
from factureya.core.models import Attachment

PAGES = "change_requests/customer/"
CHANGED_MEANWHILE = "La solicitud cambió en otra ventana o por correo. Revísela de nuevo antes de enviarla."
NOT_HIS = "La edita y la envía quien la comenzó; usted puede retirarla o hacer otra."


class StepView(KeyedForm, RequestView):
    """Serve one step of a draft; a request that was sent is shown on its own page instead."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    step = ""
    template = ""
    button = "Continuar"
    has_rules = True  # whether the rules of the content say something about the answers

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Name the address of this step, and check as every page of a request does."""
        self.url_name = self.step
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the step as it was saved, or as it was typed when the session ended."""
        self.formal = self.find_request()
        if reason := self.why_not_here():
            return self.redirect_to_detail(reason)
        found = form_memory.find_draft(request.session, self.user, self.form_name(folio=folio))
        if found is None:
            key = form_memory.new_key(self.user, self.form_name(folio=folio))
            return self.page(self.form(initial=self.initial()), key)
        key, fields, why = found
        return self.page(self.form(initial=fields), key, why=why)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Save the step and go on; or return the page with everything typed and what is wrong."""
        self.formal = self.find_request()
        if reason := self.why_not_here():
            return self.redirect_to_detail(reason)
        self.key, is_ours = self.posted_key(self.user, self.form_name(folio=folio))
        if "quitar" in request.POST:
            return self.remove_file(request.POST["quitar"])
        form = self.form(request.POST)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        self.prepare(form)
        if form.is_valid() and self.has_rules:
            self.check_answers(form)
        return self.save(form) if form.is_valid() else self.page(form, self.key)

    @property
    def kind(self) -> RequestKind:
        """Return the kind of the request."""
        return find_kind(self.formal)

    def why_not_here(self) -> str:
        """Return why this person cannot edit the request here; empty for who can."""
        if self.formal.status not in FormalRequest.EDITABLE:
            return "La solicitud ya se envió; aquí ve cómo va."
        return "" if self.formal.requester_id == self.user.pk else NOT_HIS

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """Return the form of the step."""
        raise ImproperlyConfigured(self.step)

    def initial(self) -> dict[str, Any]:
        """Return the initial values of the form, from the draft."""
        return {}

    def prepare(self, form: PortalForm) -> None:
        """Do what the step needs before its answers are checked."""

    def remove_file(self, token: str) -> HttpResponse:
        """Remove a file (*quitar*); only the step with files does."""
        return redirect(self.request.path)

    def check_answers(self, form: PortalForm) -> None:
        """Check the answers by the rules of the content, and put each error beside its field."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        for field, text in steps.find_item_problems(self.formal, draft).items():
            form.add_error(self.find_input(field, form), text)

    def find_input(self, field: str, form: PortalForm) -> str | None:
        """Return the input that shows an error of this field; None for the top of the page."""
        return field if field in form.fields else None

    def save(self, form: PortalForm) -> HttpResponse:
        """Write the answers into the draft and redirect to the next step."""
        answers = {**form.answers(), "saved_at": clock.now().isoformat()}  # type: ignore[attr-defined]
        try:
            operations.save_draft(self.formal.pk, actor=self.user, draft=answers)
        except operations.Refused as refusal:
            form.add_error(None, str(refusal))
            return self.page(form, self.key)
        form_memory.forget_draft(self.request.session, self.key)
        following = steps.ORDER[steps.ORDER.index(self.step) + 1]
        return redirect(f"requests:{following}", folio=self.folio)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of the step with this form."""
        formal = self.formal
        before = steps.ORDER[steps.ORDER.index(self.step) - 1] if self.step != steps.KIND else ""
        context = {
            "form": form,
            "key": key.token,
            "formal": formal,
            "customer": self.customer,
            "signer": self.signer,
            "document": formal.get_form_display(),
            "button": self.button,
            "why": "",
            "steps": steps.list_steps(self.kind.step_label, self.step),
            "back_url": reverse(f"requests:{before}", args=[formal.folio]) if before else "",
            "saved_at": parse_datetime(formal.draft.get("saved_at", "")),
            **more,
        }
        return render(self.request, PAGES + self.template, context)


class KindStep(StepView):
    """Show what an existing draft asks for; who wants another kind makes another request."""

    step, template, has_rules = steps.KIND, "step_kind.html", False

    def form(self, *args: Any, **options: Any) -> PortalForm:
        return PortalForm(*args, **options)

    def save(self, form: PortalForm) -> HttpResponse:
        """Redirect to the second step."""
        return redirect("requests:data", folio=self.folio)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page with the name of the kind."""
        kind = self.kind.title([])
        return super().page(form, key, kind_label=f"de {kind[0].lower()}{kind[1:]}", **more)


class DataStep(StepView):
    """Ask in step 2 for what the kind of request needs."""

    step = steps.DATA

    def form(self, *args: Any, **options: Any) -> PortalForm:
        return self.kind.step_form(self.formal, *args, **options)

    def initial(self) -> dict[str, Any]:
        return self.kind.step_initial(self.formal)

    def find_input(self, field: str, form: PortalForm) -> str | None:
        """Return the input that shows the error; the kind names the inputs that are called otherwise."""
        return super().find_input(self.kind.error_places.get(field, field), form)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page of this kind of request."""
        customer, self.template = self.customer, self.kind.step_template
        context = {
            "identity": f"{customer.rfc} · {customer.legal_name}",
            "email_note": f"Se aplica {settings.SENSITIVE_FREEZE_HOURS} horas después de aprobado",
            "kind": self.kind,
            "has_people": bool(getattr(form, "keys", None)),
        }
        return super().page(form, key, **context, **more)


class ReasonStep(StepView):
    """Ask in step 3 for reason, date and evidence; files are kept even when other answers are wrong."""

    step, template = steps.REASON, "step_reason.html"

    def form(self, *args: Any, **options: Any) -> forms.ReasonForm:
        return forms.ReasonForm(*args, kind=self.kind, **options)

    def initial(self) -> dict[str, Any]:
        draft = self.formal.draft
        return {"reason": draft.get("reason", ""), "effective_date": draft.get("effective_date") or None}

    def prepare(self, form: Any) -> None:
        """Keep the files that were uploaded, and show which were refused."""
        kept, refusals = self.posted_files(self.key)
        if kept:
            try:
                operations.add_evidence(self.formal.pk, actor=self.user, files=kept)
            except operations.Refused as refusal:
                form.add_error("files", str(refusal))
        form.take_files([], refusals)

    def check_answers(self, form: PortalForm) -> None:
        """Check the answers of this step; what step 2 lacks is shown before the request is sent."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        asked = steps.copy_with_draft(self.formal, draft)
        for field, text in content.problems(asked, evidence=len(request_page.find_files(self.formal))).items():
            if field in steps.OF_REASON:
                form.add_error("files" if field == "evidence" else field, text)

    def remove_file(self, token: str) -> HttpResponse:
        """Remove a file and return the page with the texts as they were typed."""
        gone = self.formal.evidence.filter(attachment__token=token, dropped_at__isnull=True).first()
        if gone is not None:
            try:
                operations.remove_evidence(self.formal.pk, actor=self.user, evidence=gone)
            except operations.Refused as refusal:
                messages.error(self.request, str(refusal))
        else:
            store.discard_file(self.key.key, token)
        return self.page(self.form(initial=posted_text(self.request)), self.key)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page with the files: evidence, and those of a post without a session."""
        waiting = store.list_draft_files(key.key) if more.get("why") else []
        kept = [*request_page.find_files(self.formal), *waiting]
        return super().page(form, key, kept=kept, has_date="effective_date" in form.fields, **more)


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
        """Return the page once everything is answered; before that, redirect to the step that lacks an answer."""
        self.formal = self.find_request()
        if not self.why_not_here() and (missing := self.find_missing_step()):
            step, text = missing
            messages.info(request, text)
            return redirect(f"requests:{step}", folio=folio)
        return super().get(request, folio)

    def find_missing_step(self) -> tuple[str, str] | None:
        """Return the first step that lacks a right answer, and what is wrong; None when all are answered."""
        return steps.find_missing_step(self.formal, evidence=len(self.kept))

    @cached_property
    def kept(self) -> list[Attachment]:
        """Return the evidence of the draft."""
        return request_page.find_files(self.formal)

    def form(self, *args: Any, **options: Any) -> PortalForm:
        seen = content.draft_digest(self.formal, self.kept)
        return forms.SubmitForm(*args, initial={**options.pop("initial", {}), "seen": seen})

    def save(self, form: PortalForm) -> HttpResponse:
        """Send the request; or return the page with what is wrong by now."""
        try:
            operations.submit(self.formal.pk, actor=self.user, seen=form.cleaned_data["seen"])
        except operations.StaleContent:
            messages.warning(self.request, CHANGED_MEANWHILE)
            return redirect("requests:review", folio=self.folio)
        except operations.WrongStatus as refusal:
            return self.redirect_to_detail(str(refusal), messages.WARNING)
        except operations.Invalid as refusal:
            for text in refusal.errors.values():
                form.add_error(None, text)
        except operations.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("requests:sent", folio=self.folio)
        return self.page(form, self.key)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """Return the page with all answers."""
        formal, draft = self.formal, self.formal.draft
        context = {
            "rows": wording.list_changes(content.items_of(formal, {})),
            "reason": draft.get("reason", ""),
            "kept": self.kept,
            "what_heading": self.kind.changes_heading,
            "has_date": self.kind.has_date,
            "date_label": self.kind.date_label,
            "date_text": show_day(draft.get("effective_date", "")) or "En cuanto esté aprobado",
            "what_next": describe_what_follows(formal),
            "preview_url": request_page.form_url(formal),
        }
        return super().page(form, key, **context, **more)


def describe_what_follows(formal: FormalRequest) -> str:
    """Return the sentences that say what happens after sending."""
    mail = formal.customer.registered_email
    first = f"le enviamos un enlace a {mail} para confirmarla."
    if formal.is_access:
        return (
            f"{first} Después la revisa la mesa de control y la aprueba el Responsable de Seguridad Informática. "
            "Nada cambia hasta entonces."
        )
    days = settings.APPROVE_BUSINESS_DAYS
    return (
        f"{first} Después la revisan la mesa de control, el Propietario de la Información y el Responsable de "
        f"Seguridad Informática. Nada cambia hasta que ambos aprueben. Le respondemos en {days} días hábiles, "
        "por lo general."
    )
