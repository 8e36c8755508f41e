"""allauth's views, routed by hand, where they need a word or a door closed."""

from typing import Any

from allauth.account import views as account
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.stagekit import get_pending_stage
from allauth.account.stages import EmailVerificationStage
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import AccessMixin
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import operations
from accounts.forms import FACTOR_UNREADABLE
from accounts.operations import factor_keys
from accounts.sign_in.after_login import landing_of
from accounts.web import form_memory

DEMO_PEOPLE = (
    ("ana", "representante legal"),
    ("beto", "contacto de la misma empresa"),
    ("carla", "otra empresa"),
    ("dario", "agente"),
    ("irma", "agente de un tercero"),
    ("laura", "supervisora"),
    ("elsa", "seguridad informática"),
    ("fabian", "propietario de la información"),
    ("jorge", "área informática"),
    ("gina", "implementadora"),
    ("hugo", "desarrollo"),
)
DEMO_PASSWORD = "Factureya-demo-2026"  # noqa: S105 (public, of the demo)


class LoginView(account.LoginView):
    """Sign in; in the demo the page lists the accounts."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the demo's accounts, when DEMO is on; and whether something typed waits for who signs in."""
        demo = DEMO_PEOPLE if settings.DEMO else ()
        return super().get_context_data(
            demo_people=demo,
            demo_password=DEMO_PASSWORD if demo else "",
            keeps_words=bool(form_memory.read_all_drafts(self.request.session)),
            **kwargs,
        )


class VerifyView(account.ConfirmEmailVerificationCodeView):
    """The code of the mail; only while somebody is signing up or in. No page changes an address later."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Allauth would send whoever has nothing to prove to its page of addresses, which we do not have."""
        if request.user.is_authenticated:
            return HttpResponseRedirect(landing_of(request.user))
        stage = get_pending_stage(request)
        if stage is None or stage.key != EmailVerificationStage.key:
            return HttpResponseRedirect(reverse("account_login"))
        return super().dispatch(request, *args, **kwargs)


class ConfirmResetView(account.ConfirmPasswordResetCodeView):
    """The code that was mailed, before a new password."""

    def get_form_kwargs(self) -> dict[str, Any]:
        """Add the address that the code was mailed to."""
        return {**super().get_form_kwargs(), "email": self._process.state["email"]}


class CompleteResetView(account.CompletePasswordResetView):
    """The new password after the code; then sign in with it."""

    success_url = reverse_lazy("account_login")


class ActivateFactorView(totp.ActivateTOTPView):
    """Enrol an authenticator app; the code typed here is this session's second factor too."""

    def form_valid(self, form: Any) -> HttpResponse:
        """End the other sessions, and note the factor in this one, so that staff is not asked again at once."""
        with transaction.atomic():
            response = super().form_valid(form)
            operations.factor_enrolled(self.request.user)
        update_session_auth_hash(self.request, self.request.user)
        record_authentication(self.request, self.request.user, "mfa", type="totp")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The secret in groups of four, for whoever types it."""
        context = super().get_context_data(**kwargs)
        secret = context["form"].secret
        context["secret"] = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
        return context


class ReadableCodesMixin(AccessMixin):
    """Pages of the recovery codes; what no key reads is not shown, the way out is."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Lead back to the page of the second factor when the codes cannot be read."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if all(map(factor_keys.is_readable, Authenticator.objects.filter(user=request.user))):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        messages.error(request, FACTOR_UNREADABLE)
        return HttpResponseRedirect(reverse("mfa_index"))


class ViewCodesView(ReadableCodesMixin, codes.ViewRecoveryCodesView):
    """The recovery codes that are left."""


class GenerateCodesView(ReadableCodesMixin, codes.GenerateRecoveryCodesView):
    """Make new recovery codes."""


class DownloadCodesView(ReadableCodesMixin, codes.DownloadRecoveryCodesView):
    """The recovery codes as a text file."""


@require_safe
@never_cache
@login_required
def totp_qr(request: HttpRequest) -> HttpResponse:
    """The QR of the secret that this session is enrolling: an image of ours, because the CSP allows no data: images."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404
    adapter = get_mfa_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(svg, content_type="image/svg+xml")
