"""The ceremony of a seal: who keeps the halves, each seen once, put on paper and said to be sealed (M22)."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from accounts.models import CONTROL_OFFICES, Office, RoleAssignment, User
from change_requests.control.pages import choose_status_code
from change_requests.emergency import operations, policy, wording
from change_requests.emergency.forms import AccountForm, PasswordForm, SealedForm, SealForm
from change_requests.emergency.models import CriticalCredential, EmergencyAccount
from change_requests.emergency.views_common import EmergencyView
from factureya.core import clock
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

NO_SEAL = "La cuenta no tiene sello."


class SealView(EmergencyView):
    """Serve a page about the seal of one account."""

    account: EmergencyAccount

    def prepare(self, **kwargs: Any) -> None:
        """Find the account of the address. Raises Http404 if there is none."""
        account = EmergencyAccount.objects.filter(alias=kwargs["alias"]).first()
        if account is None:
            raise Http404("No hay una cuenta de emergencia con ese alias.")
        self.account = account

    def form_address(self) -> str:
        return reverse("emergency:seal", args=[self.kwargs["alias"]])

    def render_seal(self, *, half: str = "", code: int = 200, **refused: Any) -> HttpResponse:
        """Return the page of the seal: how far each custodian is, and what its reader can do now.

        `half` is the reader's half of the password, shown once. `refused`: by name, a form to show as it was sent.
        """
        credential = self.account.find_credential()
        letter = credential.find_half(self.user) if credential else ""
        is_seen, is_sealed = (
            bool(letter and getattr(credential, f"{step}_{letter}_at")) for step in ("revealed", "sealed")
        )
        context = {
            "account": self.account,
            "chip": wording.describe_account_state(self.account.state, None),
            "credential": credential,
            "custodians": _describe_custodians(credential, self.user),
            "mine": letter.upper(),
            "half": half,
            "form": next(iter(refused.values()), None),
            "is_seen": is_seen,
            "is_sealed": is_sealed,
            "now": clock.now(),
            **self.make_forms(is_to_see=bool(letter) and not is_seen, is_to_seal=is_seen and not is_sealed),
            **refused,  # in place of the empty form of that name
        }
        return render(self.request, "emergency/seal.html", context, status=code)

    def make_forms(self, *, is_to_see: bool, is_to_seal: bool) -> dict[str, Any]:
        """Return by name the forms that the reader may send now, else None; the flags are about his own half."""
        may_start = policy.why_not_seal(self.user, self.account) is None
        may_retire = policy.why_not_retire(self.user, self.account) is None
        return {
            "reveal": PasswordForm(self.request, auto_id="id_reveal_%s") if is_to_see else None,
            "sealed": SealedForm(auto_id="id_sealed_%s") if is_to_seal else None,
            "start": SealForm(self.request, people=list_custodians(), auto_id="id_start_%s") if may_start else None,
            "retire": PasswordForm(self.request, auto_id="id_retire_%s") if may_retire else None,
        }

    def refuse(self, form: Any, refusal: Refused, **forms: Any) -> HttpResponse:
        """Return the page with the sent form, which shows why its operation refused, and the present state."""
        form.show_refusal(refusal)
        self.prepare(**self.kwargs)  # read again: its state may have changed
        return self.render_seal(**forms, code=choose_status_code(refusal))


class Seal(SealView):
    """Show the seal of an account; by POST its custodian sees his half, once, and no page shows it again (M22)."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Return the page; never a half."""
        return self.render_seal()

    @sensitive_variables()
    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Return the page with the reader's half of the password, on the first POST only; later ones refuse it."""
        form = PasswordForm(request, request.POST, auto_id="id_reveal_%s")
        credential = self.account.find_credential()
        if credential is None or not credential.find_half(self.user):
            return self.render_seal(code=self.tell(NotAllowed("Solo su custodio ve cada mitad.")))
        if not form.is_valid():
            return self.render_seal(reveal=form)
        try:
            half = operations.reveal_half(credential.pk, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            self.prepare(**self.kwargs)  # read again: its state may have changed
            return self.render_seal(code=self.tell(refusal))
        return self.render_seal(half=half)


class StartSeal(SealView):
    """Let the security officer begin a new seal with two custodians; the one before is retired."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Begin the seal and redirect to its page; or return the page with what is wrong."""
        if refused := policy.why_not_seal(self.user, self.account):
            return self.render_seal(code=self.tell(refused))
        form = SealForm(request, request.POST, people=list_custodians(), auto_id="id_start_%s")
        if not form.is_valid():
            return self.render_seal(start=form)
        try:
            credential = operations.start_sealing(
                self.account.pk, actor=self.user, proof=self.make_proof(), **form.make_arguments()
            )
        except Refused as refusal:
            return self.refuse(form, refusal, start=form)
        messages.success(request, f"Comenzó el sello n.º {credential.generation}; avisamos a los dos custodios.")
        return redirect("emergency:seal", alias)


class ConfirmSealed(SealView):
    """Let a custodian say that the half is in its envelope."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Store that the half is in its envelope and redirect to the seal's page; or return the page with errors."""
        credential = self.account.find_credential()
        refused = policy.why_not_confirm_sealed(self.user, credential) if credential else WrongStatus(NO_SEAL)
        if credential is None or refused is not None:
            return self.render_seal(code=self.tell(refused or WrongStatus(NO_SEAL)))
        form = SealedForm(request.POST, auto_id="id_sealed_%s")
        if not form.is_valid():
            return self.render_seal(sealed=form)
        try:
            credential = operations.confirm_sealed(credential.pk, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            return self.refuse(form, refusal, sealed=form)
        next_step = "La cuenta está sellada." if credential.is_sealed else "Falta la otra mitad."
        messages.success(request, f"Registramos que su mitad está en el sobre. {next_step}")
        return redirect("emergency:seal", alias)


class RetireAccount(SealView):
    """Let the security officer retire an emergency account for ever."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Retire the account and redirect to the list; or return the page with what is wrong."""
        if refused := policy.why_not_retire(self.user, self.account):
            return self.render_seal(code=self.tell(refused))
        form = PasswordForm(request, request.POST, auto_id="id_retire_%s")
        if not form.is_valid():
            return self.render_seal(retire=form)
        try:
            operations.retire_account(self.account.pk, actor=self.user, proof=self.make_proof())
        except Refused as refusal:
            return self.refuse(form, refusal, retire=form)
        messages.success(request, f"{alias} se retiró para siempre.")
        return redirect("emergency:list")


class AddAccount(EmergencyView):
    """Let the security officer add an emergency account, at rest and to be sealed."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the form; who may not add accounts is sent to the list."""
        return self.render_form(self.fill_held(AccountForm(request), request.path))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Add the account and redirect to its seal; or return the form with what is wrong."""
        form = AccountForm(request, request.POST)
        if not form.is_valid():
            return self.render_form(form)
        try:
            account = operations.add_account(actor=self.user, proof=self.make_proof(), **form.make_arguments())
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_form(form, choose_status_code(refusal))
        messages.success(request, f"{account.alias} está dada de alta. Ahora hay que sellarla.")
        return redirect("emergency:seal", account.alias)

    def render_form(self, form: AccountForm, code: int = 200) -> HttpResponse:
        """Return the page with this form, for the security officer alone."""
        if refusal := policy.why_not_keep(self.user):
            messages.error(self.request, str(refusal))
            return redirect("emergency:list")
        return render(self.request, "emergency/account.html", {"form": form}, status=code)


def list_custodians() -> list[User]:
    """Return who may keep half a password: active holders of an office of CONTROL_OFFICES, but no developer."""
    held = RoleAssignment.objects.in_force().filter(user__is_active=True, user__is_staff=True, user__is_emergency=False)
    developers = held.filter(office=Office.DEVELOPER).values("user")
    people = User.objects.filter(pk__in=held.filter(office__in=CONTROL_OFFICES).values("user"))
    return list(people.exclude(pk__in=developers).order_by("full_name", "pk"))


def _describe_custodians(credential: CriticalCredential | None, reader: User) -> list[dict[str, Any]]:
    """Return how far each custodian is: his half is to be seen, seen but not in its envelope, or sealed in it."""
    if credential is None:
        return []
    rows = []
    for letter, person in (("a", credential.custodian_a), ("b", credential.custodian_b)):
        revealed_at, sealed_at = (getattr(credential, f"{step}_{letter}_at") for step in ("revealed", "sealed"))
        rows.append(
            {
                "letter": letter.upper(),
                "person": person.get_full_name(),
                "is_reader": person.pk == reader.pk,
                "status": "ok" if sealed_at else "waiting",
                "label": "Sellada" if sealed_at else "Vista, sin sellar" if revealed_at else "Por ver",
                "at": sealed_at or revealed_at,
            }
        )
    return rows
