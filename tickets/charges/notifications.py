"""Send the mails about charges (M18): who decides gets the proposal with a link, both sides get the decision."""

from typing import Any

from django.conf import settings

from accounts.models import User
from factureya.core.mail import outbox, own_links
from factureya.core.models import Event
from tickets import notifications
from tickets import policy as ticket_policy
from tickets.charges import money, policy
from tickets.charges.models import ChargeProposal
from tickets.models import Ticket
from tickets.providers.hiding import hide_mails

PROPOSED, ENDED = "tickets/charge_proposed", "tickets/charge_ended"


def send_proposal(ticket: Ticket, event: Event, charge: ChargeProposal) -> None:
    """Mail the proposal to who may decide it, and to who opened the ticket; each has a link of his own."""
    _tell_customer(PROPOSED, ticket, event, charge, automatic=False)


def announce_end(ticket: Ticket, event: Event, charge: ChargeProposal) -> None:
    """Mail the customer's people how the charge ended: accepted, declined, withdrawn, or lapsed."""
    _tell_customer(ENDED, ticket, event, charge, automatic=True)


def notify_desk(ticket: Ticket, event: Event, charge: ChargeProposal) -> None:
    """Mail the customer's decision to the supervisor who proposed it and to the ticket's assignee.

    A third party's agent reads it without the customer's mail addresses (M3).
    """
    texts = {"subject": ticket.subject, "company": ticket.customer.legal_name, "note": charge.note}
    texts["decided_by"] = charge.ended_by.get_full_name() if charge.ended_by else ""
    context = {**_build_context(ticket, charge), "url": notifications.workspace_url(ticket)}
    people = {person.pk: person for person in (charge.proposed_by, ticket.assignee) if person is not None}
    for person in people.values():
        if not ticket_policy.may_work(person, ticket):
            continue
        shown = texts
        if not ticket_policy.may_read_mail(person, ticket):
            shown = {name: hide_mails(text) for name, text in texts.items()}
        key, kind = f"{event.hash}:desk:{person.pk}", notifications.CHARGE_ANSWER
        outbox.enqueue(kind, key=key, to=person.email, about=ticket.chain, context={**context, **shown})


def make_charge_url(ticket: Ticket, charge: ChargeProposal, person: User) -> str:
    """Return the person's signed link to a charge: it shows the charge, and decides nothing without a login."""
    url = own_links.make_url(own_links.TICKET, notifications.make_link_token(person, ticket))
    return f"{url}cobro/{charge.seq}/"


def _tell_customer(kind: str, ticket: Ticket, event: Event, charge: ChargeProposal, *, automatic: bool) -> None:
    """Queue the mail `kind` to each representative, and to who opened the ticket or one merged into it.

    Who may not see the ticket gets none.
    """
    deciders = policy.find_deciders(ticket.customer)
    requesters = (ticket.requester, *notifications.find_merged_requesters(ticket))
    people = {person.pk: person for person in (*deciders, *requesters)}
    decider_pks = {person.pk for person in deciders}
    for person in people.values():
        if not ticket_policy.may_write_as_customer(person, ticket):
            continue
        context = {
            **_build_context(ticket, charge),
            "name": person.get_full_name(),
            "decides": person.pk in decider_pks,
            "url": make_charge_url(ticket, charge, person),
            "link_days": settings.LINK_DAYS,
        }
        outbox.enqueue(
            kind,
            key=f"{event.hash}:customer:{person.pk}",
            to=person.email,
            about=ticket.chain,
            context=context,
            automatic=automatic,
            headers=notifications.build_headers(ticket, None),
        )


def _build_context(ticket: Ticket, charge: ChargeProposal) -> dict[str, Any]:
    """Return what every mail about a charge shows."""
    return {
        "ticket": ticket,
        "charge": charge,
        "lines": list(charge.lines.order_by("seq")),
        "total": money.format_cents(charge.total_cents),
        "subtotal": money.format_cents(charge.subtotal_cents),
        "tax": money.format_cents(charge.tax_cents),
        "tax_rate": money.format_rate(charge.tax_rate),
        "rate": money.format_cents(charge.rate_cents),
        "decided_by": charge.ended_by.get_full_name() if charge.ended_by else "",
    }
