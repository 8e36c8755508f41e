"""My tickets: the tabs, the search and the keyset pages of the customer's list (M16).

No COUNT over all rows, no OFFSET: a tab's figure stops at 99+, a page starts after the last row of the one before.
Five queries at most, session and user included, whatever the person owns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F, Func, Q, QuerySet, Subquery

from accounts.models import User
from factureya.core import numbers
from tickets import sql
from tickets.models import NUMBER_PREFIX, Ticket, TicketQuerySet

PAGE_ROWS = 25
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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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


@dataclass
class Page:
    """Rows of a keyset page and the cursors around it («» when there is nothing there)."""

    tickets: list[Ticket] = field(default_factory=list)
    before: str = ""
    after: str = ""


class Cursor(NamedTuple):
    """Where a page starts: the instant and the number of a row; `is_back` when it ends before it."""

    at: datetime
    number: str
    is_back: bool = False


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


def groups(user: User, view: str, cursor: Cursor | None) -> tuple[list[Group], Page]:
    """The groups of a view and the page that the pager walks (the last group)."""
    if view == ACTIVE:
        return _active(user, cursor)
    if view == TURN:
        page = keyset(rows(user, TURN), cursor, oldest_first=True)
        return [Group("Le toca a usted", page.tickets, is_due=True)], page
    page = keyset(rows(user, view), cursor)
    title = "Cerrados" if view in {CLOSED, COMPANY_CLOSED} else "Vigentes de mi empresa"
    return [Group(title, page.tickets)], page


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


def search(user: User, query: str, cursor: Cursor | None) -> Page:
    """Tickets visible to the person by number, fiscal folio, or words of the subject (every word, no accents)."""
    return keyset(Ticket.objects.visible_to(user).filter(_matching(query)), cursor)


def has_wrong_number(query: str) -> bool:
    """Whether the query was meant as a number and a character of it is mistyped (found without a query, M10)."""
    try:
        numbers.parse_number(NUMBER_PREFIX, query)
    except numbers.InvalidNumber:
        return re.fullmatch(r"\s*fy[- –]?\w{4}[- –]?\w{4}\s*", query, re.IGNORECASE) is not None
    return False


def keyset(tickets: QuerySet[Ticket], cursor: Cursor | None, *, oldest_first: bool = False) -> Page:
    """One page in the order of the last movement; one query, at any depth."""
    is_back = cursor is not None and cursor.is_back
    if cursor is not None:
        tickets = tickets.filter(_beyond(cursor, ascending=oldest_first != is_back))
    order = ("touched_at", "id") if oldest_first != is_back else ("-touched_at", "-id")
    found = list(_for_rows(tickets).order_by(*order)[: PAGE_ROWS + 1])
    has_more, found = len(found) > PAGE_ROWS, found[:PAGE_ROWS]
    if is_back:
        found.reverse()
    page = Page(found)
    if found and (has_more if is_back else cursor is not None):
        page.before = encode(found[0])
    if found and (is_back or has_more):
        page.after = encode(found[-1])
    return page


def encode(ticket: Ticket) -> str:
    """A row as a cursor: its instant in microseconds and its number (no primary key leaves)."""
    return f"{(ticket.touched_at - _EPOCH) // timedelta(microseconds=1)}.{ticket.number}"


def decode(text: str, *, is_back: bool = False) -> Cursor | None:
    """The cursor in an address, or None when it is none of ours: then the list starts at its beginning."""
    match = re.fullmatch(r"(\d{1,17})\.(.{8,14})", text)
    if match is None:
        return None
    try:
        number = numbers.parse_number(NUMBER_PREFIX, match.group(2))
        return Cursor(_EPOCH + timedelta(microseconds=int(match.group(1))), number, is_back)
    except (numbers.InvalidNumber, OverflowError):
        return None


def _figure(count: int) -> str:
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


def _active(user: User, cursor: Cursor | None) -> tuple[list[Group], Page]:
    """First page: what waits for the person, then what we are working on, which is what the pager walks."""
    page = keyset(rows(user, ACTIVE).filter(status=Ticket.Status.OPEN), cursor)
    ours = Group("Los estamos atendiendo", page.tickets)
    if cursor is not None:
        return [ours], page
    due = keyset(rows(user, TURN), None, oldest_first=True)
    theirs = Group("Le toca a usted", due.tickets, is_due=True, more_view=TURN if due.after else "")
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


def _beyond(cursor: Cursor, *, ascending: bool) -> Q:
    """Rows after the cursor's in this order. The redundant bound lets the index start there."""
    key: Any = Ticket.objects.filter(number=cursor.number).values("pk")[:1]
    side = "gt" if ascending else "lt"
    later = Q(**{f"touched_at__{side}": cursor.at}) | Q(touched_at=cursor.at, **{f"id__{side}": Subquery(key)})
    return Q(**{f"touched_at__{side}e": cursor.at}) & later


def _matching(query: str) -> Q | Func:
    try:
        return Q(number=numbers.parse_number(NUMBER_PREFIX, query))
    except numbers.InvalidNumber:
        pass
    if _UUID.fullmatch(query.strip()):
        return Q(cfdi_uuid=numbers.format_fiscal_folio(query))
    words = sql.words(query)
    return sql.words_match(words) if words else Q(pk__in=[])
