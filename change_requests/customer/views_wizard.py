"""The five steps (mock-ups solicitud-paso, solicitud-revise): each saved, checked again at the end (M7, M19)."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.functional import cached_property

from accounts.models import Contact, Representative
from accounts.web import drafts, form_keys
from accounts.web.form_keys import FormKey
from accounts.web.mixins import KeyedForm, posted_text
from change_requests import operations
from change_requests.customer import forms, forms_data, request_page, steps, wording
from change_requests.customer.views_common import REFUSALS, RequestView
from change_requests.kinds import content, labels
from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.files import store
from factureya.core.forms import STALE_FORM, PortalForm

PAGES = "change_requests/customer/"
MOST_PEOPLE = 200
CHANGED_MEANWHILE = "La solicitud cambió en otra ventana o por correo. Revísela de nuevo antes de enviarla."
NOT_HIS = "La edita y la envía quien la comenzó; usted puede retirarla o hacer otra."


class StepView(KeyedForm, RequestView):
    """A step of a draft. Who comes to a request that is on its way is brought to its page."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    step = ""
    template = ""
    button = "Continuar"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As every page of a request."""
        self.url_name = self.step
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """The step as it was saved, or as it was typed when the session ended."""
        self.formal = self.find()
        if away := self.not_here():
            return self.to_detail(away)
        found = drafts.find(request.session, self.user, self.form_name(folio=folio))
        if found is None:
            key = form_keys.new(self.user, self.form_name(folio=folio))
            return self.page(self.form(initial=self.initial()), key)
        key, fields, why = found
        return self.page(self.form(initial=fields), key, why=why)

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Save the step and go on; or show again, complete, what is not right yet."""
        self.formal = self.find()
        if away := self.not_here():
            return self.to_detail(away)
        self.key, is_ours = self.posted_key(self.user, self.form_name(folio=folio))
        if "quitar" in request.POST:
            return self.take_away(request.POST["quitar"])
        form = self.form(request.POST)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        self.prepare(form)
        if form.is_valid():
            self.judge(form)
        return self.save(form) if form.is_valid() else self.page(form, self.key)

    def not_here(self) -> str:
        """Why this person goes on at the request's page and not here; empty when he edits it here."""
        if self.formal.status not in FormalRequest.EDITABLE:
            return "La solicitud ya se envió; aquí ve cómo va."
        return "" if self.formal.requester_id == self.user.pk else NOT_HIS

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """The step's form."""
        raise ImproperlyConfigured(self.step)

    def initial(self) -> dict[str, Any]:
        """The answers of the draft."""
        return {}

    def prepare(self, form: PortalForm) -> None:
        """What a step does before it is judged."""

    def take_away(self, token: str) -> HttpResponse:
        """«Quitar»: only the step with files has it."""
        return redirect(self.request.path)

    def judge(self, form: PortalForm) -> None:
        """Ask the content's own rules about the answers; what is wrong stands beside its field."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        for field, text in steps.problems_of(self.formal, draft).items():
            form.add_error(self.place_of(field, form), text)

    def place_of(self, field: str, form: PortalForm) -> str | None:
        """Where an error of the content is shown."""
        return field if field in form.fields else None

    def save(self, form: PortalForm) -> HttpResponse:
        """Write the draft and go on."""
        answers = {**form.answers(), "saved_at": clock.now().isoformat()}  # type: ignore[attr-defined]
        try:
            operations.save_draft(self.formal.pk, actor=self.user, draft=answers)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self.page(form, self.key)
        drafts.forget(self.request.session, self.key)
        following = steps.ORDER[steps.ORDER.index(self.step) + 1]
        return redirect(f"requests:{following}", folio=self.folio)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """The step."""
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
            "steps": steps.line(formal.form, formal.kind, self.step),
            "back_url": reverse(f"requests:{before}", args=[formal.folio]) if before else "",
            "saved_at": parse_datetime(formal.draft.get("saved_at", "")),
            **more,
        }
        return render(self.request, PAGES + self.template, context)


class KindStep(StepView):
    """Step 1 of a draft that exists: what it asks for stays; another thing is another request."""

    step, template = steps.KIND, "step_kind.html"

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """Nothing to fill in."""
        return PortalForm(*args, **options)

    def judge(self, form: PortalForm) -> None:
        """Nothing was answered."""

    def save(self, form: PortalForm) -> HttpResponse:
        """On."""
        return redirect("requests:data", folio=self.folio)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """With what it is."""
        formal = self.formal
        kind = labels.title(formal.form, formal.kind, [])
        return super().page(form, key, kind_label=f"de {kind[0].lower()}{kind[1:]}", **more)


class DataStep(StepView):
    """Step 2: a page for each thing that can be asked."""

    step = steps.DATA
    TEMPLATES = {
        ("access", "alta"): "step_person.html",
        ("access", "baja"): "step_who.html",
        ("access", "clave"): "step_who.html",
        ("change", "change"): "step_data.html",
        ("change", "baja"): "step_service.html",
    }
    # Where an error of the content stands when no input is called like it.
    PLACES = {"fiscal_address": "street", "user": "person", "status": "understood"}

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """The form of what is asked."""
        kind = self.formal.kind
        if self.formal.form == FormalRequest.Form.CHANGE:
            if kind == forms.BAJA:
                return forms.ServiceForm(*args, **options)
            return forms_data.DataForm(*args, representatives=self.representatives(), **options)
        if kind == forms.ALTA:
            return forms.PersonForm(*args, **options)
        return forms.WhoForm(*args, people=self.people(), **options)

    def initial(self) -> dict[str, Any]:
        """The draft's person or items."""
        draft, person = self.formal.draft, self.formal.draft.get("person") or {}
        if self.formal.form == FormalRequest.Form.CHANGE:
            if self.formal.kind == forms.BAJA:
                return {"understood": bool(draft.get("items"))}
            return forms_data.initial_of(draft, self.user.email)
        if self.formal.kind == forms.ALTA:
            return dict(person)
        mails = {key: mail for key, _, mail in self.people()}
        return {"person": mails.get(person.get("user"))}

    def people(self) -> list[tuple[int, str, str]]:
        """The company's people with access; who asks is offered only for another password."""
        found = Contact.objects.filter(customer=self.customer, user__is_active=True)
        if self.formal.kind == forms.BAJA:
            found = found.exclude(user=self.user)
        found = found.select_related("user").order_by("user__full_name", "pk")
        return [(c.user_id, c.user.get_full_name(), c.user.email) for c in found[:MOST_PEOPLE]]

    def representatives(self) -> list[Representative]:
        """Who could be replaced."""
        held = Representative.objects.filter(customer=self.customer, revoked_at__isnull=True)
        return list(held.order_by("pk")[:MOST_PEOPLE])

    def place_of(self, field: str, form: PortalForm) -> str | None:
        """As every step; a few are called otherwise here."""
        return super().place_of(self.PLACES.get(field, field), form)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """The page of what is asked."""
        formal, customer = self.formal, self.customer
        self.template = self.TEMPLATES[formal.form, formal.kind]
        context = {
            "identity": f"{customer.rfc} · {customer.legal_name}",
            "email_note": f"Se aplica {settings.SENSITIVE_FREEZE_HOURS} horas después de aprobado",
            "is_baja": formal.kind == forms.BAJA,
            "has_people": bool(getattr(form, "keys", None)),
        }
        return super().page(form, key, **context, **more)


