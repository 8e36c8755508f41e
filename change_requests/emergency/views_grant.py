"""One emergency: its page, the officers' decision, the two halves, the way in, and how it is stopped (M22, M23)."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from change_requests.control.pages import choose_status_code
from change_requests.emergency import operations, policy, session
from change_requests.emergency.forms import DecisionForm, HalfForm, PasswordForm, RevokeForm
from change_requests.emergency.grant_page import GrantPage
from change_requests.emergency.models import EmergencyGrant, GrantAuthorization
from change_requests.emergency.operations.opening import MAX_TRIES
from change_requests.emergency.views_common import GrantView
from factureya.core import clock
from factureya.core.refusals import Refused

Status, Verdict = EmergencyGrant.Status, GrantAuthorization.Verdict


class GrantDetail(GrantView):
    """Show an emergency, and to each reader the forms of what he may do with it now."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page; an address with a typing error is redirected to the right one."""
        if folio != self.grant.folio:
            return redirect("emergency:grant", self.grant.folio)
        return self.render_grant()

    def render_grant(
        self, *, decision: Any = None, revocation: Any = None, entry: Any = None, code: int = 200
    ) -> HttpResponse:
        """Return the emergency's page; a refused form is shown as it was sent; `code` is the HTTP status."""
        page = self.make_page()
        refused = decision or revocation or entry  # one at most: a POST sends one form
        if page.slots and decision is None:
            decision = DecisionForm(self.request, grant=self.grant, auto_id="id_decision_%s")
            decision = self.fill_held(decision, self._address("decide"))  # with what was typed before a login
        if revocation is None and policy.why_not_revoke(self.user, self.grant) is None:
            revocation = self.fill_held(RevokeForm(self.request, auto_id="id_revoke_%s"), self._address("revoke"))
        if entry is None and page.is_open and policy.why_not_enter(self.user, self.grant) is None:
            entry = PasswordForm(self.request, auto_id="id_enter_%s")
        context = {
            "page": page,
            "grant": self.grant,
            "form": refused,
            "decision": decision,
            "revocation": revocation,
            "entry": entry,
            "may_open": self.is_custodian(page) and self.grant.status == Status.AUTHORIZED,
            "has_record": self.grant.opened_at is not None,
            "now": clock.now(),
        }
        return render(self.request, "emergency/grant.html", context, status=code)

    def is_custodian(self, page: GrantPage) -> bool:
        """Return True if the reader keeps a half of the account's seal."""
        return page.credential is not None and bool(page.credential.find_half(self.user))

    def _address(self, name: str) -> str:
        """Return the address of an act of this emergency."""
        return reverse(f"emergency:{name}", args=[self.grant.folio])


class GrantAct(GrantDetail):
    """Receive one act on an emergency by POST; the emergency's page holds its form."""

    http_method_names = ["post"]
    form_key = ""  # under which `render_grant` takes the refused form

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Do what the form asks for and redirect; or return the emergency's page with the sent form and its errors."""
        if refusal := self.why_not():
            return self.render_grant(code=self.tell(refusal))
        form = self.make_form()
        if not form.is_valid():
            return self.render_grant(**{self.form_key: form})  # as `decision`, `revocation` or `entry`
        try:
            return self.perform(form)
        except Refused as refusal:
            form.show_refusal(refusal)
            self.prepare(folio=folio)  # read again: its status may have changed
            return self.render_grant(**{self.form_key: form}, code=choose_status_code(refusal))

    def why_not(self) -> Refused | None:
        """Return why the person may not do it now, or None; the operation asks again."""
        raise NotImplementedError

    def make_form(self) -> Any:
        """Return the act's form with what was posted."""
        raise NotImplementedError

    def perform(self, form: Any) -> HttpResponse:
        """Call the act's operation, and return where to go. Raises its refusal."""
        raise NotImplementedError


class Decide(GrantAct):
    """Let an officer authorize an emergency, for as long as was asked or less, or refuse it (M23)."""

    form_key = "decision"

    def why_not(self) -> Refused | None:
        return policy.why_not_decide(self.user, self.grant, policy.may_authorize(self.user, self.grant) or "")

    def make_form(self) -> DecisionForm:
        return DecisionForm(self.request, self.request.POST, grant=self.grant, auto_id="id_decision_%s")

    def perform(self, form: Any) -> HttpResponse:
        """Record the authorizer's decision: refuse, or authorize for the time asked or for less."""
        data, proof = form.cleaned_data, self.make_proof()
        arguments = {"actor": self.user, "reason": data["reason"], "proof": proof}
        if data["verdict"] == Verdict.REFUSE:
            operations.refuse_grant(self.grant.pk, **arguments)
            return self.go_to_grant("La emergencia no se autorizó; avisamos a todos.")
        minutes = data["minutes"] if data["verdict"] == Verdict.LESS else None
        grant = operations.authorize_grant(self.grant.pk, minutes=minutes, **arguments)
        if grant.status == Status.AUTHORIZED:
            return self.go_to_grant("Quedó autorizada; avisamos a los dos custodios.")
        return self.go_to_grant("Registramos su autorización; falta la otra.")


