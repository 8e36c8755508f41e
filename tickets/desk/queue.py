"""Read the agent's queue: its views, search, filters and keyset pages (M3, M13–M15).

Every view has a partial index of its own (tickets/models/ticket.py); nothing counts all tickets and nothing skips rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Func, Q, QuerySet, Value
from django.db.models.functions import Lower, Replace
from django.utils import timezone

from accounts.models import DESK_OFFICES, Customer, RoleAssignment, User
from factureya.core import clock, keyset, numbers
from factureya.core.keyset import PAGE_ROWS, Cursor
from tickets import policy, sql
from tickets.catalogue.models import Team
from tickets.catalogue.reading import find_team
from tickets.desk import invoices
from tickets.models import NUMBER_PREFIX, Ticket, TicketQuerySet, match_folio, searchable

COUNT_CAP = 100  # shown as «99+»
MAX_CUSTOMERS = 50  # companies a search looks into
MAX_QUERY = 100  # characters of a search
NOBODY = "nadie"
SOONEST_FIRST = keyset.Order("queue_at")
NEWEST_FIRST = replace(SOONEST_FIRST, is_descending=True)
OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED

Condition = Callable[[TicketQuerySet, User], TicketQuerySet]


@dataclass(frozen=True)
class View:
    """Hold one of the queue's views: `slug` in the address, its condition, and how it is shown."""

    slug: str
    label: str
    group: str
    empty: str
    condition: Condition
    is_urgent: bool = False
    newest_first: bool = False
    is_counted: bool = True

    @property
    def team(self) -> str:
        """Return the team whose tickets alone stand in the view (M4); "" for a person's own view and a search."""
        return {TEAM: Team.SUPPORT, SALES: Team.SALES}.get(self.group, "") if self.slug else ""

    def select(self, user: User) -> TicketQuerySet:
        """Select the view's tickets that this person sees: of its team, if it has one, and not merged (M4, M11)."""
        tickets = Ticket.objects.visible_to(user).unmerged()
        return self.condition(tickets.filter(team=self.team) if self.team else tickets, user)

    @property
    def order(self) -> keyset.Order:
        return NEWEST_FIRST if self.newest_first else SOONEST_FIRST


def _closes_today(tickets: TicketQuerySet, _user: User) -> TicketQuerySet:
    """Select tickets En espera that close before the local day ends, late ones included.

    The column `queue_at`, which has the index, holds the `closes_at` of such a ticket.
    """
    return tickets.filter(status=WAITING, queue_at__lt=_find_end_of_day())


