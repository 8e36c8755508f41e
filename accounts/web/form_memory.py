"""The memory of forms: one-time keys, and what was typed and could not be sent yet (M10, M17).

A hidden field carries the key, signed: 128 random bits that operations store and files are kept under, the name of
the form, and a digest of its owner. So a double click does it once, nobody can use another person's key, and a POST
that arrives after the session expired still proves whose form it is. A staff page without a key is known by the signed
cookie that it leaves in the browser, which gives no access.

A draft is kept in the session until its form is sent: when the session expired while somebody wrote (the text comes
back after the same person logs in), when another button of an agent's page was pressed meanwhile, and when the text
of a new ticket is carried to the composer of an open one. One draft per form; the oldest are dropped.
"""

import secrets
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import User
from factureya.core.files import store
from factureya.core.forms import choose_kept_fields, list_texts
from factureya.core.mail import own_links
from factureya.core.models import Attachment

SALT, COOKIE_SALT = "tickets.form", "accounts.web.returning"  # as before: a form on a screen outlives a version
COOKIE = "__Host-quien" if settings.HTTPS else "quien"
ORPHAN_FORM_AGE = timedelta(days=2)  # how long a form that arrives without a session is kept for its owner
MAX_DRAFTS = 8
MAX_FIELDS = 40
MAX_CHARACTERS = 40_000  # of each field; a guided form carried whole to another ticket has 30,000 and some
RECOVERED, CARRIED, SET_ASIDE = "recovered", "carried", "beside"  # why a draft was kept
FILE_FIELDS = {"key": ("files", "photo"), "note_key": ("note_files",)}  # the file inputs under each key
_DRAFTS_IN_SESSION = "form.draft"

Session = MutableMapping[str, Any]
View = Callable[..., HttpResponseBase]
FindPage = Callable[[HttpRequest, dict[str, Any]], str]


@dataclass(frozen=True)
class FormKey:
    """Hold what a good token says: the key, the name of the form, and the digest of its owner."""

    key: str
    form: str
    owner: str

    def belongs_to(self, user: User) -> bool:
        """Return whether the form was given to this person."""
        return own_links.matches_digest(SALT, str(user.pk), self.owner)

    @property
    def name_in_browser(self) -> str:
        """Return the name under which the browser keeps the typed text: the owner and the form."""
        return f"{self.owner}:{self.form}"

    @property
    def token(self) -> str:
        """Return the value of the hidden field."""
        return signing.dumps([self.key, self.form, self.owner], salt=SALT)


def new_key(user: User, form: str) -> FormKey:
    """Return a new key for a form that is given to this person now."""
    return FormKey(secrets.token_urlsafe(16), form, _digest_owner(user))


def read_key(token: str, form: str, user: User | None) -> FormKey | None:
    """Return the one-time key, which stops a double click, from the hidden field (`token`) of the posted form `form`.

    Return None if the token is forged, of another form, or of another person. If the session ended, `user` is None.
    Then any person's token is good, because a login follows; but it must be younger than ORPHAN_FORM_AGE.
    """
    max_age = ORPHAN_FORM_AGE if user is None else None
    form_key = _read_any_key(token, max_age)
    if form_key is None or form_key.form != form or (user is not None and not form_key.belongs_to(user)):
        return None
    return form_key


def _read_any_key(token: str, max_age: timedelta | None = ORPHAN_FORM_AGE) -> FormKey | None:
    """Return the key in a signed token, whatever its form and person; None if it is forged, or older than `max_age`."""
    try:
        return FormKey(*signing.loads(token, salt=SALT, max_age=max_age))
    except signing.BadSignature:
        return None


def _digest_owner(user: User) -> str:
    """Return the digest that stands for this person in a key."""
    return own_links.make_digest(SALT, str(user.pk))


def keep_draft(session: Session, key: FormKey, fields: dict[str, str], *, reason: str) -> None:
    """Store the text that was typed into a form in the session. It replaces an older draft of this form.

    `reason`: RECOVERED (the session had ended), CARRIED (moved from another form) or SET_ASIDE (the person pressed
    another button, or another page has shown the draft). The newest MAX_DRAFTS drafts are kept. Long texts are cut.
    """
    filled = [(name, str(text)[:MAX_CHARACTERS]) for name, text in fields.items() if text]
    draft = {"key": key.key, "form": key.form, "owner": key.owner, "why": reason, "fields": dict(filled[:MAX_FIELDS])}
    drafts = _read_drafts(session)
    others = [(form, other) for form, other in drafts.items() if form != key.form]
    session[_DRAFTS_IN_SESSION] = dict([*others, (key.form, draft)][-MAX_DRAFTS:])  # the oldest are dropped


