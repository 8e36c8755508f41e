"""Share what pages need: staff's second factor, admission to /control/, private pages, and forms to post once."""

from collections.abc import Sequence
from typing import Any, cast

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views import View

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from factureya.core.files import store
from factureya.core.forms import STALE_FORM, FilesMixin, PortalForm, choose_kept_fields
from factureya.core.models import Attachment
from factureya.core.refusals import FormUsed, Refused

REMOVE = "quitar"  # the button beside a kept file


def get_person(request: HttpRequest) -> User:
    """Return the person who is signed in; the view has admitted nobody else."""
    return cast(User, request.user)


def has_passed_factor(request: HttpRequest) -> bool:
    """Return True if the person gave a second factor in this session, or if STAFF_MFA_REQUIRED is off."""
    if not settings.STAFF_MFA_REQUIRED:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


def ask_factor(request: HttpRequest, page: str = "") -> HttpResponseBase:
    """Redirect a member of staff to the page that asks for the second factor, or sets one up if he has none.

    From there he comes back to `page`, by default the address of the request. What he posted is kept (M17).
    """
    page = page or request.get_full_path()
    if request.method == "POST":
        form_memory.hold_post(request, page, cast(User, request.user))
    has_factor = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists()
    if has_factor:
        page_name, text = "mfa_reauthenticate", "Confirme que es usted con su aplicación."
    else:
        page_name = "mfa_activate_totp"
        text = "El personal necesita la verificación en dos pasos. Actívela para continuar."
    messages.info(request, text)
    return HttpResponseRedirect(f"{reverse(page_name)}?{urlencode({'next': page})}")


class ControlMixin:
    """Admit to pages of /control/ the offices that each page names; others get 403, strangers the login."""

    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let only people of mesa de control in, after login and second factor. Everybody else gets 403."""
        page = self.form_page() if request.method == "POST" else request.get_full_path()  # the login leads back here
        if not request.user.is_authenticated:
            return form_memory.ask_login(request, page)
        if not request.user.works_in_control:
            raise PermissionDenied
        if not has_passed_factor(request):
            return ask_factor(request, page)
        if request.method == "POST":
            form_memory.drop_held_fields(request)  # kept before the login; this post carries them
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        form_memory.remember_owner(request, response)  # a cookie, to recognise posts after the session
        return response

    def form_page(self) -> str:
        """Return the address that holds the form of a post."""
        return self.request.get_full_path()


class PrivateView(View):
    """Show a page that no cache may store."""

    request: HttpRequest

    def takes(self, request: HttpRequest) -> bool:
        """Return whether the page answers to this method; it is asked first, so that everybody gets the same 405."""
        return (request.method or "").lower() in self.http_method_names

    def form_page(self) -> str:
        """Return the address that holds the form of a post and answers to GET."""
        return self.request.get_full_path()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show a page that no cache may store. Staff (but not customers) must give the second factor first."""
        is_staff = request.user.is_authenticated and request.user.is_staff
        if is_staff and not has_passed_factor(request):
            return ask_factor(request, self.form_page())
        if is_staff and request.method == "POST":
            form_memory.drop_held_fields(request)  # kept before the login; this post carries them
        response = super().dispatch(request, *args, **kwargs)
        if is_staff:
            form_memory.remember_owner(request, response)  # a cookie, to recognise posts after the session
        response["Cache-Control"] = "private, no-store"
        return response


