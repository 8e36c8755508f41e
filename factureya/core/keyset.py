"""Read a list page by page without COUNT or OFFSET: an order, a cursor that stands at a row, and the rows beyond it.

A cursor travels in the address as `despues` (the page starts after its row) or `antes` (the page ends before it).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import DateTimeField, F, Model, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

PAGE_ROWS = 25
AFTER, BEFORE = "despues", "antes"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATE = datetime(9000, 1, 1, tzinfo=UTC)
_MAX_TEXT = 40  # characters of a cursor in an address

Row = TypeVar("Row", bound=Model)


def read_pk(text: str) -> int:
    """Return the primary key that is written in `text`. Raises ValueError for anything but 1 to 18 ASCII digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # any 18 digits fit into a BIGINT
        raise ValueError(text)
    return int(text)


def late_when_null(column: str) -> Coalesce:
    """Return SQL to sort by a column of instants: where it is NULL, a very late instant, so that the row comes last."""
    return Coalesce(F(column), Value(_LATE, DateTimeField()))


@dataclass(frozen=True)
class Order:
    """Describe how a list is sorted: by the instant `at` (never NULL; "" for none), then by the unique `key`.

    `name` is the column that stands for the row in an address, when its primary key must not leave; `read_key` reads
    the value of `name` from an address and raises ValueError for what cannot be one. `named_in` are the rows that an
    address may name, if not all: a row that its reader may not see must tell nothing of its place.
    """

    at: str = ""
    key: str = "pk"
    name: str = ""
    read_key: Callable[[str], Any] = read_pk
    is_descending: bool = False
    named_in: QuerySet[Any] | None = None

    def cursor_at(self, row: Any, *, is_back: bool = False) -> "Cursor":
        """Return a cursor that stands at this row: for the link to the rows after it, or before it with `is_back`."""
        return Cursor(getattr(row, self.name or self.key), getattr(row, self.at) if self.at else None, is_back)

    def read(self, text: str, *, is_back: bool = False) -> "Cursor | None":
        """Return the cursor that a URL holds as `text`: `microseconds.key`, or only `key` if the order has no instant.

        Return None for a text that cannot be a cursor of this list.
        """
        micros, _, key = text.rpartition(".")
        if len(text) > _MAX_TEXT or bool(micros) != bool(self.at):  # `!=`: it is of a list with another order
            return None
        try:
            at = _EPOCH + read_pk(micros) * _MICROSECOND if self.at else None
            return Cursor(self.read_key(key), at, is_back)
        except (ValueError, OverflowError):
            return None

    def read_from(self, address: Mapping[str, str]) -> "Cursor | None":
        """Return the cursor in a list page's address, to the rows after one row or before it; None: the first page."""
        after = self.read(address.get(AFTER, ""))
        return after or self.read(address.get(BEFORE, ""), is_back=True)

    def sort(self, rows: QuerySet[Row], *, is_back: bool = False) -> QuerySet[Row]:
        """Return the rows sorted in this order, or in the opposite one with `is_back`."""
        sign = "-" if self.is_descending != is_back else ""
        return rows.order_by(*(f"{sign}{column}" for column in (self.at, self.key) if column))

    def select_beyond(self, rows: QuerySet[Row], cursor: "Cursor | None") -> QuerySet[Row]:
        """Return the rows after the row of the cursor, sorted; without a cursor, return all rows.

        If the cursor has `is_back`, return the rows before its row instead, the nearest first.
        """
        if cursor is None:
            return self.sort(rows)
        comparison = "lt" if self.is_descending != cursor.is_back else "gt"
        key = cursor.key
        if self.name and self.name != self.key:  # the address names the row by another column: look up its key
            named = rows.model._default_manager.all() if self.named_in is None else self.named_in
            same_name = named.filter(**{self.name: cursor.key})
            key = Subquery(same_name.values(self.key)[:1])
        condition = Q(**{f"{self.key}__{comparison}": key})
        if self.at:
            beyond = Q(**{f"{self.at}__{comparison}": cursor.at})
            # Another instant, or the same one and another key. The condition in front lets the index start there.
            condition = Q(**{f"{self.at}__{comparison}e": cursor.at}) & (beyond | Q(**{self.at: cursor.at}) & condition)
        return self.sort(rows.filter(condition), is_back=cursor.is_back)


@dataclass(frozen=True)
class Cursor:
    """Hold a place in a list: the key and the instant of a row; `is_back` says that the page ends before that row."""

    key: Any
    at: datetime | None = None
    is_back: bool = False

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{self.key}" if self.at else str(self.key)

    @property
    def pair(self) -> tuple[str, str]:
        """Return the name and the value of the parameter with which an address carries the cursor."""
        return BEFORE if self.is_back else AFTER, str(self)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Hold the rows of a page, and the cursors of the pages around it; None where there is no page."""

    rows: list[Row]
    previous: Cursor | None = None
    next: Cursor | None = None

    def links(self, base: Mapping[str, str], path: str = "") -> dict[str, str]:
        """Return the addresses of the previous and the next page for a template, "" where there is none.

        `base` holds the other parameters of the address; `path` is its path, "" that of the page now open.
        """
        cursors = {"previous_url": self.previous, "next_url": self.next}
        return {
            name: f"{path}?{urlencode([*base.items(), cursor.pair])}" if cursor else ""
            for name, cursor in cursors.items()
        }


def page(order: Order, cursor: Cursor | None, *lists: QuerySet[Row], size: int = PAGE_ROWS) -> Page[Row]:
    """Return the page at `cursor` of one list, or of several lists merged into one. No cursor means the first page.

    Each list takes one query. One row more than a page is read: if it exists, there is another page (`has_more`).
    A cursor that goes back and finds less than a whole page has reached the beginning: the first page is returned.
    """
    is_back = cursor is not None and cursor.is_back
    rows = _merge_lists(order, [list(order.select_beyond(part, cursor)[: size + 1]) for part in lists], is_back=is_back)
    has_more, rows = len(rows) > size, rows[:size]
    if is_back:
        if len(rows) < size:
            return page(order, None, *lists, size=size)
        rows.reverse()  # they were read backwards
    has_previous = has_more if is_back else cursor is not None  # a step forward came from the previous page
    has_next = is_back or has_more  # a step back came from the next page
    return Page(
        rows,
        order.cursor_at(rows[0], is_back=True) if rows and has_previous else None,
        order.cursor_at(rows[-1]) if rows and has_next else None,
    )


def _merge_lists(order: Order, lists: Sequence[list[Row]], *, is_back: bool) -> list[Row]:
    """Return the rows of several sorted lists as one list, in this order, or in the opposite one with `is_back`."""
    if len(lists) == 1:
        return lists[0]
    columns = [column for column in (order.at, order.key) if column]
    return sorted(chain(*lists), key=attrgetter(*columns), reverse=order.is_descending != is_back)
