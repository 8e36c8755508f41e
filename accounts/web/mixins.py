"""Share what pages need: staff's second factor, admission to /control/, private pages, and forms with a key."""

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
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from factureya.core.files import store
from factureya.core.models import Attachment
from factureya.core.typed import choose_kept_fields


def get_person(request: HttpRequest) -> User:
    """Return the person who is signed in; the view has admitted nobody else."""
    return cast(User, request.user)


def has_passed_factor(request: HttpRequest) -> bool:
    """Return True if this session showed a second factor, or none is required (STAFF_MFA_REQUIRED)."""
    if not settings.STAFF_MFA_REQUIRED:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


def ask_factor(request: HttpRequest, page: str = "") -> HttpResponseBase:
    """Send staff to enrol a second factor or to show theirs; they come back to the page of their form.

    What they posted is held, as when a session ends (M17).
    """
    page = page or request.get_full_path()
    if request.method == "POST":
        form_memory.hold_post(request, page, cast(User, request.user))
    has_one = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists()
    if has_one:
        step, text = "mfa_reauthenticate", "Confirme que es usted con su aplicación."
    else:
        step = "mfa_activate_totp"
        text = "El personal necesita la verificación en dos pasos. Actívela para continuar."
    messages.info(request, text)
    return HttpResponseRedirect(f"{reverse(step)}?{urlencode({'next': page})}")


class ControlMixin:
    """Admit to pages of /control/ the offices that each page names; others get 403, strangers the login."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask for login, then office, then second factor; a post comes back to the page that holds its form."""
        page = self.form_page() if request.method == "POST" else request.get_full_path()
        if not request.user.is_authenticated:
            return form_memory.ask_login(request, page)
        if not request.user.works_in_control:
            raise PermissionDenied
        if not has_passed_factor(request):
            return ask_factor(request, page)
        if request.method == "POST":
            form_memory.drop_held_fields(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        form_memory.remember_owner(request, response)
        return response

    def form_page(self) -> str:
        """Return the address that holds the form of a post."""
        return self.request.get_full_path()


class PrivateView(View):
    """Show a page that no cache may store."""

    request: HttpRequest

    def takes(self, request: HttpRequest) -> bool:
        """Return whether this address answers to the method; it is asked first, so that 405 is 405 for everybody."""
        return (request.method or "").lower() in self.http_method_names

    def form_page(self) -> str:
        """Return the address that holds the form of a post and answers to GET."""
        return self.request.get_full_path()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and tell caches not to store it; staff needs its second factor here as in the admin."""
        is_staff = request.user.is_authenticated and request.user.is_staff
        if is_staff and not has_passed_factor(request):
            return ask_factor(request, self.form_page())
        if is_staff and request.method == "POST":
            form_memory.drop_held_fields(request)
        response = super().dispatch(request, *args, **kwargs)
        if is_staff:
            form_memory.remember_owner(request, response)
        response["Cache-Control"] = "private, no-store"
        return response


class KeyedForm:
    """Receive a form with a one-time key and files."""

    request: HttpRequest

    def posted_key(self, user: User, form: str) -> tuple[FormKey, bool]:
        """Return the key of the posted form, and whether it was good; a new key stands in for a bad one."""
        key = form_memory.read_key(self.request.POST.get("key", ""), form, user)
        return (key, True) if key else (form_memory.new_key(user, form), False)

    def posted_files(self, key: FormKey) -> tuple[list[Attachment], list[store.RefusedFile]]:
        """Remove the file that «Quitar» names, store the posted files, and return the form's files and the refusals."""
        if token := self.request.POST.get("quitar"):
            store.discard_file(key.key, token)
        uploads = self.request.FILES.getlist("files") + self.request.FILES.getlist("photo")
        refusals = store.store_uploads(uploads, key.key)[1] if uploads else []
        return store.list_draft_files(key.key), refusals


def posted_text(request: HttpRequest) -> dict[str, str]:
    """Return what the person wrote and chose in a posted form, without secrets and buttons."""
    return choose_kept_fields(request.POST)


def login_keeping_draft(request: HttpRequest, form: str, after: str) -> HttpResponse:
    """Send the person to the login; keep a form that arrives after its session expired, with its files (M17)."""
    key = form_memory.read_key(request.POST.get("key", ""), form, None) if request.method == "POST" else None
    if key is not None:
        uploads = request.FILES.getlist("files") + request.FILES.getlist("photo")
        store.store_uploads(uploads, key.key)
        form_memory.keep_draft(request.session, key, posted_text(request), why=form_memory.RECOVERED)
    return redirect_to_login(after)
