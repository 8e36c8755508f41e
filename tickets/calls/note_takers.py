"""Find who wrote down what callers said, for the history of a ticket (M5)."""

from collections.abc import Iterable
from typing import Any

from factureya.core.models import Event
from tickets.models import Ticket, chain_of


def find_note_takers(messages: Iterable[Any], events: Iterable[Event]) -> dict[int, str]:
    """Return who wrote down each message that was said by phone: the message's key → the agent's name (M5).

    `events` are of the shown ticket; of the other tickets in which messages were written (`origin`, a number), the
    events are read here, if one of those was said by phone (M11).
    """
    keys = {(chain_of(each.origin), each.seq): each.pk for each in messages if each.channel == Ticket.Channel.PHONE}
    known = list(events) if keys else []
    if others := {chain for chain, _seq in keys} - {event.chain for event in known}:
        known += Event.objects.filter(chain__in=others, data__channel=Ticket.Channel.PHONE)
    taken = (event for event in known if event.data.get("channel") == Ticket.Channel.PHONE)
    names = {(event.chain, event.data.get("message")): event.actor_name for event in taken}
    return {pk: names[key] for key, pk in keys.items() if key in names}
