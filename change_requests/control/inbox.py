"""The inbox of mesa de control: what waits for the reader first, by its deadline; pages, filter and search.

It takes three statements, whatever there is: two limited counts and a page of rows. There is no OFFSET.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from change_requests import policy
from change_requests.control import wording
from change_requests.control.wording import Chip
from change_requests.kinds.registry import find_title
from change_requests.models import FormalRequest, RequestedAsset, RequestRevision, find_folio, read_folio
from change_requests.progress import ENDED, make_waiting_condition
from factureya.core import keyset
from factureya.core.templatetags.fy import when

COUNT_CAP = 99
MAX_QUERY = 120
MINE, OPEN, DONE = "mias", "en-curso", "terminadas"
VIEWS = {MINE: "Me toca", OPEN: "En curso", DONE: "Terminadas"}
KINDS = (("", "Todas las solicitudes"), ("acceso", "Control de acceso"), ("cambio", "Baja o cambio"))
FORMS = {"acceso": FormalRequest.Form.ACCESS, "cambio": FormalRequest.Form.CHANGE}
EMPTY_TEXTS = {
    MINE: ("Nada le toca por ahora", "Aquí aparece lo que espera su decisión, lo que vence primero arriba."),
    OPEN: ("No hay solicitudes en curso", "Aquí aparecen desde que se envían hasta que se implementan."),
    DONE: ("No hay solicitudes terminadas", "Aquí quedan las cerradas, rechazadas, canceladas y vencidas."),
}
FIRST_DUE = keyset.Order("place", key="folio", read_key=read_folio)
NEWEST_FIRST = replace(FIRST_DUE, is_descending=True)
Requests = QuerySet[FormalRequest]
_ROW_COLUMNS = """
    folio form kind status due_at due_minutes_left suspended_at submitted_at alarmed_at revision_no customer__legal_name
    customer__rfc requester__full_name requester__email waiver__checked_at waiver__check_due
"""


@dataclass(frozen=True)
class Tab:
    """Hold a tab; `count` is a text («4», «99+»), empty where nothing is counted."""

    url: str
    label: str
    count: str
    is_current: bool
    is_hot: bool


@dataclass(frozen=True)
class Row:
    """Hold a request in the list."""

    folio: str
    title: str
    company: str
    asked_by: str
    chip: Chip
    marks: Sequence[str]
    deadline: str
    is_mine: bool


@dataclass(frozen=True)
class EmptyText:
    """Hold what an empty list says."""

    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """Hold the inbox as it is shown."""

    view: str
    kind: str
    query: str
    heading: str
    tabs: Sequence[Tab]
    rows: Sequence[Row]
    nothing: EmptyText
    previous_url: str = ""
    next_url: str = ""
    kinds: Sequence[tuple[str, str]] = KINDS


@dataclass(frozen=True)
class InboxQuery:
    """Hold what the address asks for; an unknown value counts as absent."""

    view: str = MINE
    kind: str = ""
    query: str = ""
    cursor: keyset.Cursor | None = None


def read_page(user: User, choice: InboxQuery) -> Page:
    """Return the page of mesa de control's inbox for the reader's choice: a view of requests, or search results.

    A search goes through all requests that the person may see. Its results and the finished requests come newest
    first; in the other views, what is due first comes first.
    """
    visible = policy.visible_to(user)
    waiting, unfinished = visible.filter(make_waiting_condition(user)), visible.exclude(status__in=ENDED)
    requests = {MINE: waiting, OPEN: unfinished, DONE: visible.filter(status__in=ENDED)}[choice.view]
    if choice.query:
        requests = visible.filter(_make_search_condition(choice.query))
    if choice.kind:
        requests = requests.filter(form=FORMS[choice.kind])
    is_newest_first = choice.view == DONE or bool(choice.query)
    sort_value = Coalesce("submitted_at", "created_at") if is_newest_first else keyset.late_when_null("due_at")
    sort_order = NEWEST_FIRST if is_newest_first else FIRST_DUE  # both sort by the column `place`
    found_page = keyset.page(sort_order, choice.cursor, _select_columns(requests.annotate(place=sort_value)))
    is_mine = choice.view == MINE and not choice.query
    parameters = {"vista": choice.view, "tipo": choice.kind, "q": choice.query}
    links = found_page.links({name: text for name, text in parameters.items() if text})
    return Page(
        choice.view,
        choice.kind,
        choice.query,
        f"Resultados de «{choice.query}»" if choice.query else VIEWS[choice.view],
        _make_tabs(choice, waiting, unfinished),
        [_make_row(formal, is_mine) for formal in found_page.rows],
        _make_empty_text(choice),
        previous_url=links["previous_url"],
        next_url=links["next_url"],
    )


def _make_search_condition(query: str) -> Q:
    """Return the condition that finds the requests which somebody searches for in the inbox.

    A folio finds that request. Otherwise each word must be part of the company's or the requester's name, or begin
    the RFC, the requester's mail, or the mail of a person whom an access request is about.
    """
    if folio := find_folio(query):
        return Q(folio=folio)
    matches = Q()
    for word in query.split():
        subjects = RequestedAsset.objects.filter(request=OuterRef("pk"), subject__istartswith=word)
        matches &= (
            Q(customer__legal_name__icontains=word)
            | Q(customer__rfc__istartswith=word)
            | Q(requester__full_name__icontains=word)
            | Q(requester__email__istartswith=word)
            | Q(Exists(subjects))  # the people whom access requests are about
        )
    return matches


def _select_columns(requests: Requests) -> Requests:
    """Return the requests with only the columns that a row of the inbox shows, and their current version's payload."""
    current = RequestRevision.objects.filter(request=OuterRef("pk"), no=OuterRef("revision_no"))
    return (
        requests.select_related("customer", "requester", "waiver")
        .annotate(payload=Subquery(current.values("payload")[:1]))
        .only(*_ROW_COLUMNS.split())
    )


