"""Read the tabs, the search and the keyset pages of the customer's list (M16).

No COUNT over all rows, no OFFSET: a tab's figure stops at 99+, a page starts after the last row of the one before.
Five queries at most, session and user included, whatever the person owns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from django.db.models import F, Func, Q, QuerySet

from accounts.models import CreditBalance, User
from factureya.core import keyset, numbers
from factureya.core.keyset import Cursor, Page
from tickets import policy, sql
from tickets.models import NUMBER_PREFIX, Ticket, TicketQuerySet, match_folio

COUNT_CAP = 100  # shown as «99+»
MAX_QUERY = 120
ACTIVE, TURN, CLOSED, COMPANY, COMPANY_CLOSED = ("vigentes", "turno", "cerrados", "empresa", "empresa-cerrados")
VIEWS = (ACTIVE, TURN, CLOSED, COMPANY, COMPANY_CLOSED)
TABS = {ACTIVE: "Vigentes", TURN: "Le toca a usted", CLOSED: "Cerrados", COMPANY: "De mi empresa"}
# No primary key leaves: an address holds the number of a ticket.
NEWEST_FIRST = keyset.Order(
    "touched_at", name="number", read_key=partial(numbers.parse_number, NUMBER_PREFIX), is_descending=True
)
OLDEST_FIRST = replace(NEWEST_FIRST, is_descending=False)


@dataclass(frozen=True)
class Tab:
    """Hold a tab of the list; `count` is text («4», «99+»)."""

    view: str
    label: str
    count: str
    is_current: bool
    is_hot: bool


@dataclass
class Group:
    """Hold a titled part of the list."""

    title: str
    tickets: Sequence[Ticket]
    is_due: bool = False
    more_view: str = ""  # the view that has the rest of the group, if it is cut


def is_limited(user: User) -> bool:
    """Return whether the person sees only his own tickets, so that there is no company tab."""
    return user.membership is None or user.membership.own_tickets_only


def read_tabs(user: User, view: str) -> tuple[list[Tab], bool, CreditBalance | None]:
    """Return the tabs of the customer's list, `view` as the current one, and whether he sees any ticket; one query.

    Return too the credits of his company if they have a warning for him (M28).
    """
    questions = sql.remember(("tabs", COUNT_CAP, policy.list_rights(user)), lambda: _make_questions(user))
    counts = sql.ask_all(questions)
    current = COMPANY if view == COMPANY_CLOSED else view  # the company's closed tickets have no tab of their own
    tabs = []
    for name, label in TABS.items():
        if name not in counts:
            continue
        is_hot = name == TURN and counts[name] > 0  # a ticket waits for the customer
        count = sql.show_count(counts[name], COUNT_CAP)
        tabs.append(Tab(name, label, count, is_current=name == current, is_hot=is_hot))
    return tabs, bool(counts["any"]), CreditBalance.choose_to_warn_of(sql.read_rows(counts["credits"]))


def _make_questions(user: User) -> dict[str, sql.Question]:
    """Return the questions for the figures of the tabs, by view, for any ticket, and for the company's credits."""
    own_tickets = Ticket.objects.filter(requester_id=user.pk).unmerged()
    visible = Ticket.objects.visible_to(user)
    views: dict[str, QuerySet[Ticket]] = {
        ACTIVE: own_tickets.exclude(status=Ticket.Status.CLOSED),
        TURN: own_tickets.filter(status=Ticket.Status.WAITING),
        CLOSED: own_tickets.filter(status=Ticket.Status.CLOSED),
    }
    if not is_limited(user):
        views[COMPANY] = visible.unmerged().exclude(status=Ticket.Status.CLOSED)
    return {
        **{name: sql.capped_count(tickets, COUNT_CAP) for name, tickets in views.items()},
        "any": sql.capped_count(visible, 1),
        "credits": sql.all_rows(CreditBalance.objects.select_for(user)),
    }


