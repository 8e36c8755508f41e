"""The inbox of mesa de control: what waits for the reader first, by its deadline; pages, filter and search.

It takes three statements, whatever there is: two limited counts and a page of rows. There is no OFFSET.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.fields import DateTimeField
from django.db.models.functions import Coalesce
from django.utils.http import urlencode

from accounts.models import User
from change_requests import policy
from change_requests.control import wording
from change_requests.control.wording import Chip
from change_requests.kinds.folios import find_folio
from change_requests.kinds.registry import find_title
from change_requests.models import FormalRequest, RequestedAsset, RequestRevision
from change_requests.progress import ENDED, waits_for
from factureya.core.templatetags.fy import when

PAGE_ROWS = 25
COUNT_CAP = 99
MAX_QUERY = 120
MINE, OPEN, DONE = "mias", "en-curso", "terminadas"
VIEWS = {MINE: "Me toca", OPEN: "En curso", DONE: "Terminadas"}
KINDS = (
    ("", "Todas las solicitudes"),
    ("acceso", "Control de acceso"),
    ("cambio", "Baja o cambio"),
)
FORMS = {"acceso": FormalRequest.Form.ACCESS, "cambio": FormalRequest.Form.CHANGE}
NOTHING = {
    MINE: ("Nada le toca por ahora", "Aquí aparece lo que espera su decisión, lo que vence primero arriba."),
    OPEN: ("No hay solicitudes en curso", "Aquí aparecen desde que se envían hasta que se implementan."),
    DONE: ("No hay solicitudes terminadas", "Aquí quedan las cerradas, rechazadas, canceladas y vencidas."),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DEADLINE = datetime(9000, 1, 1, tzinfo=UTC)
Requests = QuerySet[FormalRequest]


class Cursor(NamedTuple):
    """Where a page starts: the key and the folio of a row; `is_back` when it ends before it."""

    at: datetime
    folio: str
    is_back: bool = False


@dataclass(frozen=True)
class Tab:
    """A tab; `count` is a text («4», «99+»), empty where nothing is counted."""

    url: str
    label: str
    count: str
    is_current: bool
    is_hot: bool


@dataclass(frozen=True)
class Row:
    """A request in the list."""

    folio: str
    title: str
    company: str
    asked_by: str
    chip: Chip
    marks: Sequence[str]
    deadline: str
    is_mine: bool


@dataclass(frozen=True)
class Nothing:
    """What an empty list says."""

    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """The inbox as it is shown."""

    view: str
    kind: str
    query: str
    heading: str
    tabs: Sequence[Tab]
    rows: Sequence[Row]
    nothing: Nothing
    previous_url: str = ""
    next_url: str = ""
    kinds: Sequence[tuple[str, str]] = KINDS


@dataclass(frozen=True)
class InboxQuery:
    """What the address asks for; an unknown value counts as absent."""

    view: str = MINE
    kind: str = ""
    query: str = ""
    cursor: Cursor | None = None

    @property
    def base(self) -> dict[str, str]:
        """Return the part of the address that stays from page to page."""
        parameters = {"vista": self.view, "tipo": self.kind, "q": self.query}
        return {name: text for name, text in parameters.items() if text}


def read_page(user: User, asked: InboxQuery) -> Page:
    """Return the page of the inbox that this person asks for."""
    visible = policy.visible_to(user)
    mine, current = visible.filter(waits_for(user)), visible.exclude(status__in=ENDED)
    found = {MINE: mine, OPEN: current, DONE: visible.filter(status__in=ENDED)}[asked.view]
    if asked.query:
        found = visible.filter(_matching(asked.query))
    if asked.kind:
        found = found.filter(form=FORMS[asked.kind])
    rows, before, after = _keyset(found, asked)
    is_mine = asked.view == MINE and not asked.query
    return Page(
        asked.view,
        asked.kind,
        asked.query,
        _make_heading(asked),
        _make_tabs(asked, mine, current),
        [_make_row(formal, is_mine) for formal in rows],
        _explain_emptiness(asked),
        "?" + urlencode({**asked.base, "antes": _encode(rows[0])}) if before else "",
        "?" + urlencode({**asked.base, "despues": _encode(rows[-1])}) if after else "",
    )


def decode(text: str, *, is_back: bool = False) -> Cursor | None:
    """The cursor in an address, or None: then the list starts at its beginning."""
    match = re.fullmatch(r"(\d{1,18})\.(S[AC]-\w{4}-\w{4})", text, re.ASCII)
    if match is None:
        return None
    try:
        at = _EPOCH + timedelta(microseconds=int(match.group(1)))
    except OverflowError:
        return None
    return Cursor(at, match.group(2), is_back)


# -- Searching and paging ----------------------------------------------------------------------------


def _matching(query: str) -> Q:
    """Return the condition of a search: a folio; else words of a name, the start of an RFC or of a person's mail."""
    if folio := find_folio(query):
        return Q(folio=folio)
    matches = Q()
    for word in query.split():
        matches &= (
            Q(customer__legal_name__icontains=word)
            | Q(customer__rfc__istartswith=word)
            | Q(requester__full_name__icontains=word)
            | Q(requester__email__istartswith=word)
            | Q(Exists(_subjects_like(word)))
        )
    return matches


