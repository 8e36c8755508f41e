"""The inbox of mesa de control: what waits for me first, by its deadline; keyset pages, filter and search.

No COUNT without a limit, no OFFSET. Three statements, whatever there is: two capped figures and a page of rows.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import Office, User
from change_requests import policy
from change_requests.control import state
from change_requests.kinds import labels
from change_requests.kinds.folios import find_folio, read_folio
from change_requests.models import (
    Decision,
    DecisionSlot,
    FormalRequest,
    RequestedAsset,
    RequestRevision,
)
from factureya.core import clock, keyset
from factureya.core.templatetags.fy import when

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
Status = FormalRequest.Status
ENDED = (
    Status.EXECUTED,
    Status.CLOSED,
    Status.REVERTED,
    Status.REJECTED,
    Status.CANCELLED,
    Status.EXPIRED,
)
FIRST_DUE = keyset.Order("place", key="folio", read_key=read_folio)
NEWEST_FIRST = replace(FIRST_DUE, is_descending=True)
Requests = QuerySet[FormalRequest]


@dataclass(frozen=True)
class Tab:
    """A tab; `count` is text («4», «99+»), empty where nothing is counted."""

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
    chip: state.Chip
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
class Asked:
    """What the address asks for; what is none of ours counts as absent."""

    view: str = MINE
    kind: str = ""
    query: str = ""
    cursor: keyset.Cursor | None = None

    @property
    def is_newest_first(self) -> bool:
        """Whether the list is sorted by when a request came; else by when it is due."""
        return self.view == DONE or bool(self.query)

    @property
    def base(self) -> dict[str, str]:
        """The part of the address that stays from page to page."""
        asked = {"vista": self.view, "tipo": self.kind, "q": self.query}
        return {name: text for name, text in asked.items() if text}


def page(user: User, asked: Asked) -> Page:
    """The inbox of this person."""
    visible = policy.visible_to(user)
    mine, current = visible.filter(_mine(user)), visible.exclude(status__in=ENDED)
    found = {MINE: mine, OPEN: current, DONE: visible.filter(status__in=ENDED)}[asked.view]
    if asked.query:
        found = visible.filter(_matching(asked.query))
    if asked.kind:
        found = found.filter(form=FORMS[asked.kind])
    newest = asked.is_newest_first
    place = Coalesce("submitted_at", "created_at") if newest else keyset.late_when_null("due_at")
    order = NEWEST_FIRST if newest else FIRST_DUE
    found_page = keyset.page(order, asked.cursor, _for_rows(found.annotate(place=place)))
    is_mine = asked.view == MINE and not asked.query
    return Page(
        asked.view,
        asked.kind,
        asked.query,
        _heading(asked),
        _tabs(asked, mine, current),
        [_row(formal, is_mine) for formal in found_page.rows],
        _nothing(asked),
        **found_page.links(asked.base),
    )


# -- What is mine ------------------------------------------------------------------------------------


def _mine(user: User) -> Q:
    """What waits for an act of this person in one of the offices held now; never an own request."""
    found = Q(pk__in=[])
    running = Q(suspended_at__isnull=True)
    if user.holds(Office.SUPERVISOR):
        found |= running & Q(status=Status.VERIFYING) | Q(status=Status.EXECUTED)
        found |= _alarmed()
    if user.holds(Office.INFORMATION_OWNER):
        found |= _to_decide(user) & Q(Exists(_owned(user, open_only=True)))
    if user.holds(Office.SECURITY_OFFICER):
        unfilled = Q(~Exists(_slots().filter(office=Decision.Office.SECURITY)))
        found |= _to_decide(user) & unfilled & Q(~Exists(_owned(user)))
        found |= running & Q(status=Status.APPROVED, implementer__isnull=True)
        found |= Q(suspended_at__isnull=False) & ~Q(status__in=ENDED)
        found |= _alarmed()
    ripe = Q(execute_after__lte=clock.now())
    found |= running & ripe & Q(status=Status.APPROVED, implementer=user)
    found |= Q(
        waiver__checker=user,
        waiver__checked_at__isnull=True,
        status__in=(Status.EXECUTED, Status.CLOSED, Status.REVERTED),
    )
    return found & ~Q(requester=user)


def _alarmed() -> Q:
    """Applied, and somebody said «no fui yo»: until an officer marks it as seen (M8)."""
    return Q(alarmed_at__isnull=False)


def _to_decide(user: User) -> Q:
    """In approval, not stopped, no question open, and not yet decided by this person."""
    decided = Decision.objects.filter(request=OuterRef("pk"), revision_no=OuterRef("revision_no"), decider=user)
    waits = Q(status=Status.IN_APPROVAL, suspended_at__isnull=True, due_minutes_left__isnull=True)
    return waits & ~Q(implementer=user) & Q(~Exists(decided))


def _owned(user: User, *, open_only: bool = False) -> QuerySet[RequestedAsset]:
    """The touched assets that are this person's today; `open_only`: those nobody has decided about."""
    instant = clock.now()
    stands_in = Q(
        asset__alternate=user,
        asset__alternate_from__lte=instant,
        asset__alternate_until__gt=instant,
    )
    rows = RequestedAsset.objects.filter(Q(asset__owner=user) | stands_in, request=OuterRef("pk"))
    if not open_only:
        return rows
    filled = DecisionSlot.objects.filter(
        request=OuterRef("request"),
        revision_no=OuterRef("request__revision_no"),
        asset=OuterRef("asset"),
        voided_at__isnull=True,
    )
    return rows.filter(~Exists(filled), open=True)


