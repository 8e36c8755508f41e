"""What pages share: the second factor asked of staff, who enters /control/, private pages, forms with a key."""

from typing import Any, cast

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views import View

from accounts.models import User
from accounts.web import drafts, form_keys, returning
from accounts.web.form_keys import FormKey
from factureya.core.files import store
from factureya.core.models import Attachment
from factureya.core.typed import kept_fields


def factor_passed(request: HttpRequest) -> bool:
    """Whether this session may enter as staff: it showed a second factor, or none is required (STAFF_MFA_REQUIRED)."""
    if not settings.STAFF_MFA_REQUIRED:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


def ask_factor(request: HttpRequest, page: str = "") -> HttpResponseBase:
    """Send staff to enrol a second factor, or to show the one they have; they come back to where the form stands.

    What they posted is kept as when a session ends (M17).
    """
    page = page or request.get_full_path()
    if request.method == "POST":
        returning.hold(request, page, cast(User, request.user))
    has_one = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists()
    if has_one:
        step, text = "mfa_reauthenticate", "Confirme que es usted con su aplicación."
    else:
        step = "mfa_activate_totp"
        text = "El personal necesita la verificación en dos pasos. Actívela para continuar."
    messages.info(request, text)
    return HttpResponseRedirect(f"{reverse(step)}?{urlencode({'next': page})}")


class ControlMixin:
    """Pages of /control/: the offices of mesa de control, each page its own; others 403, strangers to login."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Login, then office, then second factor; a post comes back to the page that holds its form."""
        page = self.form_page() if request.method == "POST" else request.get_full_path()
        if not request.user.is_authenticated:
            return returning.ask_login(request, page)
        if not request.user.works_in_control:
            raise PermissionDenied
        if not factor_passed(request):
            return ask_factor(request, page)
        if request.method == "POST":
            returning.forget(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        returning.remember(request, response)
        return response

    def form_page(self) -> str:
        """Return the address that holds the form of a post."""
        return self.request.get_full_path()


class PrivateView(View):
    """A page that no cache may keep."""

    request: HttpRequest

    def takes(self, request: HttpRequest) -> bool:
        """Whether this address answers to the method: asked before who comes, so that 405 is 405 for everybody."""
        return (request.method or "").lower() in self.http_method_names

    def form_page(self) -> str:
        """Return the address that holds the form of a post; it answers to GET."""
        return self.request.get_full_path()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and tell caches to forget it. Staff needs its second factor here as in the admin."""
        is_staff = request.user.is_authenticated and request.user.is_staff
        if is_staff and not factor_passed(request):
            return ask_factor(request, self.form_page())
        if is_staff and request.method == "POST":
            returning.forget(request)
        response = super().dispatch(request, *args, **kwargs)
        if is_staff:
            returning.remember(request, response)
        response["Cache-Control"] = "private, no-store"
        return response


class KeyedForm:
    """The part of a view that receives a form with a one-time key and files."""

    request: HttpRequest

    def posted_key(self, user: User, form: str) -> tuple[FormKey, bool]:
        """The key of the posted form, and whether it was good; a bad one is replaced by a fresh one."""
        key = form_keys.read(self.request.POST.get("key", ""), form, user)
        return (key, True) if key else (form_keys.new(user, form), False)

    def posted_files(self, key: FormKey) -> tuple[list[Attachment], list[store.RefusedFile]]:
        """Take away what «Quitar» names, keep what came, and tell what was refused."""
        if token := self.request.POST.get("quitar"):
            store.discard(key.key, token)
        uploads = self.request.FILES.getlist("files") + self.request.FILES.getlist("photo")
        refusals = store.store_all(uploads, key.key)[1] if uploads else []
        return store.drafts(key.key), refusals


def posted_text(request: HttpRequest) -> dict[str, str]:
    """Return what the person wrote and chose in a posted form, without secrets and buttons."""
    return kept_fields(request.POST)


def login_keeping_draft(request: HttpRequest, form: str, after: str) -> HttpResponse:
    """To the login; a form that arrives after its session expired is kept for its owner, with its files (M17)."""
    key = form_keys.read(request.POST.get("key", ""), form, None) if request.method == "POST" else None
    if key is not None:
        uploads = request.FILES.getlist("files") + request.FILES.getlist("photo")
        store.store_all(uploads, key.key)
        drafts.keep(request.session, key, posted_text(request), why=drafts.RECOVERED)
    return redirect_to_login(after)
