"""Who may enter where staff works, and the second factor that the admin and /control/ alike ask of staff."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import AccessMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode


def factor_passed(request: HttpRequest) -> bool:
    """Whether this session may enter as staff: it showed a second factor, or none is required (STAFF_MFA_REQUIRED)."""
    if not settings.STAFF_MFA_REQUIRED:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


def ask_factor(request: HttpRequest) -> HttpResponseBase:
    """Send staff to enrol a second factor, or to show the one they have; they come back where they were."""
    has_one = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists()
    if has_one:
        page, text = "mfa_reauthenticate", "Confirme que es usted con su aplicación."
    else:
        page = "mfa_activate_totp"
        text = "El personal necesita la verificación en dos pasos. Actívela para continuar."
    messages.info(request, text)
    query = urlencode({"next": request.get_full_path()}) if request.method == "GET" else ""
    return HttpResponseRedirect(f"{reverse(page)}?{query}")


class ControlMixin(AccessMixin):
    """Pages of /control/: the offices of mesa de control, each page its own; others 403, strangers to login."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Login, then office, then second factor."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if not request.user.works_in_control:
            raise PermissionDenied
        if not factor_passed(request):
            return ask_factor(request)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