def read_groups(user: User, view: str, cursor: Cursor | None) -> tuple[list[Group], Page[Ticket]]:
    """Return a view of the customer's list as titled groups, and the page of tickets that links to the next page."""
    if view == ACTIVE:
        return _read_active_groups(user, cursor)
    if view == TURN:
        page = keyset.page(OLDEST_FIRST, cursor, _with_row_columns(select_tickets(user, TURN)))
        return [Group("Le toca a usted", page.rows, is_due=True)], page
    page = keyset.page(NEWEST_FIRST, cursor, _with_row_columns(select_tickets(user, view)))
    title = "Cerrados" if view in {CLOSED, COMPANY_CLOSED} else "Vigentes de mi empresa"
    return [Group(title, page.rows)], page


def select_tickets(user: User, view: str) -> TicketQuerySet:
    """Select, unordered, the tickets of a view of the customer's list: his own, or the company's if he may see them.

    A merged ticket is in no view, only in a search: it is read in the ticket that takes its messages (M11).
    """
    visible = Ticket.objects.visible_to(user).unmerged()
    if view in {ACTIVE, TURN, CLOSED} or is_limited(user):
        visible = visible.filter(requester_id=user.pk)
    if view == TURN:
        return visible.filter(status=Ticket.Status.WAITING)
    if view in {CLOSED, COMPANY_CLOSED}:
        return visible.filter(status=Ticket.Status.CLOSED)
    return visible.exclude(status=Ticket.Status.CLOSED)


def search(user: User, query: str, cursor: Cursor | None) -> Page[Ticket]:
    """Return the page of the visible tickets with this number or fiscal folio, or with these words in the subject."""
    found = Ticket.objects.visible_to(user).filter(_match_query(query, user))
    return keyset.page(NEWEST_FIRST, cursor, _with_row_columns(found))


def has_wrong_number(query: str) -> bool:
    """Return whether the search text is a tracking number with a mistyped character, so that the page says it (M10)."""
    try:
        numbers.parse_number(NUMBER_PREFIX, query)
    except numbers.InvalidNumber:  # "fy-7k2m-9qxa" or "FY 7K2M 9QXA" looks like a number
        return re.fullmatch(r"\s*fy[- –]?\w{4}[- –]?\w{4}\s*", query, re.IGNORECASE) is not None
    return False


def _read_active_groups(user: User, cursor: Cursor | None) -> tuple[list[Group], Page[Ticket]]:
    """Return the groups of the person's tickets that are not Cerrado, and the page of the tickets that we work on.

    Only the first page also has the group of tickets that wait for the person; the view TURN shows them all.
    """
    open_tickets = select_tickets(user, ACTIVE).filter(status=Ticket.Status.OPEN)
    page = keyset.page(NEWEST_FIRST, cursor, _with_row_columns(open_tickets))
    our_turn = Group("Los estamos atendiendo", page.rows)
    if cursor is not None:
        return [our_turn], page
    waiting = keyset.page(OLDEST_FIRST, None, _with_row_columns(select_tickets(user, TURN)))
    their_turn = Group("Le toca a usted", waiting.rows, is_due=True, more_view=TURN if waiting.next else "")
    return [their_turn, our_turn], page


def _with_row_columns(tickets: QuerySet[Ticket]) -> QuerySet[Ticket]:
    """Load only what a row of the customer's list shows; of the assignee and the requester only the names."""
    names = {"assignee_name": F("assignee__full_name"), "requester_name": F("requester__full_name")}
    return tickets.annotate(**names).only(
        *(
            "number requester_id subject status wait_reason solution_proposed_at closes_at close_held_at "
            "close_held_reason closed_reason merged_into touched_at customer_replied first_replied_at message_count"
        ).split()
    )


def _match_query(query: str, user: User) -> Q | Func:
    """Return the filter for a searched number, fiscal folio or words of the subject; any other text finds none.

    A folio may have been typed, or stand in an invoice that this person may read.
    """
    try:
        return Q(number=numbers.parse_number(NUMBER_PREFIX, query))
    except numbers.InvalidNumber:
        pass
    if folio := numbers.parse_fiscal_folio(query):
        return match_folio(folio, user)
    words = sql.split_words(query)
    return sql.match_words(words) if words else Q(pk__in=[])
