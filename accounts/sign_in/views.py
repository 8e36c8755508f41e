"""Change allauth's views where a text is missing or a page must be closed; urls.py routes each by hand."""

from typing import Any

from allauth.account import views as account
from allauth.account.stages import EmailVerificationStage
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
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
from accounts.sign_in.adapter import choose_landing
from accounts.sign_in.allauth_internal import SECRET_SESSION_KEY, get_pending_stage, record_authentication
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
    ("olga", "auditoría"),
)
DEMO_PASSWORD = "Factureya-demo-2026"  # noqa: S105 (public, of the demo)


class LoginView(account.LoginView):
    """Let a person sign in; in the demo the page lists the accounts."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the demo's accounts (in a demo only), and whether the session holds drafts that the person never sent."""
        demo = DEMO_PEOPLE if settings.DEMO else ()
        return super().get_context_data(
            demo_people=demo,
            demo_password=DEMO_PASSWORD if demo else "",
            has_unsent_drafts=form_memory.has_drafts(self.request.session),
            **kwargs,
        )


class VerifyView(account.ConfirmEmailVerificationCodeView):
    """Ask for the mailed code, only while somebody signs up or in; no page changes an address later."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page that asks for the mailed code, only while a person signs up or in; redirect everybody else.

        allauth would redirect to its own page of addresses, which we have closed.
        """
        if request.user.is_authenticated:
            return HttpResponseRedirect(choose_landing(request.user))
        stage = get_pending_stage(request)
        if stage is None or stage.key != EmailVerificationStage.key:
            return HttpResponseRedirect(reverse("account_login"))
        return super().dispatch(request, *args, **kwargs)


class ConfirmResetView(account.ConfirmPasswordResetCodeView):
    """Ask for the mailed code before a new password."""

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "email": self._process.state["email"]}


class CompleteResetView(account.CompletePasswordResetView):
    """Ask for the new password after the code, and then for a sign-in with it."""

    success_url = reverse_lazy("account_login")


class ActivateFactorView(totp.ActivateTOTPView):
    """Enrol an authenticator app; its first code is also this session's second factor."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Store the new second factor. Other sessions of the person end; this one counts as opened with the factor."""
        with transaction.atomic():
            response = super().form_valid(form)
            operations.record_enrolled_factor(self.request.user)
        update_session_auth_hash(self.request, self.request.user)  # so this session goes on
        record_authentication(self.request, self.request.user, "mfa", type="totp")
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the secret of the new second factor in groups of four, for a person who types it into the app."""
        context = super().get_context_data(**kwargs)
        secret = context["form"].secret
        context["secret"] = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
        return context


class ReadableCodesMixin(AccessMixin):
    """Show the recovery codes only if a key decrypts them; else say what to do."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the recovery codes. If a factor cannot be decrypted, say so on the page of the second factor instead."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if all(map(factor_keys.is_readable, Authenticator.objects.filter(user=request.user))):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        messages.error(request, FACTOR_UNREADABLE)
        return HttpResponseRedirect(reverse("mfa_index"))


class ViewCodesView(ReadableCodesMixin, codes.ViewRecoveryCodesView):
    """Show the recovery codes that are left."""


class GenerateCodesView(ReadableCodesMixin, codes.GenerateRecoveryCodesView):
    """Make new recovery codes."""


class DownloadCodesView(ReadableCodesMixin, codes.DownloadRecoveryCodesView):
    """Send the recovery codes as a text file."""


@require_safe
@never_cache
@login_required
def totp_qr(request: HttpRequest) -> HttpResponse:
    """Return the QR code (SVG) of the new second factor, or 404. It has its own address: the CSP forbids `data:`."""
    secret = request.session.get(SECRET_SESSION_KEY)
    if not secret:
        raise Http404
    adapter = get_mfa_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(request.user, secret))
    return HttpResponse(svg, content_type="image/svg+xml")