def _make_row(formal: FormalRequest, is_mine: bool) -> Row:
    """Return the inbox's row for a request; `is_mine` says that it waits for the reader. A draft has no items yet."""
    payload: str | None = formal.payload  # type: ignore[attr-defined]
    items = json.loads(payload)["items"] if payload else []
    return Row(
        formal.folio,
        find_title(formal.form, formal.kind, items),
        f"{formal.customer.legal_name} ({formal.customer.rfc})",
        formal.requester.get_full_name(),
        wording.make_chip(formal),
        wording.list_marks(formal),
        _describe_date(formal),
        is_mine,
    )


def _describe_date(formal: FormalRequest) -> str:
    """Return the date in a row of the inbox: until when somebody must act, else when the request was received."""
    deadline = wording.describe_deadline(formal).removeprefix(" · ")
    return deadline[:1].upper() + deadline[1:] if deadline else f"Recibida {when(formal.submitted_at)}"


def _make_tabs(choice: InboxQuery, waiting: Requests, unfinished: Requests) -> list[Tab]:
    """Return the tabs above the inbox, one for each view, with the counts of the first two.

    `waiting` are the requests that wait for the reader: while there is one, their tab is highlighted. During a
    search no tab is the current one.
    """
    counts = {MINE: _count_up_to_cap(waiting), OPEN: _count_up_to_cap(unfinished), DONE: ""}
    return [
        Tab(
            f"?vista={view}",
            label,
            counts[view],
            view == choice.view and not choice.query,
            view == MINE and counts[view] != "0",
        )
        for view, label in VIEWS.items()
    ]


def _count_up_to_cap(requests: Requests) -> str:
    """Return the count that a tab shows; «99+» if there are more than 99. To save time, at most 100 rows are read."""
    count = len(requests.order_by().values_list("pk")[: COUNT_CAP + 1])
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


def _make_empty_text(choice: InboxQuery) -> EmptyText:
    """Return the title and the text that the inbox shows in place of an empty list.

    If somebody searched for something like a folio, the text says that one character may be wrong.
    """
    if not choice.query:
        return EmptyText(*EMPTY_TEXTS[choice.view])
    if re.fullmatch(r"\s*s[ac][- –]?\w{4}[- –]?\w{4}\s*", choice.query, re.IGNORECASE):  # «SC-5R8T-2NW2»
        return EmptyText("No hay una solicitud con ese folio", "Revíselo: puede haber un carácter cambiado.")
    return EmptyText("Nada coincide", "Busque por folio, razón social, RFC, nombre o correo de una persona.")
