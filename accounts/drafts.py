"""What a person typed and could not send yet: kept in the session until the form is sent.

Two cases: the session expired while writing (the text comes back after the same person logs in), and «agregar a
este ticket», which carries the text of a new ticket to the composer of an open one. The files stay in the store
under the form's key. One draft per session, the last one.
"""

from collections.abc import MutableMapping
from typing import Any

from accounts.formkeys import FormKey
from accounts.models import User

_SLOT = "form.draft"
MAX_CHARACTERS = (
    40_000  # of each field; a guided form carried whole to another ticket has 30,000 and some
)
RECOVERED, CARRIED = "recovered", "carried"


def keep(
    session: MutableMapping[str, Any], key: FormKey, fields: dict[str, str], *, why: str
) -> None:
    """Keep the fields of this form for its owner."""
    texts = {name: str(text)[:MAX_CHARACTERS] for name, text in fields.items() if text}
    session[_SLOT] = {
        "key": key.key,
        "form": key.form,
        "owner": key.owner,
        "why": why,
        "fields": texts,
    }


def find(
    session: MutableMapping[str, Any], user: User, form: str
) -> tuple[FormKey, dict[str, str], str] | None:
    """The draft of this form, if there is one and it is this person's: its key, its fields, and why it was kept."""
    kept = session.get(_SLOT)
    if not kept or kept["form"] != form:
        return None
    key = FormKey(kept["key"], kept["form"], kept["owner"])
    return (key, kept["fields"], kept["why"]) if key.belongs_to(user) else None


def forget(session: MutableMapping[str, Any], key: FormKey) -> None:
    """The form was sent: its draft is not needed any more. Touches the session only if there is one."""
    kept = session.get(_SLOT)
    if kept and kept["key"] == key.key:
        del session[_SLOT]
