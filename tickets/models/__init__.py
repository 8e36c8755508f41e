"""Store a ticket's facts (manual 03). Rules are in `operations`; what must hold is here and in `guards`."""

from tickets.catalogue.models import SalesMember, Scope, ScopeExplanation, Team, TicketCategory
from tickets.models.conversation import Message, Note, TicketFile, TicketFileQuerySet
from tickets.models.ticket import NUMBER_PREFIX, Ticket, TicketQuerySet, chain_of, searchable

__all__ = [
    "NUMBER_PREFIX",
    "Message",
    "Note",
    "SalesMember",
    "Scope",
    "ScopeExplanation",
    "Team",
    "Ticket",
    "TicketCategory",
    "TicketFile",
    "TicketFileQuerySet",
    "TicketQuerySet",
    "chain_of",
    "searchable",
]