def _slots() -> QuerySet[DecisionSlot]:
    """The filled slots of the version in force."""
    return DecisionSlot.objects.filter(
        request=OuterRef("pk"), revision_no=OuterRef("revision_no"), voided_at__isnull=True
    )


# -- Searching and paging ----------------------------------------------------------------------------


def _matching(query: str) -> Q:
    """By folio; else by the words of a company's or a person's name, an RFC, or a person's mail."""
    if folio := find_folio(query):
        return Q(folio=folio)
    matches = Q()
    for word in query.split():
        matches &= (
            Q(customer__legal_name__icontains=word)
            | Q(customer__rfc__istartswith=word)
            | Q(requester__full_name__icontains=word)
            | Q(requester__email__istartswith=word)
            | Q(Exists(_asks_for(word)))
        )
    return matches


def _asks_for(word: str) -> QuerySet[RequestedAsset]:
    """The person whom an access request is about."""
    return RequestedAsset.objects.filter(request=OuterRef("pk"), subject__istartswith=word)


# -- Rows and words ----------------------------------------------------------------------------------


def _for_rows(found: Requests) -> Requests:
    """With what a row shows, and no more columns than that."""
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


def _row(formal: FormalRequest, is_mine: bool) -> Row:
    payload: str | None = formal.payload  # type: ignore[attr-defined]
    items = json.loads(payload)["items"] if payload else []
    return Row(
        formal.folio,
        labels.title(formal.form, formal.kind, items),
        f"{formal.customer.legal_name} ({formal.customer.rfc})",
        formal.requester.get_full_name(),
        state.chip(formal),
        state.marks(formal),
        _deadline(formal),
        is_mine,
    )


def _deadline(formal: FormalRequest) -> str:
    due = state.due_words(formal).removeprefix(" · ")
    return due[:1].upper() + due[1:] if due else f"Recibida {when(formal.submitted_at)}"


def _tabs(asked: Asked, mine: Requests, current: Requests) -> list[Tab]:
    figures = {MINE: _figure(mine), OPEN: _figure(current), DONE: ""}
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


def _figure(found: Requests) -> str:
    count = len(found.order_by().values_list("pk")[: COUNT_CAP + 1])
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


def _heading(asked: Asked) -> str:
    return f"Resultados de «{asked.query}»" if asked.query else VIEWS[asked.view]


def _nothing(asked: Asked) -> Nothing:
    if not asked.query:
        return Nothing(*NOTHING[asked.view])
    if re.fullmatch(r"\s*s[ac][- –]?\w{4}[- –]?\w{4}\s*", asked.query, re.IGNORECASE):
        return Nothing("No hay una solicitud con ese folio", "Revíselo: puede haber un carácter cambiado.")
    return Nothing("Nada coincide", "Busque por folio, razón social, RFC, nombre o correo de una persona.")