class ReasonStep(StepView):
    """Step 3: reason, date and evidence. A file is kept as it comes, whatever is wrong with the rest."""

    step, template = steps.REASON, "step_reason.html"

    def form(self, *args: Any, **options: Any) -> forms.ReasonForm:
        """With a date, when it is no access request."""
        formal = self.formal
        return forms.ReasonForm(*args, kind=formal.kind, form=formal.form, **options)

    def initial(self) -> dict[str, Any]:
        """As saved."""
        draft = self.formal.draft
        return {
            "reason": draft.get("reason", ""),
            "effective_date": draft.get("effective_date") or None,
        }

    def prepare(self, form: Any) -> None:
        """Keep the files, and tell what was refused."""
        kept, refusals = self.posted_files(self.key)
        if kept:
            try:
                operations.add_evidence(self.formal.pk, actor=self.user, files=kept)
            except REFUSALS as refusal:
                form.add_error("files", str(refusal))
        form.take_files([], refusals)

    def judge(self, form: PortalForm) -> None:
        """The part of the content that is answered here; what step 2 lacks is told on the way to the end."""
        draft = {**self.formal.draft, **form.answers()}  # type: ignore[attr-defined]
        asked = steps.with_draft(self.formal, draft)
        for field, text in content.problems(asked, evidence=len(self.kept())).items():
            if field in steps.OF_REASON:
                form.add_error("files" if field == "evidence" else field, text)

    def take_away(self, token: str) -> HttpResponse:
        """«Quitar»: the file goes, the texts stay as they were typed."""
        gone = self.formal.evidence.filter(attachment__token=token, dropped_at__isnull=True).first()
        if gone is not None:
            try:
                operations.remove_evidence(self.formal.pk, actor=self.user, evidence=gone)
            except REFUSALS as refusal:
                messages.error(self.request, str(refusal))
        else:
            store.discard(self.key.key, token)
        return self.page(self.form(initial=posted_text(self.request)), self.key)

    def kept(self) -> list[Any]:
        """The evidence of the draft."""
        return kept_of(self.formal)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """With what was uploaded: as evidence, or under the form's key by a post that had no session."""
        waiting = store.drafts(key.key) if more.get("why") else []
        return super().page(form, key, kept=[*self.kept(), *waiting], has_date="effective_date" in form.fields, **more)


