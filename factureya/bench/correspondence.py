"""Tickets that customers answer by mail, and what became of the mails (M6)."""

from typing import Any

from django.db.models import Count

from accounts.models import User
from factureya.core.models import Attachment, InboundMessage, OutboxMessage
from tickets import notifications, operations
from tickets.models import Ticket


def seed(author: User, agent: User) -> dict[str, Any]:
    """Open a ticket by mail that waits for its customer; return its mark and ids, as a reply brings them."""
    ticket = operations.open_ticket(
        author=author,
        customer=author.contact.customer,
        subject="La serie no timbra",
        body="No avanza.",
        category=Ticket.Category.OTHER,
        impact=Ticket.Impact.DIFFICULT,
        channel=Ticket.Channel.MAIL,
    )
    operations.answer(ticket.pk, agent=agent, body="¿Desde cuándo?", wait_reason=Ticket.WaitReason.DETAIL)
    answer = OutboxMessage.objects.get(kind="tickets/answered", about=ticket.chain)
    return {
        "sender": author.email,
        "tag": ticket.number,
        "references": [notifications.make_root_id(ticket.number), answer.message_id],
    }


def outcome() -> dict[str, int]:
    """Count the mails by disposition, the files they brought, and who was told of them."""
    came = InboundMessage.objects.values_list("disposition").annotate(Count("pk"))
    answers = OutboxMessage.objects.filter(**{"headers__Auto-Submitted": "auto-replied"})
    return {
        **dict(came),
        "files": Attachment.objects.filter(draft="").count(),
        "acknowledged": answers.count(),
        "told the agent": OutboxMessage.objects.filter(kind="tickets/new_message").count(),
    }