def _subjects_like(word: str) -> QuerySet[RequestedAsset]:
    """Return a subquery of the people whom access requests are about, whose mail begins with the word."""
    return RequestedAsset.objects.filter(request=OuterRef("pk"), subject__istartswith=word)


def _keyset(found: Requests, asked: InboxQuery) -> tuple[list[FormalRequest], bool, bool]:
    """A page of rows, and whether there are rows before and after it; one statement, at any depth."""
    cursor, descends = asked.cursor, asked.view == DONE or bool(asked.query)
    key = (
        Coalesce("submitted_at", "created_at") if descends else Coalesce("due_at", Value(_NO_DEADLINE, DateTimeField()))
    )
    is_back = cursor is not None and cursor.is_back
    sign = "-" if descends != is_back else ""
    found = found.annotate(key=key)
    if cursor is not None:
        beyond = "lt" if sign else "gt"
        same = Q(key=cursor.at, **{f"folio__{beyond}": cursor.folio})
        found = found.filter(Q(**{f"key__{beyond}": cursor.at}) | same)
    rows = list(_select_columns(found).order_by(f"{sign}key", f"{sign}folio")[: PAGE_ROWS + 1])
    has_more, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
    if is_back:
        rows.reverse()
        return rows, has_more, bool(rows)
    return rows, bool(rows) and cursor is not None, has_more


def _encode(formal: FormalRequest) -> str:
    """A row as a cursor: its key in microseconds and its folio (no primary key leaves)."""
    key: datetime = formal.key  # type: ignore[attr-defined]
    return f"{(key - _EPOCH) // timedelta(microseconds=1)}.{formal.folio}"


# -- Rows and words ----------------------------------------------------------------------------------


def _select_columns(found: Requests) -> Requests:
    """Return the requests with the columns that a row of the list shows, and no others."""
    current = RequestRevision.objects.filter(request=OuterRef("pk"), no=OuterRef("revision_no"))
    shown = (
        "folio",
        "form",
        "kind",
        "status",
        "due_at",
        "due_minutes_left",
        "suspended_at",
        "submitted_at",
        "alarmed_at",
        "revision_no",
        "customer__legal_name",
        "customer__rfc",
        "requester__full_name",
        "requester__email",
        "waiver__checked_at",
        "waiver__check_due",
    )
    return (
        found.select_related("customer", "requester", "waiver")
        .annotate(payload=Subquery(current.values("payload")[:1]))
        .only(*shown)
    )


def _make_row(formal: FormalRequest, is_mine: bool) -> Row:
    """Return a request as the list shows it."""
    payload: str | None = formal.payload  # type: ignore[attr-defined]
    items = json.loads(payload)["items"] if payload else []
    return Row(
        formal.folio,
        find_title(formal.form, formal.kind, items),
        f"{formal.customer.legal_name} ({formal.customer.rfc})",
        formal.requester.get_full_name(),
        wording.make_chip(formal),
        wording.list_marks(formal),
        _describe_dates(formal),
        is_mine,
    )


def _describe_dates(formal: FormalRequest) -> str:
    """Return until when somebody must act, or when the request was received."""
    due = wording.describe_deadline(formal).removeprefix(" · ")
    return due[:1].upper() + due[1:] if due else f"Recibida {when(formal.submitted_at)}"


def _make_tabs(asked: InboxQuery, mine: Requests, current: Requests) -> list[Tab]:
    """Return the tabs; the requests of the first two are counted up to a limit."""
    figures = {MINE: _count_up_to_cap(mine), OPEN: _count_up_to_cap(current), DONE: ""}
    return [
        Tab(
            f"?vista={view}",
            label,
            figures[view],
            view == asked.view and not asked.query,
            view == MINE and figures[view] != "0",
        )
        for view, label in VIEWS.items()
    ]


def _count_up_to_cap(found: Requests) -> str:
    """Return how many requests there are, or «99+»."""
    count = len(found.order_by().values_list("pk")[: COUNT_CAP + 1])
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


def _make_heading(asked: InboxQuery) -> str:
    """Return the heading of the list: its tab, or what was searched for."""
    return f"Resultados de «{asked.query}»" if asked.query else VIEWS[asked.view]


def _explain_emptiness(asked: InboxQuery) -> Nothing:
    """Return what an empty list says; a search for something like a folio hints at a wrong character."""
    if not asked.query:
        return Nothing(*NOTHING[asked.view])
    if re.fullmatch(r"\s*s[ac][- –]?\w{4}[- –]?\w{4}\s*", asked.query, re.IGNORECASE):
        return Nothing("No hay una solicitud con ese folio", "Revíselo: puede haber un carácter cambiado.")
    return Nothing("Nada coincide", "Busque por folio, razón social, RFC, nombre o correo de una persona.")
