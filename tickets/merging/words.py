"""Write the texts of the history that name another ticket: merges, splits, what follows a closed one (M11, M12)."""

from collections.abc import Callable

from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core.models import Event

NOTHING = SafeString("")
Line = tuple[str, SafeString]  # icon and text


def cite_number(event: Event, name: str) -> SafeString:
    """Return as HTML the number of another ticket, which stands in the event's data under `name`."""
    return format_html('<span class="fy-mono">{}</span>', event.data.get(name) or "")


def describe_with_number(text: str, name: str) -> Callable[..., SafeString]:
    """Return a function that puts into this text the number of another ticket, which the event's data `name` holds."""
    return lambda event, _reader=None: format_html(text, cite_number(event, name))


def describe_by_actor_with_number(text: str, name: str) -> Callable[[Event], SafeString]:
    """Return a function that puts into this text who acted, and the number of another ticket from the event's data."""
    return lambda event: format_html(text, event.actor_name, cite_number(event, name))


def describe_taking_in(event: Event, _reader: User) -> SafeString:
    """Return the history's text for the customer: which ticket was merged into this one, if it is Abierto by that."""
    reopened = event.data.get("before") != event.data.get("after")
    move = SafeString("; volvió a <strong>Abierto</strong>: nos toca responder") if reopened else NOTHING
    return format_html("Se combinó con este el ticket {}{}", cite_number(event, "ticket"), move)


def list_taking_in(event: Event) -> list[Line]:
    """Return the look-up page's lines that another ticket was merged into this one, and if it is Abierto by that."""
    reopened = event.data.get("before") != event.data.get("after")
    move = [("swap", SafeString("Pasó a <strong>Abierto</strong>"))] if reopened else []
    return [("ticket", SafeString("Se combinó con este otro de sus tickets")), *move]
