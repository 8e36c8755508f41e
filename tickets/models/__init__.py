"""Store a ticket's facts (manual 03). Rules are in `operations`; what must hold is here and in `guards`."""

from tickets.models.authority import AuthorityRequest
from tickets.models.conversation import Message, Note, TicketFile, TicketFileQuerySet
from tickets.models.ticket import NUMBER_PREFIX, Ticket, TicketQuerySet, chain_of, searchable

__all__ = [
    "NUMBER_PREFIX",
    "AuthorityRequest",
    "Message",
    "Note",
    "Ticket",
    "TicketFile",
    "TicketFileQuerySet",
    "TicketQuerySet",
    "chain_of",
    "searchable",
]