class SignStep(StepView):
    """Step 4: who signs, with which powers (M8)."""

    step, template = steps.SIGN, "step_sign.html"

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """The declaration."""
        return forms.SignForm(*args, **options)

    def initial(self) -> dict[str, Any]:
        """As saved."""
        return {"declares": bool(self.formal.draft.get("declares"))}

    def judge(self, form: PortalForm) -> None:
        """The content has no part in it."""


class ReviewStep(StepView):
    """Step 5: check your answers, sign and send."""

    step, template, button = steps.REVIEW, "step_review.html", "Firmar y enviar la solicitud"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Everything, once everything is answered; before that, the step that is not."""
        self.formal = self.find()
        if not self.not_here() and (lack := self.lack()):
            step, text = lack
            messages.info(request, text)
            return redirect(f"requests:{step}", folio=folio)
        return super().get(request, folio)

    def lack(self) -> tuple[str, str] | None:
        """The first step that is not right, and why."""
        return steps.missing(self.formal, evidence=len(self.kept))

    @cached_property
    def kept(self) -> list[Any]:
        """The evidence of the draft."""
        return kept_of(self.formal)

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """The confirmation."""
        seen = content.draft_digest(self.formal, self.kept)
        return forms.SubmitForm(*args, initial={**options.pop("initial", {}), "seen": seen})

    def judge(self, form: PortalForm) -> None:
        """`submit` judges."""

    def save(self, form: PortalForm) -> HttpResponse:
        """Send it; what is wrong by now is told here, with everything kept."""
        try:
            operations.submit(self.formal.pk, actor=self.user, seen=form.cleaned_data["seen"])
        except operations.StaleContent:
            messages.warning(self.request, CHANGED_MEANWHILE)
            return redirect("requests:review", folio=self.folio)
        except operations.WrongStatus as refusal:
            return self.to_detail(str(refusal), messages.WARNING)
        except operations.Invalid as refusal:
            for text in refusal.errors.values():
                form.add_error(None, text)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("requests:sent", folio=self.folio)
        return self.page(form, self.key)

    def page(self, form: PortalForm, key: FormKey, **more: Any) -> HttpResponse:
        """What was answered."""
        formal, draft = self.formal, self.formal.draft
        is_access = formal.form == FormalRequest.Form.ACCESS
        context = {
            "rows": wording.rows(content.items_of(formal, {})),
            "reason": draft.get("reason", ""),
            "kept": self.kept,
            "what_heading": what_heading(formal),
            "has_date": not is_access,
            "date_label": "Desde qué día" if formal.kind == forms.BAJA else "Cuándo aplicarlo",
            "date_text": labels.day(draft.get("effective_date", "")) or "En cuanto esté aprobado",
            "what_next": what_next(formal),
            "preview_url": request_page.form_url(formal),
        }
        return super().page(form, key, **context, **more)


def kept_of(formal: FormalRequest) -> list[Any]:
    """The attachments that the next version carries, in the order they came."""
    found = formal.evidence.filter(dropped_at__isnull=True).select_related("attachment")
    return [evidence.attachment for evidence in found.order_by("pk")]


def what_heading(formal: FormalRequest) -> str:
    """The heading over the old and new values."""
    if formal.form == FormalRequest.Form.CHANGE:
        return "Qué cambia"
    return {
        forms.ALTA: "A quién se da acceso",
        forms.BAJA: "A quién se quita el acceso",
        forms.CLAVE: "Quién cambia de clave",
    }[formal.kind]


def what_next(formal: FormalRequest) -> str:
    """What happens after sending, in a sentence or three."""
    mail = formal.customer.registered_email
    first = f"le enviamos un enlace a {mail} para confirmarla."
    if formal.form == FormalRequest.Form.ACCESS:
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