class PostingForm:
    """Show a form and receive it once; what was typed and uploaded is never lost.

    A view names its form in `form_name`, makes its `form`, renders it in `render_page`, and calls one operation in
    `perform`. Why the operation refused is shown at `refusal_field`, or above the form, with everything kept.
    """

    request: HttpRequest
    user: User
    refusal_field: str | None = None

    def form_name(self) -> str:
        """Return which form this is, for its one-time key and its draft."""
        raise NotImplementedError

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """Return the form, blank or with what was posted."""
        raise NotImplementedError

    def render_page(
        self, form: Any, key: FormKey, *, kept: Sequence[Attachment] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page with this form and its stored files (`kept`). `draft_reason`: why a draft is shown, or ""."""
        raise NotImplementedError

    def perform(self, form: Any, key: FormKey) -> str | HttpResponse:
        """Do what the valid form asks. Return the address to redirect to, or a page, after which the draft stays."""
        raise NotImplementedError

    def find_refused_field(self, _refusal: Refused) -> str | None:
        """Return the field beside which the reason of a refusal is shown, or None: above the form."""
        return self.refusal_field

    def initial(self) -> dict[str, Any]:
        """Return the first values of a form that has no draft."""
        return {}

    def may_show(self, fields: dict[str, str]) -> bool:
        """Return whether a draft with these fields may fill this page; some pages refuse one about another person."""
        return True

    def show_form(self) -> HttpResponse:
        """Return the page with its form: blank, or with this person's unsent draft if `may_show` allows it here."""
        if draft := form_memory.find_draft(self.request.session, self.user, self.form_name()):
            key, fields, reason = draft
            if self.may_show(fields):
                form = self.form(initial=fields)
                return self.render_page(form, key, kept=form_memory.list_files(key.key), draft_reason=reason)
        return self.render_page(self.form(initial=self.initial()), form_memory.new_key(self.user, self.form_name()))

    def receive_form(self) -> HttpResponse:
        """Do what the posted form asks (`perform`), and redirect. If something is wrong, show the form with the errors.

        The button «Quitar» (REMOVE) only removes a file and shows the form again. With a forged or another person's key
        an error is shown. If the operation refuses, its reason is shown; a key that was used is then replaced.
        """
        key, is_good_key = self.posted_key()
        form = self.form(self.request.POST)
        has_files = isinstance(form, FilesMixin)
        kept, refusals = self.update_draft_files(key) if has_files else ([], [])
        if REMOVE in self.request.POST:
            return self.render_page(self.form(initial=choose_kept_fields(self.request.POST)), key, kept=kept)
        if isinstance(form, FilesMixin):  # as `has_files`, but mypy understands it
            form.take_files(kept, refusals)
        if not is_good_key:
            form.add_error(None, STALE_FORM)
        if form.is_valid():
            try:
                result = self.perform(form, key)
            except Refused as refusal:
                form.add_error(self.find_refused_field(refusal), str(refusal))
                key = renew_used_key(refusal, key, self.user)
                kept = form_memory.list_files(key.key) if has_files else []
            else:
                if isinstance(result, HttpResponse):  # a page to show; the draft stays
                    return result
                form_memory.forget_draft(self.request.session, key)
                return redirect(result)
        return self.render_page(form, key, kept=kept)

    def posted_key(self) -> tuple[FormKey, bool]:
        """Return the posted form's one-time key and True; if it is forged or another person's, a new key and False."""
        key = form_memory.read_key(self.request.POST.get("key", ""), self.form_name(), self.user)
        return (key, True) if key else (form_memory.new_key(self.user, self.form_name()), False)

    def update_draft_files(self, key: FormKey) -> tuple[list[Attachment], list[store.RefusedFile]]:
        """Delete the file whose «Quitar» was pressed, store new ones. Return the form's files and the refusals."""
        if token := self.request.POST.get(REMOVE):
            store.discard_file(key.key, token)
        refusals = _store_posted_files(self.request, key)
        return form_memory.list_files(key.key), refusals


def login_keeping_draft(request: HttpRequest, form: str, after: str) -> HttpResponse:
    """Redirect to the login, then to the page `after`. Keep what was posted with a good key of this form (M17)."""
    key = form_memory.read_key(request.POST.get("key", ""), form, None) if request.method == "POST" else None
    if key is not None:
        _store_posted_files(request, key)
        form_memory.keep_draft(request.session, key, choose_kept_fields(request.POST), reason=form_memory.RECOVERED)
    return redirect_to_login(after)


def renew_used_key(refusal: Exception, key: FormKey, user: User) -> FormKey:
    """Return the key for a form shown again: the same, or a new one with its files if the key was used already."""
    if not isinstance(refusal, FormUsed):
        return key
    renewed = form_memory.new_key(user, key.form)
    store.move_files(key.key, renewed.key)
    return renewed


def _store_posted_files(request: HttpRequest, key: FormKey) -> list[store.RefusedFile]:
    """Store the uploaded files (`files`, `photo`) under the form's key, and return those that were refused."""
    uploads = request.FILES.getlist("files") + request.FILES.getlist("photo")
    _stored, refusals = store.store_uploads(uploads, key.key) if uploads else ([], [])
    return refusals