def find_draft(session: Session, user: User, form: str) -> tuple[FormKey, dict[str, str], str] | None:
    """Return the key, fields and `reason` of the draft of the form named `form`; None if this person has none."""
    draft = _read_drafts(session).get(form)
    if not draft:
        return None
    key = FormKey(draft["key"], draft["form"], draft["owner"])
    return (key, draft["fields"], draft["why"]) if key.belongs_to(user) else None


def move_draft(session: Session, user: User, form: str, new_form: str) -> None:
    """Move this person's draft of a form to the form `new_form`, with its files; its text `body` follows one there."""
    draft, other = find_draft(session, user, form), find_draft(session, user, new_form)
    if draft is None:
        return
    key, fields, reason = draft
    if other is not None:
        other_key, other_fields, _reason = other
        store.move_files(key.key, other_key.key)
        body = "\n\n".join(filter(None, (other_fields.get("body"), fields.get("body"))))
        key, fields = other_key, {**fields, **other_fields, "body": body}
    forget_form(session, form)
    keep_draft(session, FormKey(key.key, new_form, key.owner), fields, reason=reason)


def list_files(form_key: str) -> list[Attachment]:
    """Return the files uploaded so far for the form with this one-time key, the oldest first."""
    return list(Attachment.objects.filter(draft=form_key).order_by("pk")) if form_key else []


def forget_draft(session: Session, key: FormKey) -> None:
    """Delete the draft of a form that was just sent. A draft with another key stays: it is another text."""
    draft = _read_drafts(session).get(key.form)
    if draft and draft["key"] == key.key:
        forget_form(session, key.form)


def forget_form(session: Session, form: str) -> None:
    """Delete the draft of this form from the session. Without a draft the session stays unchanged."""
    drafts = _read_drafts(session)
    if form not in drafts:
        return
    del session[_DRAFTS_IN_SESSION]
    if others := {name: draft for name, draft in drafts.items() if name != form}:
        session[_DRAFTS_IN_SESSION] = others


def has_drafts(session: Session) -> bool:
    """Return True if anything that somebody typed is kept in the session."""
    return bool(_read_drafts(session))


def _read_drafts(session: Session) -> dict[str, dict[str, Any]]:
    """Return the drafts of the session by form."""
    return session.get(_DRAFTS_IN_SESSION) or {}


def set_form_page(find_page: FindPage) -> Callable[[View], View]:
    """Return a decorator for a view whose form is on another page. `find_page` returns that page's address."""

    def add_page(view: View) -> View:  # `find_form_page` reads `form_page`, to return to the form after a login
        view.form_page = find_page  # type: ignore[attr-defined]
        return view

    return add_page


def post_only(page_name: str, *arguments: str) -> Callable[[View], View]:
    """Return a decorator for a view that accepts only POST. A login before it leads back to the page of the form.

    `page_name` is the route of that page. `arguments` names those arguments of the view that the route also takes.
    """
    # `_` is the request, `values` are the arguments of the view.
    set_page = set_form_page(lambda _, values: reverse(page_name, kwargs={name: values[name] for name in arguments}))
    return lambda view: set_page(require_POST(view))


def find_form_page(request: HttpRequest, view: View | None, arguments: dict[str, Any]) -> str:
    """Return the address to open after the login. For a POST it is the page that shows the posted form.

    If the page has no query, the POST's is added: it may say which part of a list was open. For a GET, or if
    the view has no page set by `set_form_page`, it is the address of the request.
    """
    find_page: FindPage | None = getattr(view, "form_page", None)
    if find_page is None or request.method != "POST":
        return request.get_full_path()
    address, query = find_page(request, arguments), request.META.get("QUERY_STRING", "")
    return f"{address}?{query}" if query and "?" not in address else address


def ask_login(request: HttpRequest, page: str) -> HttpResponseRedirect:
    """Redirect a person without a session to the login, and from there to `page`. Keep what he posted (M17)."""
    if request.method == "POST":
        hold_post(request, page)
    return redirect_to_login(page)


