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
NOTHING = {
    MINE: ("Nada le toca por ahora", "Aquí aparece lo que espera su decisión, lo que vence primero arriba."),
    OPEN: ("No hay solicitudes en curso", "Aquí aparecen desde que se envían hasta que se implementan."),
    DONE: ("No hay solicitudes terminadas", "Aquí quedan las cerradas, rechazadas, canceladas y vencidas."),
}
FIRST_DUE = keyset.Order("place", key="folio", read_key=read_folio)
NEWEST_FIRST = replace(FIRST_DUE, is_descending=True)
Requests = QuerySet[FormalRequest]
_SHOWN = """
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
class Nothing:
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
    nothing: Nothing
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


def read_page(user: User, asked: InboxQuery) -> Page:
    """Return the page of the inbox that this person asks for."""
    visible = policy.visible_to(user)
    mine, current = visible.filter(make_waiting_condition(user)), visible.exclude(status__in=ENDED)
    found = {MINE: mine, OPEN: current, DONE: visible.filter(status__in=ENDED)}[asked.view]
    if asked.query:
        found = visible.filter(_matching(asked.query))
    if asked.kind:
        found = found.filter(form=FORMS[asked.kind])
    is_newest_first = asked.view == DONE or bool(asked.query)
    place = Coalesce("submitted_at", "created_at") if is_newest_first else keyset.late_when_null("due_at")
    order = NEWEST_FIRST if is_newest_first else FIRST_DUE
    found_page = keyset.page(order, asked.cursor, _select_columns(found.annotate(place=place)))
    is_mine = asked.view == MINE and not asked.query
    parameters = {"vista": asked.view, "tipo": asked.kind, "q": asked.query}
    links = found_page.links({name: text for name, text in parameters.items() if text})
    return Page(
        asked.view,
        asked.kind,
        asked.query,
        f"Resultados de «{asked.query}»" if asked.query else VIEWS[asked.view],
        _make_tabs(asked, mine, current),
        [_make_row(formal, is_mine) for formal in found_page.rows],
        _explain_emptiness(asked),
        previous_url=links["previous_url"],
        next_url=links["next_url"],
    )


# -- Searching and paging ----------------------------------------------------------------------------


def _matching(query: str) -> Q:
    """Return the condition of a search: a folio; else words of a name, the start of an RFC or of a person's mail."""
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


# -- Rows and words ----------------------------------------------------------------------------------


def _select_columns(found: Requests) -> Requests:
    """Return the requests with the columns that a row of the list shows, and no others."""
    current = RequestRevision.objects.filter(request=OuterRef("pk"), no=OuterRef("revision_no"))
    return (
        found.select_related("customer", "requester", "waiver")
        .annotate(payload=Subquery(current.values("payload")[:1]))
        .only(*_SHOWN.split())
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


def _explain_emptiness(asked: InboxQuery) -> Nothing:
    """Return what an empty list says; a search for something like a folio hints at a wrong character."""
    if not asked.query:
        return Nothing(*NOTHING[asked.view])
    if re.fullmatch(r"\s*s[ac][- –]?\w{4}[- –]?\w{4}\s*", asked.query, re.IGNORECASE):
        return Nothing("No hay una solicitud con ese folio", "Revíselo: puede haber un carácter cambiado.")
    return Nothing("Nada coincide", "Busque por folio, razón social, RFC, nombre o correo de una persona.")
