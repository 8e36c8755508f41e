"""Hold in the session what a person typed and could not send yet, until its form is sent.

There are three cases: the session expired while writing (the text comes back after the same person logs in), another
button of the agent's page was pressed meanwhile, and «agregar a este ticket», which carries the text of a new ticket to
the composer of an open one. The files stay in the store under the form's key. Each form has one draft; the oldest
drafts are dropped.
"""

from collections.abc import MutableMapping
from typing import Any

from accounts.models import User
from accounts.web.form_keys import FormKey

_SLOT = "form.draft"
MAX_DRAFTS = 8
MAX_FIELDS = 40
MAX_CHARACTERS = 40_000  # of each field; a guided form carried whole to another ticket has 30,000 and some
RECOVERED, CARRIED, BESIDE = "recovered", "carried", "beside"


def keep(session: MutableMapping[str, Any], key: FormKey, fields: dict[str, str], *, why: str) -> None:
    """Hold the fields of this form for its owner, in place of an older draft of the same form."""
    filled = [(name, str(text)[:MAX_CHARACTERS]) for name, text in fields.items() if text]
    others = {form: draft for form, draft in _kept(session).items() if form != key.form}
    draft = {"key": key.key, "form": key.form, "owner": key.owner, "why": why, "fields": dict(filled[:MAX_FIELDS])}
    session[_SLOT] = dict([*others.items(), (key.form, draft)][-MAX_DRAFTS:])


def find(session: MutableMapping[str, Any], user: User, form: str) -> tuple[FormKey, dict[str, str], str] | None:
    """Return the draft of this form, if it is this person's: its key, its fields, and why it is held."""
    kept = _kept(session).get(form)
    if not kept:
        return None
    key = FormKey(kept["key"], kept["form"], kept["owner"])
    return (key, kept["fields"], kept["why"]) if key.belongs_to(user) else None


def forget(session: MutableMapping[str, Any], key: FormKey) -> None:
    """Drop the draft of a form that was sent; the session changes only if there is one."""
    kept = _kept(session).get(key.form)
    if kept and kept["key"] == key.key:
        forget_form(session, key.form)


def forget_form(session: MutableMapping[str, Any], form: str) -> None:
    """Drop the draft of this form, whatever its key; the session changes only if there is one."""
    kept = _kept(session)
    if form not in kept:
        return
    del session[_SLOT]
    if others := {name: draft for name, draft in kept.items() if name != form}:
        session[_SLOT] = others


def everything(session: MutableMapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return every draft of the session: its form and its fields."""
    return [(form, draft["fields"]) for form, draft in _kept(session).items()]


def _kept(session: MutableMapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the drafts that the session holds."""
    kept: dict[str, dict[str, Any]] = session.get(_SLOT) or {}
    return kept
