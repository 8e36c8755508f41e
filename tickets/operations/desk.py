"""Do what the desk does without a word to the customer: who has a ticket, what it is about (M3). No deadline moves."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from accounts.models import Customer, Provider, User
from factureya.core import audit, locking
from factureya.core.refusals import WrongStatus
from tickets import policy
from tickets.catalogue import reading
from tickets.merging import family
from tickets.models import Ticket
from tickets.operations._common import CLOSED, OPEN, WAITING, locked
from tickets.providers.operations import end_grants


def take(pk: int, *, agent: User) -> Ticket:
    """Assign an unassigned ticket to the agent; no deadline moves (M15). Raises WrongStatus if somebody else has it."""
    with locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if ticket.assignee is None:
            _require_team(ticket, agent)
            _assign(ticket, agent, "ticket.taken", agent)
        elif ticket.assignee_id != agent.pk:
            raise WrongStatus(f"Ya lo atiende {ticket.assignee.get_full_name()}.")
    return ticket


def assign(pk: int, *, agent: User, assignee: User | None) -> Ticket:
    """Assign the ticket to an agent of its provider, or with None to nobody; no deadline moves (M15)."""
    with locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if assignee is not None and not policy.may_work(assignee, ticket):
            raise WrongStatus(f"{assignee.get_full_name()} no atiende tickets de este prestador.")
        if ticket.assignee_id != (assignee.pk if assignee else None):
            if assignee is not None:
                _require_team(ticket, assignee)
            _assign(ticket, assignee, "ticket.assigned", agent)
    return ticket


def classify(pk: int, *, agent: User, category: str, impact: int) -> Ticket:
    """Correct the ticket's category and impact; no deadline moves (M15).

    A category of another team takes the ticket there; an assignee who is not of that team loses it (M4).
    Raises WrongStatus for a category that is not in use, NotAllowed for another desk's agent.
    """
    with locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if (ticket.category, ticket.impact) != (category, impact):
            if category != ticket.category and not reading.is_in_use(category):
                raise WrongStatus("Esa categoría ya no se usa; elija otra.")
            before = [ticket.category, ticket.impact]
            ticket.category, ticket.impact, ticket.team = category, impact, reading.find_team(category)
            is_left = ticket.assignee is not None and not reading.may_take(ticket.assignee, ticket.team)
            ticket.assignee = None if is_left else ticket.assignee
            ticket.save(update_fields=["category", "impact", "team", "assignee"])
            after = [category, impact]
            audit.record("ticket.classified", ticket, actor=agent, before=before, after=after, is_unassigned=is_left)
    return ticket


def hand_over(pk: int, *, supervisor: User, provider: Provider) -> Ticket:
    """Give the ticket to another provider, or take it back, unassigned (M3); only that desk sees it, and supervisors.

    What its former provider was let read of the customer's mail ends with it. The tickets merged into it go along,
    because they are read with it (M11); each records its event. A ticket that is Cerrado can be taken back too.
    """
    with _locked_family(pk), locked(pk, OPEN, WAITING, CLOSED) as ticket:
        policy.require(policy.may_hand_over(supervisor, ticket), "Solo un supervisor cambia el prestador.")
        if ticket.provider_id != provider.pk:
            merged = Ticket.objects.select_for_update().filter(pk__in=family.list_merged_pks(pk)).order_by("pk")
            for each in [*merged, ticket]:
                _change_provider(each, provider, supervisor)
    return ticket


def move_to_customer(source: Customer, target: Customer, *, actor: User) -> int:
    """Move the tickets of `source`, a second sign-up of the verified company `target`, to `target`; return how many.

    Each ticket records its event; status and deadlines stay. `accounts.operations.join_company` calls it in its
    transaction.
    """
    moved = 0
    for ticket in Ticket.objects.select_for_update().filter(customer=source).order_by("pk"):
        ticket.customer = target
        ticket.save(update_fields=["customer"])
        audit.record("ticket.moved_to_company", ticket, actor=actor, before=source.pk, after=target.pk)
        moved += 1
    return moved


@contextmanager
def _locked_family(pk: int) -> Iterator[None]:
    """Open a transaction and lock the ticket and those merged into it, in the order of their keys as merges do (M11).

    So it and an undone merge never wait for each other. Whoever goes on reads again what is merged by then.
    """
    with transaction.atomic():
        for each in sorted({pk, *family.list_merged_pks(pk)}):
            locking.lock(Ticket.objects.only("pk"), each)
        yield


def _require_team(ticket: Ticket, person: User) -> None:
    """Raise WrongStatus when the ticket is of sales and the person is not of that team (M4)."""
    if not reading.may_take(person, ticket.team):
        raise WrongStatus(f"{person.get_full_name()} no es del equipo de Ventas.")


def _change_provider(ticket: Ticket, provider: Provider, supervisor: User) -> None:
    """Set the ticket's provider, take away its assignee and what the former one read of the mail; record the event."""
    before = ticket.provider_id
    end_grants(ticket, supervisor)
    ticket.provider, ticket.assignee = provider, None
    ticket.save(update_fields=["provider", "assignee"])
    audit.record("ticket.handed_over", ticket, actor=supervisor, before=before, after=provider.pk, to=provider.name)


def _assign(ticket: Ticket, assignee: User | None, verb: str, actor: User) -> None:
    """Set or, with None, take away the ticket's assignee, and record the event `verb`."""
    before = ticket.assignee_id
    ticket.assignee = assignee
    ticket.save(update_fields=["assignee"])
    name = assignee.get_full_name() if assignee else ""
    audit.record(verb, ticket, actor=actor, before=before, after=ticket.assignee_id, assignee_name=name)