def _find_end_of_day() -> datetime:
    """Return the instant at which the local day ends."""
    day_start = timezone.localtime(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    return day_start + timedelta(days=1)


MINE, TEAM, SALES = "Mi trabajo", "Equipo", "Ventas"
VIEWS = {
    view.slug: view
    for view in (
        View(
            "respondio",
            "Respondió el cliente",
            MINE,
            "Nadie espera su respuesta.",
            lambda tickets, user: tickets.filter(assignee=user, status=OPEN, customer_replied=True),
            is_urgent=True,
        ),
        View(
            "mios",
            "Mis tickets",
            MINE,
            "No tiene tickets asignados.",
            lambda tickets, user: tickets.filter(~Q(status=CLOSED), assignee=user),
        ),
        View(
            "por-asignar",
            "Por asignar",
            TEAM,
            "Nada por asignar.",
            lambda tickets, _user: tickets.filter(~Q(status=CLOSED), assignee__isnull=True),
            is_urgent=True,
        ),
        View(
            "abiertos", "Abiertos", TEAM, "Ningún ticket abierto.", lambda tickets, _user: tickets.filter(status=OPEN)
        ),
        View(
            "en-espera",
            "En espera",
            TEAM,
            "Ningún ticket en espera.",
            lambda tickets, _user: tickets.filter(status=WAITING),
        ),
        View("hoy", "Se cierran hoy", TEAM, "Ningún ticket se cierra hoy.", _closes_today),
        View(
            "cerrados",
            "Cerrados",
            TEAM,
            "Ningún ticket cerrado.",
            lambda tickets, _user: tickets.filter(status=CLOSED),
            newest_first=True,
            is_counted=False,
        ),
        View(
            "ventas-por-asignar",
            "Ventas por asignar",
            SALES,
            "Nada de Ventas por asignar.",
            lambda tickets, _user: tickets.filter(~Q(status=CLOSED), assignee__isnull=True),
            is_urgent=True,
        ),
        View(
            "ventas",
            "Ventas vigentes",
            SALES,
            "Ningún ticket de Ventas vigente.",
            lambda tickets, _user: tickets.filter(~Q(status=CLOSED)),
        ),
        View(
            "ventas-cerrados",
            "Ventas cerrados",
            SALES,
            "Ningún ticket de Ventas cerrado.",
            lambda tickets, _user: tickets.filter(status=CLOSED),
            newest_first=True,
            is_counted=False,
        ),
    )
}
FIRST_VIEW = VIEWS["abiertos"]
# A ticket opened from no list: a link in a mail, another ticket's page.
NOWHERE = View("", "Tickets", TEAM, "", lambda tickets, _user: tickets.none())
SEARCH = View("", "Resultados", TEAM, "Nada encontrado.", lambda tickets, _user: tickets, newest_first=True)


def list_views(user: User) -> list[View]:
    """Return the views that the person is offered; who only reads has no work of his own (M26)."""
    return [view for view in VIEWS.values() if view.group != MINE or user.desk_provider_ids]


@dataclass(frozen=True)
class Place:
    """Hold where in the queue an agent is: what the address says, allow-listed. What is not known is as if absent."""

    view: View = FIRST_VIEW
    search: str = ""
    category: str = ""
    agent: str = ""  # "", NOBODY, or the key of a user
    cursor: Cursor | None = None
    row: Cursor | None = None  # the point of the list where the opened ticket stood

    @classmethod
    def parse(cls, params: Mapping[str, str], default: View = FIRST_VIEW) -> "Place":
        """Return the list of the agents' queue that an address names: view, search, filters, page.

        `lugar` is the point of the list where the opened ticket stood. Unknown values are as if absent. `default` is
        the view when the address names none.
        """
        search = " ".join(params.get("q", "").replace("\0", "").split())[:MAX_QUERY]
        category, agent = params.get("categoria", ""), params.get("agente", "")
        return cls(
            view=SEARCH if search else VIEWS.get(params.get("vista", ""), default),
            search=search,
            category=category if category and find_team(category[:20]) else "",  # a category that ended is good too
            agent=agent if agent == NOBODY or may_be_key(agent) else "",
            cursor=SOONEST_FIRST.read_from(params),
            row=SOONEST_FIRST.read(params.get("lugar", "")),
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return this list and the opened ticket's place in it as names and values, for hidden fields or an address.

        A name without a value is left out.
        """
        pairs = [("vista", self.view.slug), ("q", self.search), ("categoria", self.category), ("agente", self.agent)]
        if self.cursor:  # the first page has none
            pairs.append(self.cursor.pair)
        pairs.append(("lugar", str(self.row or "")))
        return [(name, value) for name, value in pairs if value]

    @cached_property
    def query(self) -> str:
        return urlencode(self.pairs)

    @property
    def start(self) -> "Place":
        """Return the same list from its first page."""
        return replace(self, cursor=None, row=None)

    @property
    def page(self) -> "Place":
        """Return the page of the list, without the ticket that was opened from it."""
        return replace(self, row=None)

    @property
    def is_list(self) -> bool:
        """Return whether the place is a view or a search at all."""
        return bool(self.view.slug or self.search)

    def at_row_of(self, ticket: Ticket) -> "Place":
        """Return this list of the queue with the point where the ticket stands in it, to find the tickets beside it.

        If the address has such a point already, it is kept, because an answer moves the ticket in the list (M13).
        """
        return replace(self, row=self.row or SOONEST_FIRST.cursor_at(ticket)) if self.is_list else self

    @property
    def is_filtered(self) -> bool:
        """Return whether the list is narrowed further than its view."""
        return bool(self.search or self.category or self.agent)


def read_page(place: Place, user: User) -> keyset.Page[Ticket]:
    """Return the page of tickets that this agent sees in the list `place`; one query, and one more for a search."""
    lists = [_with_row_columns(tickets) for tickets in _select_lists(place, user)]
    return keyset.page(place.view.order, place.cursor, *lists, size=PAGE_ROWS)


def count_questions(user: User) -> dict[str, sql.Question]:
    """Return for each view with `is_counted` the subselect that counts its tickets to COUNT_CAP, for `sql.ask_all`."""
    key = ("queue", COUNT_CAP, _find_end_of_day(), policy.list_rights(user))
    return sql.remember(key, lambda: _make_count_questions(user))


def _make_count_questions(user: User) -> dict[str, sql.Question]:
    counted_views = [view for view in list_views(user) if view.is_counted]
    return {view.slug: sql.capped_count(view.select(user), COUNT_CAP) for view in counted_views}


def neighbour_questions(place: Place, user: User, ticket: Ticket) -> dict[str, sql.Question]:
    """Return the subselects for the `previous` and the `following` ticket of the agent's list, for `sql.ask_all`.

    The list is read from where the ticket stood when the agent opened it, because an answer moves it (M13).
    Both are NULL if he did not come from a list. For a search, one query more finds the companies.
    """
    if not place.is_list:
        return {"previous": sql.Question("NULL"), "following": sql.Question("NULL")}
    tickets = (_search_tickets(place, user) if place.search else _select_view(place, user)).exclude(pk=ticket.pk)
    order, point = place.view.order, place.row or SOONEST_FIRST.cursor_at(ticket)  # where it stood, or else stands
    previous = order.select_beyond(tickets, replace(point, is_back=True))
    following = order.select_beyond(tickets, replace(point, is_back=False))
    return {"previous": sql.first_pk(previous), "following": sql.first_pk(following)}


def find_colleagues(provider_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Return key and name of the active staff who hold an office of these providers' desks now, by name (M3)."""
    return list(select_colleagues(provider_ids, clock.now()))


def select_colleagues(provider_ids: Sequence[int], at: datetime) -> QuerySet[RoleAssignment, tuple[int, str]]:
    """Select key and name of the active staff who hold an office of these providers' desks at an instant, by name."""
    held = RoleAssignment.objects.in_force(at).filter(provider_id__in=provider_ids, office__in=DESK_OFFICES)
    active = held.filter(user__is_active=True, user__is_staff=True)
    return active.order_by("user__full_name", "user").values_list("user", "user__full_name").distinct()


def find_customers(text: str, limit: int, *, by_mail: bool = True) -> list[Customer]:
    """Find companies by the beginning of the RFC, the registered address, or words of the name; no more than `limit`.

    A name must contain every word of the text; accents do not count.
    """
    compact = text.replace(" ", "").replace("-", "")
    may_be_rfc = compact.isalnum() or "&" in compact  # an RFC has letters, digits, and sometimes «&»
    condition = Q(rfc__startswith=compact.upper()) if may_be_rfc else Q()
    if by_mail:  # a third party's agent must not learn from a search whose address it is (M3)
        condition |= Q(registered_email=text.lower())
    if words := sql.split_words(text):
        has_words = Q()
        for word in words:
            has_words &= Q(plain_name__contains=word)
        condition |= has_words
    if not condition:  # a text of signs alone; no condition would find every company
        return []
    return list(Customer.objects.alias(plain_name=plain_column("legal_name")).filter(condition).order_by("pk")[:limit])


def may_be_key(text: str) -> bool:
    """Return whether a text from an address or a form can be read as a primary key: digits, and not too many."""
    return text.isascii() and text.isdigit() and len(text) < 18


def _select_lists(place: Place, user: User) -> list[TicketQuerySet]:
    """Return the lists of tickets that the page of this `place` puts together; for a search only one.

    A view has one list per provider of the agent, because its index is ordered within one provider.
    """
    if place.search:
        return [_search_tickets(place, user)]
    tickets = _select_view(place, user)
    providers = sorted(set(policy.find_readable_providers(user)))
    return [tickets.filter(provider=provider) for provider in providers]


def _select_view(place: Place, user: User) -> TicketQuerySet:
    """Select the tickets of the place's view, narrowed by its filters."""
    return _apply_filters(place, place.view.select(user))


def _apply_filters(place: Place, tickets: TicketQuerySet) -> TicketQuerySet:
    """Select those of `tickets` that pass the list's filters by category and agent; NOBODY means without an agent."""
    if place.category:
        tickets = tickets.filter(category=place.category)
    if place.agent == NOBODY:
        return tickets.filter(assignee__isnull=True)
    return tickets.filter(assignee=int(place.agent)) if place.agent else tickets


def _search_tickets(place: Place, user: User) -> TicketQuerySet:
    """Select the tickets of any status that this place's search finds.

    It finds them by number, company, the subject's words, and by the folio or the receiver of an attached invoice. The
    filters of the list apply. A text that is not one of these finds no ticket.
    """
    visible = _apply_filters(place, Ticket.objects.visible_to(user))
    if folio := numbers.parse_fiscal_folio(place.search):
        return visible.filter(match_folio(folio, user))
    try:
        condition = Q(number=numbers.parse_number(NUMBER_PREFIX, place.search))
    except numbers.InvalidNumber:
        condition = Q()
    is_own = not policy.is_third_party(user)  # of our own desk
    if companies := [each.pk for each in find_customers(place.search, MAX_CUSTOMERS, by_mail=is_own)]:
        condition |= Q(customer__in=companies)
    if received := invoices.find_receiver_tickets(place.search, user):
        condition |= Q(pk__in=received)
    # A third party reads no mail addresses, so it must not find tickets by the words of one (M3).
    if words := sql.split_words(place.search) if is_own or "@" not in place.search else []:
        condition |= Q(sql.match_words(words))
    return visible.filter(condition) if condition else visible.none()


def _with_row_columns(tickets: TicketQuerySet) -> TicketQuerySet:
    """Load only the columns that a row of the queue shows, of the ticket, its company and its assignee."""
    return tickets.select_related("customer", "assignee").only(
        *(
            "number subject status impact channel message_count last_excerpt queue_at closes_at close_held_at "
            "merged_into closed_at reply_due_at first_replied_at customer_replied customer_waits_since "
            "customer__legal_name customer__rfc assignee__full_name assignee__email"
        ).split()
    )


def plain_column(column: str) -> Func:
    """Return the SQL for a column in lower case without accents: `searchable` wrote the searched words the same way.

    Each accented letter is replaced, because neither database offers `unaccent`.
    """
    expression: Any = F(column)
    for accented in "ÁÉÍÓÚÜÑáéíóúüñ":
        expression = Replace(expression, Value(accented), Value(searchable(accented)))
    return Lower(expression)
