"""Store a ticket's facts (manual 03). Rules are in `operations`; what must hold is here and in `guards`."""

from tickets.models.conversation import Message, Note, TicketFile, TicketFileQuerySet, match_folio
from tickets.models.ticket import NUMBER_PREFIX, Ticket, TicketQuerySet, chain_of, searchable

__all__ = [
    "NUMBER_PREFIX",
    "Message",
    "Note",
    "Ticket",
    "TicketFile",
    "TicketFileQuerySet",
    "TicketQuerySet",
    "chain_of",
    "match_folio",
    "searchable",
]
