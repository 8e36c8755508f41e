"""Store a ticket's facts (manual 03). Rules are in `operations`; what must hold is here and in `guards`."""

from tickets.catalogue.models import SalesMember, Scope, ScopeExplanation, Team, TicketCategory
from tickets.charges.models import ChargeLine, ChargeProposal, TimeEntry
from tickets.models.authority import AuthorityRequest
from tickets.models.calls import CALL_PERIOD, CODE_PERIOD, CODE_TRIES, VERIFIED_PERIOD, Call
from tickets.models.conversation import Message, Note, TicketFile, TicketFileQuerySet, match_folio
from tickets.models.grants import MailGrant
from tickets.models.ticket import NUMBER_PREFIX, Ticket, TicketQuerySet, chain_of, searchable

__all__ = [
    "CALL_PERIOD",
    "CODE_PERIOD",
    "CODE_TRIES",
    "NUMBER_PREFIX",
    "VERIFIED_PERIOD",
    "AuthorityRequest",
    "Call",
    "ChargeLine",
    "ChargeProposal",
    "MailGrant",
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
    "TimeEntry",
    "chain_of",
    "match_folio",
    "searchable",
]
