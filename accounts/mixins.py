"""What pages share: the second factor asked of staff, who enters /control/, private pages, forms with a key."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views import View

from accounts import drafts, formkeys
from accounts.formkeys import FormKey
from accounts.models import User
from factureya.core import attachments
from factureya.core.models import Attachment

# Fields of a post that are not of the person's text.
_NOT_TEXT = frozenset({"csrfmiddlewaretoken", "key", "quitar", "agregar_a", "otro", "resolved"})


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


class PrivateView(View):
    """A page that no cache may keep."""

    request: HttpRequest

    def takes(self, request: HttpRequest) -> bool:
        """Whether this address answers to the method: asked before who comes, so that 405 is 405 for everybody."""
        return (request.method or "").lower() in self.http_method_names

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and tell caches to forget it. Staff needs its second factor here as in the admin."""
        if request.user.is_authenticated and request.user.is_staff and not factor_passed(request):
            return ask_factor(request)
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response


class KeyedForm:
    """The part of a view that receives a form with a one-time key and files."""

    request: HttpRequest

    def posted_key(self, user: User, form: str) -> tuple[FormKey, bool]:
        """The key of the posted form, and whether it was good; a bad one is replaced by a fresh one."""
        key = formkeys.read(self.request.POST.get("key", ""), form, user)
        return (key, True) if key else (formkeys.new(user, form), False)

    def posted_files(self, key: FormKey) -> tuple[list[Attachment], list[attachments.Refused]]:
        """Take away what «Quitar» names, keep what came, and tell what was refused."""
        if token := self.request.POST.get("quitar"):
            attachments.discard(key.key, token)
        uploads = self.request.FILES.getlist("files") + self.request.FILES.getlist("photo")
        refusals = attachments.store_all(uploads, key.key)[1] if uploads else []
        return attachments.drafts(key.key), refusals


def posted_text(request: HttpRequest) -> dict[str, str]:
    """What the person wrote in a posted form."""
    return {name: str(text) for name, text in request.POST.items() if name not in _NOT_TEXT}


def login_keeping_draft(request: HttpRequest, form: str, after: str) -> HttpResponse:
    """To the login; a form that arrives after its session expired is kept for its owner, with its files (M17)."""
    key = (
        formkeys.read(request.POST.get("key", ""), form, None) if request.method == "POST" else None
    )
    if key is not None:
        uploads = request.FILES.getlist("files") + request.FILES.getlist("photo")
        attachments.store_all(uploads, key.key)
        drafts.keep(request.session, key, posted_text(request), why=drafts.RECOVERED)
    return redirect_to_login(after)
