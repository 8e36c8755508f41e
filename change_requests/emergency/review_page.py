"""The review of an emergency: its acts in words, what changed, and what each still needs (M27)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from change_requests.emergency import policy, wording
from change_requests.emergency.models import ActivityRecord, ActivityVerdict, EmergencyGrant
from change_requests.emergency.operations.recording import LATE
from change_requests.emergency.operations.reviewing import REFUSED_FROM, Item, count_items, find_items
from change_requests.emergency.wording import Chip
from change_requests.kinds.fields import BY_CODE, find_row
from factureya.core import clock
from factureya.core.models import ChainHead
from factureya.core.record import anchors

Kind, Verdict = ActivityRecord.Kind, ActivityVerdict.Verdict
ALL, OPEN, WRITES, UNFORESEEN = "todas", "por-revisar", "escrituras", "no-previstas"
FILTERS = {ALL: "Todas", OPEN: "Por revisar", WRITES: "Escrituras", UNFORESEEN: "No previstas"}
HOT = (OPEN, UNFORESEEN)
INSIDE, LEAVE, LOGOUT, ENTRY = "emergency:inside", "emergency:leave", "account_logout", "(entrar)"


@dataclass(frozen=True)
class Act:
    """Hold one act of the review, in words."""

    item: Item
    place: int
    title: str
    detail: str
    time: str
    chip: Chip
    url: str
    css: str

    @property
    def seq(self) -> int:
        """Return the number of the act's record."""
        return self.item.record.seq


@dataclass(frozen=True)
class Tab:
    """Hold a filter of the list."""

    url: str
    label: str
    count: int
    is_current: bool
    is_hot: bool


class ReviewPage:
    """Read what the review of an emergency shows to one person, with a filter and the act that is looked at."""

    def __init__(self, grant: EmergencyGrant, user: User, view: str = ALL, seq: int | None = None) -> None:
        self.grant, self.user = grant, user
        self.view = view if view in FILTERS else ALL
        self._seq = seq

    @cached_property
    def acts(self) -> list[Act]:
        """Return every act of the emergency, in order."""
        return [
            make_act(item, number, self._make_url(item)) for number, item in enumerate(find_items(self.grant), start=1)
        ]

    @property
    def shown(self) -> list[Act]:
        """Return the acts of the filter."""
        return [act for act in self.acts if _is_in(self.view, act.item)]

    @cached_property
    def current(self) -> Act | None:
        """Return the act to show: that of the address, else the first in the list without verdict, else the first."""
        from_address = [act for act in self.acts if act.seq == self._seq]
        unjudged = [act for act in self.shown if act.item.verdict is None]
        return next(iter([*from_address, *unjudged, *self.shown]), None)

    @property
    def tabs(self) -> list[Tab]:
        """Return the filters, each with its number of acts; those in HOT stand out if they have any."""
        counts = {view: sum(_is_in(view, act.item) for act in self.acts) for view in FILTERS}
        return [
            Tab(f"?filtro={view}", label, counts[view], view == self.view, view in HOT and counts[view] > 0)
            for view, label in FILTERS.items()
        ]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return the counts of `count_items`, and how many acts have a verdict (judged) or none (missing)."""
        items = [act.item for act in self.acts]
        missing = sum(item.verdict is None for item in items)
        return {**count_items(items), "missing": missing, "judged": len(items) - missing}

    @cached_property
    def may_review(self) -> bool:
        """Return True if the reader may judge and sign now."""
        return policy.why_not_review(self.user, self.grant) is None

    @property
    def why_not(self) -> str:
        """Return why the reader may not judge and sign, or ""."""
        return str(policy.why_not_review(self.user, self.grant) or "")

    @property
    def used(self) -> str:
        """Return how long the emergency was open, or has been until now, as text."""
        grant = self.grant
        assert grant.opened_at is not None
        span = (grant.ended_at or clock.now()) - grant.opened_at
        return wording.show_minutes(max(1, round(span / timedelta(minutes=1))))

    @property
    def granted(self) -> str:
        """Return for how long it was authorized."""
        return wording.show_minutes(self.grant.minutes_granted)

    @cached_property
    def head(self) -> ChainHead | None:
        """Return the end of the emergency's chain."""
        return ChainHead.objects.filter(chain=self.grant.chain).first()

    @cached_property
    def anchor(self) -> str:
        """Return the line that names the last anchor; "" without one."""
        return anchors.describe_anchor()

    def find_next_url(self, after: int) -> str:
        """Return the address of the next act without verdict, else of the first one, else of the form to sign."""
        unjudged = [act for act in self.acts if act.item.verdict is None]
        later = [act for act in unjudged if act.seq > after] or unjudged
        return later[0].url if later else f"{reverse('emergency:review', args=[self.grant.folio])}#firmar"

    def _make_url(self, item: Item) -> str:
        """Return the address of the review page that shows this act beside the list, under the same filter."""
        query = urlencode({"filtro": self.view, "registro": item.record.seq})
        return f"{reverse('emergency:review', args=[self.grant.folio])}?{query}#acto"


