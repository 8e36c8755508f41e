"""Read the providers with their agents, their tickets and what their agents looked at, for supervisors (M3)."""

from collections import defaultdict
from dataclasses import dataclass

from accounts.models import DESK_OFFICES, Provider, RoleAssignment, User
from factureya.core import clock
from factureya.core.models import Event
from tickets import sql
from tickets.desk.pages import workspace_url
from tickets.desk.queue import COUNT_CAP, NOWHERE, Place
from tickets.desk.wording import Goal, describe_goal
from tickets.models import MailGrant, Ticket

MAX_PROVIDERS, MAX_TICKETS, MAX_VIEWS = 100, 50, 50
VIEWED = "ticket.viewed_by_third_party"


@dataclass(frozen=True)
class ProviderRow:
    """Hold one provider of the list: its agents today, and how many tickets that are not closed it has."""

    provider: Provider
    agents: list[str]
    open_tickets: str
    unassigned: str


@dataclass(frozen=True)
class TicketRow:
    """Hold one ticket of a provider; `is_mail_shown`: its third party sees the customer's mail in it."""

    ticket: Ticket
    url: str
    goal: Goal
    is_mail_shown: bool


@dataclass(frozen=True)
class View:
    """Hold one look of a third party's agent: who, when, at which ticket, and the file if it was one."""

    event: Event
    number: str
    file: str


def list_providers() -> list[ProviderRow]:
    """Return every provider, our own first; three queries, however many there are."""
    agents, providers = _read_agents(), list(Provider.objects.order_by("-is_own", "name")[:MAX_PROVIDERS])
    active = Ticket.objects.unmerged().exclude(status=Ticket.Status.CLOSED)
    questions = {}
    for each in providers:
        tickets = active.filter(provider=each)
        questions[f"open{each.pk}"] = sql.capped_count(tickets, COUNT_CAP)
        questions[f"free{each.pk}"] = sql.capped_count(tickets.filter(assignee=None), COUNT_CAP)
    counts = {name: sql.show_count(count, COUNT_CAP) for name, count in sql.ask_all(questions).items()}
    return [
        ProviderRow(each, agents[each.pk], counts[f"open{each.pk}"], counts[f"free{each.pk}"]) for each in providers
    ]


def list_tickets(provider: Provider, reader: User) -> list[TicketRow]:
    """Return the provider's tickets that are not closed, the most urgent first; at most MAX_TICKETS."""
    visible = Ticket.objects.visible_to(reader).unmerged().filter(provider=provider)
    visible = visible.exclude(status=Ticket.Status.CLOSED)
    tickets = list(visible.select_related("customer", "assignee").order_by("queue_at", "pk")[:MAX_TICKETS])
    instant = clock.now()
    grants = MailGrant.objects.filter(ticket__in=tickets, provider=provider, ended_at=None, ends_at__gt=instant)
    shown = set(grants.values_list("ticket", flat=True))
    return [
        TicketRow(ticket, workspace_url(ticket.pk, Place(NOWHERE)), describe_goal(ticket, instant), ticket.pk in shown)
        for ticket in tickets
    ]


def list_views(provider: Provider) -> list[View]:
    """Return the last looks of the provider's agents at tickets and files, the newest first; at most MAX_VIEWS."""
    events = Event.objects.filter(verb=VIEWED, data__provider=provider.pk).order_by("-at", "-pk")[:MAX_VIEWS]
    return [View(event, event.chain.partition(":")[2], event.data.get("file", "")) for event in events]


def list_agents(provider: Provider) -> list[str]:
    """Return the names of the people who hold an office at the provider's desk now."""
    return _read_agents()[provider.pk]


def _read_agents() -> dict[int, list[str]]:
    """Return the names of the active people of each provider's desk, by its key."""
    held = RoleAssignment.objects.in_force().filter(office__in=DESK_OFFICES, user__is_active=True)
    agents: dict[int, list[str]] = defaultdict(list)
    for assignment in held.select_related("user").order_by("user__full_name"):
        if assignment.provider_id is not None:
            agents[assignment.provider_id].append(assignment.user.get_full_name())
    return agents
