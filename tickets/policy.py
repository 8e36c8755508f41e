"""Say who may do what to a ticket, asked on objects already in hand; `Ticket.objects.visible_to` is the same in SQL."""

from collections.abc import Collection
from typing import Any

from accounts.models import Customer, Office, Provider, User
from factureya.core.clock import now
from factureya.core.refusals import NotAllowed
from tickets.models import MailGrant, Ticket


def list_rights(user: User) -> tuple[Any, ...]:
    """Return all that `Ticket.objects.visible_to` reads of a person: who has the same sees the same by the same SQL."""
    contact = user.membership if not user.is_staff else None
    membership = (contact.customer_id, contact.own_tickets_only) if contact else ()
    return (user.pk, user.is_active, user.is_staff, user.reads_all, tuple(user.desk_provider_ids), membership)


def may_open(user: User, customer: Customer) -> bool:
    """Return whether a ticket of the company can be opened for this person: he must be its active contact (M10)."""
    membership = user.membership
    return user.is_active and not user.is_staff and membership is not None and membership.customer_id == customer.pk


def may_take_calls(user: User) -> bool:
    """Return whether the person works at our own desk, which takes calls and may look up any company (M3)."""
    return user.is_staff and user.holds(Office.AGENT, Office.SUPERVISOR)


def may_read_mails(user: User) -> bool:
    """Return whether the person reads every mail that came in: our own desk, and who reads everything (M5, M26)."""
    return may_take_calls(user) or user.reads_all


def may_answer_authority(user: User) -> bool:
    """Return whether the person answers what an authority asks for: a supervisor of ours, who is mesa de control."""
    return user.is_staff and user.holds(Office.SUPERVISOR)


def may_read_authority(user: User) -> bool:
    """Return whether the person reads what authorities ask for: who answers them, and who reads everything (M26)."""
    return may_answer_authority(user) or user.reads_all


def find_readable_providers(user: User) -> list[int]:
    """Return the keys of the providers whose tickets this person reads: those of his desks, or all (M3, M26)."""
    return list(Provider.objects.values_list("pk", flat=True)) if user.reads_all else user.desk_provider_ids


def may_write_as_customer(user: User, ticket: Ticket) -> bool:
    """Return whether the person is an active contact of the ticket's company who may see the ticket (M16)."""
    membership = user.membership
    if not user.is_active or user.is_staff or membership is None or membership.customer_id != ticket.customer_id:
        return False
    return ticket.requester_id == user.pk or not membership.own_tickets_only


def may_work(user: User, ticket: Ticket) -> bool:
    """Return whether the person holds a desk office at the ticket's provider now, or is a supervisor (M3)."""
    is_supervisor = user.is_staff and user.holds(Office.SUPERVISOR)  # of our own desk: he works on everybody's
    return is_supervisor or ticket.provider_id in user.desk_provider_ids


def may_hand_over(user: User, ticket: Ticket) -> bool:
    """Return whether the person is a supervisor who sees the ticket and may give it to another provider (M3)."""
    return user.holds(Office.SUPERVISOR) and may_work(user, ticket)


def is_third_party(user: Any) -> bool:
    """Return whether the person works only at the desk of a third party, for which more is hidden (M3)."""
    if not (isinstance(user, User) and user.is_active and user.is_staff) or user.reads_all:
        return False
    return not may_take_calls(user) and bool(user.desk_provider_ids)


def may_see_providers(user: User) -> bool:
    """Return whether the person sees the page of the providers: a supervisor, or who reads all (M3)."""
    return user.reads_all or (user.is_staff and user.holds(Office.SUPERVISOR))


def may_read_mail(user: User, ticket: Ticket) -> bool:
    """Return whether the person may read the customer's mail addresses in this ticket (M3).

    A third party's agents may not, unless a supervisor lets their provider do so in this ticket, for a time.
    """
    return not find_mail_hidden(user, ticket, [ticket.pk])


def find_mail_hidden(user: User, ticket: Ticket, pks: Collection[int]) -> set[int]:
    """Return those of the tickets read on a ticket's page in which this person may not read mail addresses (M3, M11).

    `pks` are the ticket's key, and the keys of those merged into it. Where its own are hidden, all are.
    """
    if not is_third_party(user):
        return set()
    grants = MailGrant.objects.filter(provider=ticket.provider_id, ended_at=None, ends_at__gt=now())
    shown = set(grants.filter(ticket__in={ticket.pk, *pks}).values_list("ticket", flat=True))
    return set(pks) - shown if ticket.pk in shown else set(pks)


def may_edit_catalogue(user: User) -> bool:
    """Return whether the person edits categories, explanations and the sales team: a supervisor (M4, M9)."""
    return user.is_staff and user.holds(Office.SUPERVISOR)


def may_see_catalogue(user: User) -> bool:
    """Return whether the person sees the page of the catalogue: a supervisor, and who reads everything (M26)."""
    return may_edit_catalogue(user) or user.reads_all


def require(allowed: bool, message: str) -> None:
    """Raise NotAllowed with this message if `allowed`, which a `may_…` function returned, is False."""
    if not allowed:
        raise NotAllowed(message)