def _is_in(view: str, item: Item) -> bool:
    """Return True if the list shows the act under this filter (`view`, a key of FILTERS)."""
    if view == OPEN:
        return item.verdict is None
    if view == WRITES:
        return item.is_write
    return view == ALL or not item.is_foreseen  # the filter that is left is UNFORESEEN


def make_act(item: Item, number: int, url: str = "") -> Act:
    """Return an act of an emergency as the page shows it; `number` is its place in the list, `url` the link to it."""
    local = timezone.localtime(item.record.at)
    detail = [item.record.object_text] if item.record.object_text else []
    if item.outcome is not None and (item.outcome.status or 0) >= REFUSED_FROM:
        detail.append("rechazado")
    if item.is_gap:  # the act was begun, and no outcome was recorded
        detail.append("la intención no tiene resultado")
    elif item.record.kind != Kind.SYSTEM:
        detail.append("previsto" if item.is_foreseen else "no previsto")
    css = "is-gap" if item.is_gap else "is-write" if item.is_write else ""  # a gap matters more than a write
    return Act(
        item, number, describe_act(item), " · ".join(detail), f"{local:%-H:%M:%S}", make_verdict_chip(item), url, css
    )


def make_verdict_chip(item: Item) -> Chip:
    """Return the verdict of an act as a coloured label."""
    if item.verdict is None:
        return Chip("waiting", "Por revisar")
    is_conform = item.verdict.verdict == Verdict.CONFORM
    return Chip("ok" if is_conform else "bad", str(item.verdict.get_verdict_display()))


def describe_act(item: Item) -> str:
    """Return what was done, in words: «Consultó», «Cambió domicilio fiscal», «Intentó cambiar teléfono»."""
    record, is_post = item.record, item.record.method == "POST"
    if record.verb == ENTRY:
        return "Entró"
    if record.verb == LATE:
        return "Llegó tarde un resultado"
    if record.verb in (LEAVE, LOGOUT):
        return "Terminó la emergencia"
    if record.verb == INSIDE and is_post:
        code = _read_sent(record, "field")
        label = find_row(code).label.lower() if code in BY_CODE else "un dato"
        if _read_sent(record, "step") != "aplicar":  # it only asked for the preview
            return f"Preparó el cambio de {label}"
        return f"Cambió {label}" if item.rows else f"Intentó cambiar {label}"  # no changed row: it was refused
    return "Intentó escribir" if record.method not in ("", "GET", "HEAD") else "Consultó"


def list_values(item: Item) -> Sequence[dict[str, Any]]:
    """Return each changed value, before and after; if nothing changed, the value that was asked for in a form."""
    rows = []
    for difference in item.rows:
        old, new = difference.old or {}, difference.new or {}
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                label = find_row(name).label if name in BY_CODE else f"{difference.table_name}.{name}"
                rows.append({"label": label, "old": _show(old.get(name)), "new": _show(new.get(name))})
    code = _read_sent(item.record, "field")
    if not rows and item.record.method == "POST" and code in BY_CODE:
        rows.append({"label": find_row(code).label, "old": "", "new": _read_sent(item.record, "new")})
    return rows


def _read_sent(record: ActivityRecord, name: str) -> str:
    """Return what a form sent in a field; of several values the last, as a view reads it; "" for none."""
    value = record.fields.get(name)
    return _show(value[-1] if isinstance(value, list) else value)


def _show(value: Any) -> str:
    """Return a value of a row as text; "" for none."""
    return "" if value is None else str(value)
