"""Do what an agent decides about a mail of the tray: add it to a ticket, open one from it, or discard it (M5, M6).

A mail of the tray proves nothing. It becomes the customer's words only when an agent names the contact who sent it,
having made sure; else it is an internal note. Each decision is taken once and is an event of the mail.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Attachment, InboundMessage
from factureya.core.refusals import WrongStatus
from tickets import policy
from tickets.models import Ticket
from tickets.operations._common import Channel, Incomplete
from tickets.operations.by_mail import void_silence_close
from tickets.operations.conversation import add_information, add_note
from tickets.operations.opening import open_ticket

Resolution = InboundMessage.Resolution


def link_mail(
    pk: int, *, agent: User, inbound_pk: int, body: str, contact: User | None = None, files: Sequence[Attachment] = ()
) -> Ticket:
    """Add a mail of the tray to the ticket `pk`, as the message of `contact` or as an internal note (M5, M16).

    A message to a ticket that silence closed after the mail had come voids that close (M15). A note may go to any
    closed ticket. Raises WrongStatus for a message to another closed ticket, and for a mail that is not in the tray.
    """
    with _locked_tray_mail(inbound_pk, agent) as inbound:
        ticket = Ticket.objects.all().lock_survivor(pk)  # locked, so that it stays as it is read here
        pk = ticket.pk
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if contact is None:
            ticket = add_note(pk, agent=agent, body=body, files=files)
        else:
            if ticket.is_closed:
                void_silence_close(pk, inbound=inbound, agent=agent)
            ticket = add_information(
                pk, author=contact, body=body, files=files, channel=Channel.MAIL, inbound=inbound, agent=agent
            )
        _resolve_mail(inbound, agent, Resolution.LINKED, ticket, contact=contact.pk if contact else None)
    return ticket


def open_from_mail(
    inbound_pk: int,
    *,
    agent: User,
    contact: User,
    subject: str,
    body: str,
    category: str,
    impact: int,
    files: Sequence[Attachment] = (),
) -> Ticket:
    """Open a ticket of `contact` from a mail of the tray (M5, M10). Raises WrongStatus if that mail left the tray."""
    with _locked_tray_mail(inbound_pk, agent) as inbound:
        membership = contact.membership
        policy.require(membership is not None, "Elija a un contacto activo de una empresa.")
        assert membership is not None
        ticket = open_ticket(
            author=contact,
            customer=membership.customer,
            subject=subject,
            body=body,
            category=category,
            impact=impact,
            files=files,
            channel=Channel.MAIL,
            agent=agent,
            inbound=inbound,
        )
        _resolve_mail(inbound, agent, Resolution.OPENED, ticket, contact=contact.pk)
    return ticket


def discard_mail(inbound_pk: int, *, agent: User, reason: str) -> InboundMessage:
    """Record why an agent discards a mail of the tray, which stays stored (M6). Raises Incomplete without a reason."""
    with _locked_tray_mail(inbound_pk, agent) as inbound:
        if not reason.strip():
            raise Incomplete("Escriba por qué se descarta.")
        _resolve_mail(inbound, agent, Resolution.DISCARDED, None, reason=" ".join(reason.split()))
    return inbound


@contextmanager
def _locked_tray_mail(inbound_pk: int, agent: User) -> Iterator[InboundMessage]:
    """Open a transaction and yield a mail of the tray, locked before any ticket, for the agent to decide about it.

    Raises WrongStatus when somebody else has decided already, NotAllowed unless the agent works at our own desk.
    """
    policy.require(policy.may_take_calls(agent), "Solo un agente de Factureya revisa la bandeja.")
    with transaction.atomic():
        inbound = InboundMessage.objects.select_for_update().get(pk=inbound_pk)
        if not inbound.is_in_tray:
            raise WrongStatus("Otra persona ya atendió ese correo.")
        yield inbound


def _resolve_mail(inbound: InboundMessage, agent: User, resolution: str, ticket: Ticket | None, **data: object) -> None:
    """Store on a mail of the tray what the agent decided, and record the event; no `ticket` means it was discarded."""
    inbound.resolution, inbound.resolved_at = resolution, now()
    inbound.about = ticket.chain if ticket else inbound.about
    inbound.save(update_fields=["resolution", "resolved_at", "about"])
    number = ticket.number if ticket else None
    audit.record(f"mail.{resolution}", inbound, actor=agent, ticket=number, **data)