def hold_post(request: HttpRequest, page: str, user: User | None = None) -> None:
    """Keep the fields and files of a POST that must wait for a login or second factor, to show them on `page` (M17).

    `user` is the signed-in person, or None. An empty POST is not kept, nor one whose sender we do not know. Each group
    of files has its own key in a hidden field (FILE_FIELDS). If the key is forged or another's, its files are lost.
    """
    key = _find_key(request, page, user)
    fields = choose_kept_fields(request.POST)
    if key is None or not (list_texts(fields) or request.FILES):
        return
    for key_field, file_fields in FILE_FIELDS.items():
        files_key = _read_any_key(request.POST.get(key_field, ""))  # None: missing or forged
        uploads = [file for field in file_fields for file in request.FILES.getlist(field)]
        if files_key is not None and files_key.owner == key.owner and uploads:
            store.store_uploads(uploads, files_key.key)
    keep_draft(request.session, key, {**fields, "posted_to": request.path}, reason=RECOVERED)


def read_held_fields(request: HttpRequest) -> dict[str, str]:
    """Return the fields that this person typed into the form of this page before the login; {} if none are kept."""
    user: Any = request.user
    _key, fields, _reason = find_draft(request.session, user, _name_form(request.path)) or (None, {}, "")
    return fields


def read_fields_to_show(request: HttpRequest) -> dict[str, str]:
    """Return the fields that a member of staff typed before a login, for a box on this page (M17); {} for others.

    They are those of the first draft that belongs to this page, or that no page has shown yet (RECOVERED). Any page
    shows such a draft once, so that the text is not lost if its own page is gone. Then it becomes SET_ASIDE, and only
    its own page shows it.
    """
    user: Any = getattr(request, "user", None)  # an error page may be shown before the user is known
    if user is None or not user.is_authenticated or not user.is_staff:
        return {}
    for form in _read_drafts(request.session):
        draft = find_draft(request.session, user, form)
        if draft is None or not form.startswith(_name_form("")):  # it has a key of its own: its page shows the draft
            continue
        key, fields, reason = draft
        if form == _name_form(request.path) or reason == RECOVERED:
            if reason == RECOVERED:
                keep_draft(request.session, key, fields, reason=SET_ASIDE)
            return fields
    return {}


def drop_held_fields(request: HttpRequest) -> None:
    """Delete the draft of a POST to this address that was kept before a login: the person posts it again now."""
    # The names of all forms without a key of their own begin with `_name_form("")`.
    for form, draft in _read_drafts(request.session).items():
        if draft["fields"].get("posted_to") == request.path and form.startswith(_name_form("")):
            forget_form(request.session, form)


def remember_owner(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set a signed cookie with a digest of this person. If his session ends, it tells us who sent a POST."""
    user: Any = request.user
    if not user.is_authenticated or _read_browser_owner(request) == _digest_owner(user):
        return
    response.set_cookie(
        COOKIE,
        signing.dumps(_digest_owner(user), salt=COOKIE_SALT),
        httponly=True,
        secure=settings.HTTPS,
        max_age=int(ORPHAN_FORM_AGE.total_seconds()),
        samesite="Lax",
    )


def _find_key(request: HttpRequest, page: str, user: User | None) -> FormKey | None:
    """Return the key under which a POST is kept until the login: the posted one, else one made of page and person.

    The person is `user`, else the one of our cookie. Return None if he is unknown, or the key is another person's.
    """
    posted_key = _read_any_key(request.POST.get("key", ""))
    if posted_key is not None:
        return posted_key if user is None or posted_key.belongs_to(user) else None
    owner = _digest_owner(user) if user is not None else _read_browser_owner(request)
    return FormKey("", _name_form(page), owner) if owner else None  # "": the form has no key of its own


def _name_form(page: str) -> str:
    """Return the name of the form of a page that has no key of its own."""
    return f"post:{page.partition('?')[0]}"


def _read_browser_owner(request: HttpRequest) -> str:
    """Return the digest of the last user who signed in with this browser, from our signed cookie; "" if it has none."""
    try:
        return str(signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE_SALT, max_age=ORPHAN_FORM_AGE))
    except signing.BadSignature:
        return ""