class Revoke(GrantAct):
    """Let the operator, or whoever may authorize, stop an emergency in course at once."""

    form_key = "revocation"

    def why_not(self) -> Refused | None:
        return policy.why_not_revoke(self.user, self.grant)

    def make_form(self) -> RevokeForm:
        return RevokeForm(self.request, self.request.POST, auto_id="id_revoke_%s")

    def perform(self, form: Any) -> HttpResponse:
        """Stop the emergency, with the reason that was typed, and go to its page."""
        operations.revoke_grant(
            self.grant.pk, actor=self.user, reason=form.cleaned_data["reason"], proof=self.make_proof()
        )
        return self.go_to_grant("La emergencia se revocó; nadie puede usarla.")


class Enter(GrantAct):
    """Let the operator into an open emergency, with the password typed again (M23)."""

    form_key = "entry"

    def why_not(self) -> Refused | None:
        return policy.why_not_enter(self.user, self.grant)

    def make_form(self) -> PasswordForm:
        return PasswordForm(self.request, self.request.POST, auto_id="id_enter_%s")

    def perform(self, form: Any) -> HttpResponse:
        """Turn the operator's session into the emergency's, and go to the page inside."""
        session.elevate_session(self.request, self.grant.pk, proof=self.make_proof())
        return redirect("emergency:inside")


@method_decorator(sensitive_post_parameters("half"), name="dispatch")
class OpenGrant(GrantDetail):
    """Take the half of a custodian, each in his own session; the second one in time opens the emergency (M22, M23)."""

    http_method_names = ["get", "head", "post"]

    def form_address(self) -> str:
        return self.request.get_full_path()

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page to give half a password; redirect to the emergency if its status does not wait for halves."""
        if folio != self.grant.folio or self.grant.status != Status.AUTHORIZED:
            return redirect("emergency:grant", self.grant.folio)
        return self.render_halves(HalfForm())

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Check the typed half of the password; then say that the other is missing, or that the emergency is open."""
        if refusal := policy.why_not_give_half(self.user, self.grant):
            return self.render_halves(HalfForm(), choose_status_code(refusal))
        form = HalfForm(request.POST)
        if not form.is_valid():
            return self.render_halves(form)
        try:
            grant = operations.give_half(
                self.grant.pk, form.cleaned_data["half"], actor=self.user, proof=self.make_proof()
            )
        except Refused as refusal:
            form.show_refusal(refusal)
            self.prepare(folio=folio)  # read again: its status may have changed
            return self.render_halves(form, choose_status_code(refusal))
        if grant.status == Status.OPEN:
            return self.go_to_grant(f"La emergencia está abierta; ya puede entrar {grant.operator_name}.")
        minutes = settings.EMERGENCY_HALVES_MINUTES
        messages.success(request, f"Su mitad es correcta. La otra debe ponerse en menos de {minutes} minutos.")
        return redirect("emergency:open", grant.folio)

    def render_halves(self, form: HalfForm, code: int = 200) -> HttpResponse:
        """Return the page of the password's two halves, with the form for the reader's own; `code`: the HTTP status."""
        page = self.make_page()
        credential = page.credential
        context = {
            "page": page,
            "grant": self.grant,
            "halves": _describe_halves(page),
            "mine": credential.find_half(self.user).upper() if credential else "",
            "tries_left": MAX_TRIES - credential.tries if credential else 0,
            "refusal": policy.why_not_give_half(self.user, self.grant),
            "form": form,
            "now": clock.now(),
            "minutes": settings.EMERGENCY_HALVES_MINUTES,
        }
        return render(self.request, "emergency/open.html", context, status=code)


def _describe_halves(page: GrantPage) -> list[dict[str, Any]]:
    """Return for each half its custodian, when it was given, until when the other must follow, and if that is over."""
    credential, grant = page.credential, page.grant
    if credential is None:
        return []
    rows = []
    for letter, custodian in (("a", credential.custodian_a), ("b", credential.custodian_b)):
        given_at = getattr(grant, f"half_{letter}_at")
        is_valid = policy.is_in_time(given_at, clock.now(), credential)
        rows.append(
            {
                "letter": letter.upper(),
                "custodian": custodian.get_full_name(),
                "given_at": given_at,
                "until": given_at + timedelta(minutes=settings.EMERGENCY_HALVES_MINUTES) if is_valid else None,
                "is_late": given_at is not None and not is_valid,
            }
        )
    return rows
