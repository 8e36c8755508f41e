"""Handle a post that comes after its session ended: where the person comes back to, and what was typed (M17).

A login answers a post with a GET of `next`, so `next` is the page that holds the form, and never an address that
accepts posts only. What was typed is held in the session for the owner of the form, and for nobody else. The form's
one-time key names the owner, or else the signed cookie that staff pages leave in the browser, which gives no access.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from factureya.core.files import store
from factureya.core.forms import choose_kept_fields, list_texts

COOKIE = "__Host-quien" if settings.HTTPS else "quien"
SALT = "accounts.web.returning"
HELD = "Su sesión se cerró; guardamos lo que escribió."
FILE_FIELDS = {"key": ("files", "photo"), "note_key": ("note_files",)}

View = Callable[..., HttpResponseBase]
PageOf = Callable[[HttpRequest, dict[str, Any]], str]


def set_form_page(page: PageOf) -> Callable[[View], View]:
    """Return a decorator that names the page which holds the form of a view, if that is not the view's own address."""

    def mark(view: View) -> View:
        """Write the page on the view."""
        view.form_page = page  # type: ignore[attr-defined]
        return view

    return mark


def post_only(page: str, *names: str) -> Callable[[View], View]:
    """Return a decorator for a view that takes posts only; the named page, with these arguments, holds its form."""

    def mark(view: View) -> View:
        """Make the view take posts alone, and write the page on it."""

        def holder(request: HttpRequest, arguments: dict[str, Any]) -> str:
            """Return the address of the page that holds the form."""
            return reverse(page, kwargs={name: arguments[name] for name in names})

        return set_form_page(holder)(require_POST(view))

    return mark


def find_form_page(request: HttpRequest, view: View | None, arguments: dict[str, Any]) -> str:
    """Return the address that shows the form of this post, with the list the person came from; it answers to GET."""
    page: PageOf | None = getattr(view, "form_page", None)
    if page is None or request.method != "POST":
        return request.get_full_path()
    address, query = page(request, arguments), request.META.get("QUERY_STRING", "")
    return f"{address}?{query}" if query and "?" not in address else address


def ask_login(request: HttpRequest, page: str) -> HttpResponseRedirect:
    """Redirect a stranger to the login and back to this page, and hold what was posted."""
    if request.method == "POST":
        hold_post(request, page)
    return redirect_to_login(page)


def hold_post(request: HttpRequest, page: str, user: User | None = None) -> None:
    """Hold the fields and the files of a post for its owner, to be shown on this page; nothing if it has no owner."""
    key = _find_key(request, page, user)
    fields = choose_kept_fields(request.POST)
    if key is None or not (list_texts(fields) or request.FILES):
        return
    for name, inputs in FILE_FIELDS.items():
        under = form_memory.read_orphan_key(request.POST.get(name, ""))
        uploads = [file for field in inputs for file in request.FILES.getlist(field)]
        if under is not None and under.owner == key.owner and uploads:
            store.store_uploads(uploads, under.key)
    form_memory.keep_draft(request.session, key, {**fields, "posted_to": request.path}, why=form_memory.RECOVERED)


def read_held_fields(request: HttpRequest) -> dict[str, str]:
    """Return what is held of a form of this page without a key of its own; empty for anybody but its owner."""
    user: Any = request.user
    found = form_memory.find_draft(request.session, user, _name_form(request.path))
    return found[1] if found else {}


def read_fields_to_show(request: HttpRequest) -> dict[str, str]:
    """Return what is held for this page, else what its owner has not been shown yet.

    The page may lead elsewhere by now, because somebody else acted, and the text must not be lost with it.
    """
    user: Any = getattr(request, "user", None)  # a page of an error may come before who it is for
    if user is None or not user.is_authenticated or not user.is_staff:
        return {}
    for form, _fields in form_memory.read_all_drafts(request.session):
        found = form_memory.find_draft(request.session, user, form)
        if found is None or not form.startswith(_name_form("")):
            continue
        key, fields, why = found
        if form == _name_form(request.path) or why == form_memory.RECOVERED:
            if why == form_memory.RECOVERED:
                form_memory.keep_draft(request.session, key, fields, why=form_memory.BESIDE)
            return fields
    return {}


def drop_held_fields(request: HttpRequest) -> None:
    """Forget what was kept of the form that is posted now."""
    for form, fields in form_memory.read_all_drafts(request.session):
        if fields.get("posted_to") == request.path and form.startswith(_name_form("")):
            form_memory.forget_form(request.session, form)


def remember_owner(request: HttpRequest, response: HttpResponseBase) -> None:
    """Store in the browser of staff who they are, to know whose form a later post is when its session has ended."""
    user: Any = request.user
    if not user.is_authenticated or _read_browser_owner(request) == form_memory.digest_owner(user):
        return
    response.set_cookie(
        COOKIE,
        signing.dumps(form_memory.digest_owner(user), salt=SALT),
        httponly=True,
        secure=settings.HTTPS,
        max_age=int(form_memory.ORPHAN_FORM_AGE.total_seconds()),
        samesite="Lax",
    )


def _find_key(request: HttpRequest, page: str, user: User | None) -> FormKey | None:
    """Return the key that the post carries; else one of this page, for the person it is known to be of."""
    carried = form_memory.read_orphan_key(request.POST.get("key", ""))
    if carried is not None:
        return carried if user is None or carried.belongs_to(user) else None
    owner = form_memory.digest_owner(user) if user is not None else _read_browser_owner(request)
    return FormKey("", _name_form(page), owner) if owner else None


def _name_form(page: str) -> str:
    """Return the name of the form of a page that has no key of its own."""
    return f"post:{page.partition('?')[0]}"


def _read_browser_owner(request: HttpRequest) -> str:
    """Return who used this browser last, by the signed cookie, or an empty text."""
    try:
        return str(signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=form_memory.ORPHAN_FORM_AGE))
    except signing.BadSignature:
        return ""
