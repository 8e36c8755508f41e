"""My tickets: the tabs, the search and the keyset pages of the customer's list (M16).

No COUNT over all rows, no OFFSET: a tab's figure stops at 99+, a page starts after the last row of the one before.
Five queries at most, session and user included, whatever the person owns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from django.db.models import F, Func, Q, QuerySet

from accounts.models import User
from factureya.core import keyset, numbers
from factureya.core.keyset import Cursor, Page
from tickets import sql
from tickets.models import NUMBER_PREFIX, Ticket, TicketQuerySet

COUNT_CAP = 99
MAX_QUERY = 120
ACTIVE, TURN, CLOSED, COMPANY, COMPANY_CLOSED = (
    "vigentes",
    "turno",
    "cerrados",
    "empresa",
    "empresa-cerrados",
)
VIEWS = (ACTIVE, TURN, CLOSED, COMPANY, COMPANY_CLOSED)
# No primary key leaves: an address holds the number of a ticket.
NEWEST_FIRST = keyset.Order(
    "touched_at", name="number", read_key=partial(numbers.parse, NUMBER_PREFIX), is_descending=True
)
OLDEST_FIRST = replace(NEWEST_FIRST, is_descending=False)
_UUID = re.compile(r"[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Tab:
    """A tab of the list; `count` is text («4», «99+»)."""

    view: str
    label: str
    count: str
    is_current: bool
    is_hot: bool


@dataclass
class Group:
    """A titled part of the list."""

    title: str
    tickets: Sequence[Ticket]
    is_due: bool = False
    more_view: str = ""  # the view that has the rest of the group, if it is cut


def is_limited(user: User) -> bool:
    """Whether the person sees his own tickets only, so that there is no company tab."""
    return user.membership is None or user.membership.own_tickets_only


def tabs(user: User, view: str) -> tuple[list[Tab], bool]:
    """The tabs with their figures, and whether the person sees any ticket at all; one statement."""
    mine = Ticket.objects.filter(requester_id=user.pk)
    views: dict[str, tuple[str, QuerySet[Ticket]]] = {
        ACTIVE: ("Vigentes", mine.exclude(status=Ticket.Status.CLOSED)),
        TURN: ("Le toca a usted", mine.filter(status=Ticket.Status.WAITING)),
        CLOSED: ("Cerrados", mine.filter(status=Ticket.Status.CLOSED)),
    }
    visible = Ticket.objects.visible_to(user)
    if not is_limited(user):
        views[COMPANY] = ("De mi empresa", visible.exclude(status=Ticket.Status.CLOSED))
    questions = [sql.capped_count(found, COUNT_CAP + 1) for _, found in views.values()]
    *figures, any_at_all = sql.ask([*questions, sql.capped_count(visible, 1)])
    here = COMPANY if view == COMPANY_CLOSED else view
    shown = [
        Tab(name, label, _figure(figure), name == here, name == TURN and figure > 0)
        for (name, (label, _)), figure in zip(views.items(), figures, strict=True)
    ]
    return shown, bool(any_at_all)


def groups(user: User, view: str, cursor: Cursor | None) -> tuple[list[Group], Page[Ticket]]:
    """The groups of a view and the page that the pager walks (the last group)."""
    if view == ACTIVE:
        return _active(user, cursor)
    if view == TURN:
        page = keyset.page(OLDEST_FIRST, cursor, _for_rows(rows(user, TURN)))
        return [Group("Le toca a usted", page.rows, is_due=True)], page
    page = keyset.page(NEWEST_FIRST, cursor, _for_rows(rows(user, view)))
    title = "Cerrados" if view in {CLOSED, COMPANY_CLOSED} else "Vigentes de mi empresa"
    return [Group(title, page.rows)], page


def rows(user: User, view: str) -> TicketQuerySet:
    """The tickets of a view, unordered."""
    visible = Ticket.objects.visible_to(user)
    if view in {ACTIVE, TURN, CLOSED} or is_limited(user):
        visible = visible.filter(requester_id=user.pk)
    if view == TURN:
        return visible.filter(status=Ticket.Status.WAITING)
    if view in {CLOSED, COMPANY_CLOSED}:
        return visible.filter(status=Ticket.Status.CLOSED)
    return visible.exclude(status=Ticket.Status.CLOSED)


def search(user: User, query: str, cursor: Cursor | None) -> Page[Ticket]:
    """Tickets visible to the person by number, fiscal folio, or words of the subject (every word, no accents)."""
    return keyset.page(NEWEST_FIRST, cursor, _for_rows(Ticket.objects.visible_to(user).filter(_matching(query))))


def has_wrong_number(query: str) -> bool:
    """Whether the query was meant as a number and a character of it is mistyped (found without a query, M10)."""
    try:
        numbers.parse(NUMBER_PREFIX, query)
    except numbers.InvalidNumber:
        return re.fullmatch(r"\s*fy[- –]?\w{4}[- –]?\w{4}\s*", query, re.IGNORECASE) is not None
    return False


def _figure(count: int) -> str:
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


def _active(user: User, cursor: Cursor | None) -> tuple[list[Group], Page[Ticket]]:
    """First page: what waits for the person, then what we are working on, which is what the pager walks."""
    open_tickets = rows(user, ACTIVE).filter(status=Ticket.Status.OPEN)
    page = keyset.page(NEWEST_FIRST, cursor, _for_rows(open_tickets))
    ours = Group("Los estamos atendiendo", page.rows)
    if cursor is not None:
        return [ours], page
    due = keyset.page(OLDEST_FIRST, None, _for_rows(rows(user, TURN)))
    theirs = Group("Le toca a usted", due.rows, is_due=True, more_view=TURN if due.next else "")
    return [theirs, ours], page


def _for_rows(tickets: QuerySet[Ticket]) -> QuerySet[Ticket]:
    """The columns that a row shows; two names are cheaper than the two people they belong to."""
    names = {"assignee_name": F("assignee__full_name"), "requester_name": F("requester__full_name")}
    return tickets.annotate(**names).only(
        "number",
        "requester_id",
        "subject",
        "status",
        "wait_reason",
        "solution_proposed_at",
        "closes_at",
        "close_held_at",
        "close_held_reason",
        "closed_reason",
        "touched_at",
        "customer_replied",
        "first_replied_at",
        "message_count",
    )


def _matching(query: str) -> Q | Func:
    try:
        return Q(number=numbers.parse(NUMBER_PREFIX, query))
    except numbers.InvalidNumber:
        pass
    if _UUID.fullmatch(query.strip()):
        return Q(cfdi_uuid=numbers.fiscal_folio(query))
    words = sql.words(query)
    return sql.words_match(words) if words else Q(pk__in=[])
