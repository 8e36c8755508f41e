"""What the pages show of one request: twelve statements at the most, session and user included."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.models import Customer, User
from change_requests import policy
from change_requests.approvals import Slot, slots_of
from change_requests.control import checks, state, steps
from change_requests.control.checks import Checks
from change_requests.control.steps import Step, Turn
from change_requests.documents import evidence
from change_requests.kinds import content, labels
from change_requests.kinds.fields import find_row
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import show_day
from change_requests.models import (
    Clarification,
    Execution,
    FormalRequest,
    MailText,
    RequestRevision,
)
from change_requests.recipients import Role
from factureya.core import clock
from factureya.core.templatetags.fy import when
from factureya.core.words import MONTHS_LONG

Status = FormalRequest.Status
YEAR_DAYS = 365


@dataclass(frozen=True)
class Change:
    """A field, its value today as the request says, and the one asked for; in words."""

    label: str
    old: str
    new: str
    is_risky: bool


@dataclass(frozen=True)
class File:
    """A file of the request."""

    token: str
    name: str
    size: int
    sha256: str
    is_as_sent: bool = True  # its stored bytes were read when the page was made

    @property
    def short_hash(self) -> str:
        """«9f2c…41ab»: enough to compare by eye; the whole one is in the expediente."""
        return f"{self.sha256[:4]}…{self.sha256[-4:]}"


@dataclass(frozen=True)
class Outcome:
    """What the execution did, in a table of two columns."""

    title: str
    text: str
    first: str
    second: str
    rows: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Alarm:
    """«No fui yo» after the execution: since when, by when an officer looks, who said it, where it is undone."""

    at: datetime
    until: datetime
    mailboxes: Sequence[str]
    revert_url: str


@dataclass
class Dossier:
    """One request as a member of mesa de control sees it now."""

    formal: FormalRequest
    user: User
    revision: RequestRevision | None
    slots: list[Slot]  # of this version
    clarifications: Sequence[Clarification]
    evidence: Sequence[File]
    mails: Sequence[MailText]
    execution: Execution | None
    payload: dict[str, Any] = field(default_factory=dict)

    # -- The head ------------------------------------------------------------------------------------

    @property
    def folio(self) -> str:
        """The folio."""
        return self.formal.folio

    @property
    def customer(self) -> Customer:
        """Whose data they are."""
        return self.formal.customer

    @property
    def sha256(self) -> str:
        """The hash of the content that is shown."""
        return self.revision.sha256 if self.revision else ""

    @property
    def revision_no(self) -> int:
        """The version that is shown."""
        return self.formal.revision_no

    @property
    def items(self) -> list[dict[str, str]]:
        """What the payload asks for."""
        return list(self.payload.get("items", ()))

    @property
    def title(self) -> str:
        """«Cambio de domicilio fiscal, teléfono y correo registrado»."""
        return find_kind(self.formal).title(self.items)

    @property
    def asked_by(self) -> str:
        """«la solicita Rosa Paredes, representante legal»."""
        power = self.formal.representative.get_power_kind_display().lower()
        return f"la solicita {self.formal.requester.get_full_name()}, {power}"

    @property
    def chip(self) -> state.Chip:
        """The state; what waits for this person says so."""
        if self.is_my_decision:
            return state.Chip("waiting", "Falta su aprobación")
        if self.is_waiting_for_customer and self.formal.status == Status.IN_APPROVAL:
            return state.Chip("waiting", "En espera de aclaración")
        return state.chip(self.formal)

    @property
    def dates(self) -> str:
        """«Recibida ayer, 16:20 · vence mañana, 16:20»."""
        received = self.formal.submitted_at or self.formal.created_at
        return f"Recibida {when(received)}{state.due_words(self.formal)}"

    @property
    def marks(self) -> list[str]:
        """What is wrong, in red."""
        return state.marks(self.formal)

    @cached_property
    def alarm(self) -> Alarm | None:
        """«No fui yo» after the execution, until an officer looks at it (M8)."""
        if self.formal.alarmed_at is None:
            return None
        said = self.formal.events().filter(verb="request.disowned", at__gte=self.formal.alarmed_at)
        may_revert = policy.may_revert(self.user, self.formal) is None
        return Alarm(
            self.formal.alarmed_at,
            policy.alarm_until(self.formal),
            [_mailbox(data) for data in said.order_by("seq").values_list("data", flat=True)],
            reverse("control:revert", args=[self.folio]) if may_revert else "",
        )

    # -- The content ---------------------------------------------------------------------------------

    @property
    def changes_title(self) -> str:
        """The heading over old and new."""
        return "Qué cambia" if self.formal.form == FormalRequest.Form.CHANGE else "Qué se pide"

    @property
    def changes(self) -> list[Change]:
        """Old and new, field by field."""
        return changes_of(self.items)

    @property
    def warning(self) -> str:
        """Why a field is risky."""
        return " ".join(filter(None, (find_row(item["field"]).warning for item in self.items)))

    @property
    def reason(self) -> str:
        """Why the customer asks."""
        return str(self.payload.get("reason", ""))

    @property
    def effective(self) -> str:
        """«1 de diciembre de 2026», or empty for *on execution*."""
        return show_day(str(self.payload.get("effective_date", "")))

    # -- Who decides ---------------------------------------------------------------------------------

    @property
    def decider_ids(self) -> set[int]:
        """Who has decided about this version."""
        return {slot.decision.decider_id for slot in self.slots if slot.decision is not None}

    @property
    def pending(self) -> list[Slot]:
        """The approvals that are still to be given."""
        return [slot for slot in self.slots if slot.decision is None]

    @property
    def is_waiting_for_customer(self) -> bool:
        """Whether a question waits for its answer; the deadline is stopped."""
        return self.formal.due_minutes_left is not None

    @cached_property
    def is_my_decision(self) -> bool:
        """Whether it is this person's turn to decide; while a question is open it is the customer's."""
        if self.is_waiting_for_customer:
            return False
        return policy.may_decide(self.user, self.formal, self.slots) is None

    @cached_property
    def checks(self) -> Checks:
        """What the system verifies by itself."""
        return checks.of(self)

    @cached_property
    def steps(self) -> list[Step]:
        """The way of the request and where it is."""
        return steps.of(self)

    @property
    def turn(self) -> Turn:
        """Who acts now, when it is not this person."""
        return steps.turn(self)

    # -- Carrying out --------------------------------------------------------------------------------

    @property
    def is_ripe(self) -> bool:
        """Whether the wait after the approval is over (SENSITIVE_FREEZE_HOURS) and the approval still holds."""
        after, before = self.formal.execute_after, self.formal.execute_before
        return after is not None and before is not None and after <= clock.now() < before

    @property
    def until_words(self) -> str:
        """« La aprobación vence mañana, 16:20.»"""
        before = self.formal.execute_before
        return f" La aprobación vence {when(before)}." if before else ""

    # -- The rest ------------------------------------------------------------------------------------

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What helps to judge."""
        since = self.customer.created_at
        recent = getattr(self.formal, "recent_changes", 0)
        login = self.formal.requester.last_login
        return [
            ("Cliente desde", f"{MONTHS_LONG[since.month - 1]} de {since.year}"),
            ("Cambios en 12 meses", str(recent) if recent else "Ninguno"),
            ("Último acceso de quien solicita", when(login) or "Nunca"),
            ("Llegó por", self.formal.get_channel_display()),
        ]

    @property
    def outcome(self) -> Outcome | None:
        """What the execution did; a drift is explained."""
        return _outcome(self.execution, self.items) if self.execution else None


def with_names(requests: QuerySet[FormalRequest]) -> QuerySet[FormalRequest]:
    """The request with its version, whom it names, and how many changes its company had in a year; one statement."""
    since = clock.now() - timedelta(days=YEAR_DAYS)
    done = FormalRequest.objects.filter(
        customer=OuterRef("customer"), form=FormalRequest.Form.CHANGE, executed_at__gte=since
    )
    count = done.order_by().values("customer").annotate(n=Count("pk")).values("n")
    related = (
        "customer",
        "requester",
        "representative",
        "verified_by",
        "implementer",
        "waiver__checker",
        "waiver__approved_by",
        "revert_of",
        "kept_revision",
    )
    # Under the name where content.revision_of keeps it.
    current = FilteredRelation("revisions", condition=Q(revisions__no=F("revision_no")))
    return requests.annotate(
        has_mails=Exists(MailText.objects.filter(request=OuterRef("pk"))),
        kept_revision=current,
        recent_changes=Coalesce(Subquery(count), 0),
    ).select_related(*related)


def of(formal: FormalRequest, user: User) -> Dossier:
    """Everything the page shows of the request."""
    revision = content.revision_of(formal) if formal.revision_no else None
    return Dossier(
        formal,
        user,
        revision,
        slots_of(formal) if revision else [],
        list(Clarification.objects.filter(request=formal).order_by("pk")),
        files(formal),
        mails(formal),
        _execution(formal),
        json.loads(revision.payload) if revision else {},
    )


def changes_of(items: Sequence[dict[str, str]]) -> list[Change]:
    """The items of a payload in words."""
    return [
        Change(row.label, row.show(item["old"]), row.show(item["new"]) or row.staff_new, row.is_risky)
        for item in items
        for row in [find_row(item["field"])]
    ]


def files(formal: FormalRequest) -> list[File]:
    """The files of the version that is shown."""
    return [
        File(
            row.attachment.token,
            row.attachment.name,
            row.attachment.size,
            row.sha256,
            evidence.is_as_sent(row.attachment, row.sha256),
        )
        for row in evidence.list_evidence(formal)
    ]


def _mailbox(data: dict[str, Any]) -> str:
    """«ana@ocaso.mx (quien solicita)», as far as it is known who said it."""
    role = Role(data["role"]).label if data.get("role") else ""
    address = data.get("mailbox") or "un correo que no se pudo identificar"
    return f"{address} ({role})" if role else address


def mails(formal: FormalRequest) -> list[MailText]:
    """The words, and the files that are no evidence, of the mails that brought its form."""
    if not getattr(formal, "has_mails", True):  # `with_names` asked it
        return []
    kept = MailText.objects.filter(request=formal).exclude(body="", files__isnull=True)
    return list(kept.distinct().prefetch_related("files__attachment").order_by("pk"))


def _execution(formal: FormalRequest) -> Execution | None:
    if formal.status not in (*state.DONE, Status.FAILED):
        return None
    return Execution.objects.filter(request=formal).order_by("-pk").first()


def _outcome(execution: Execution, items: Sequence[dict[str, str]]) -> Outcome:
    """What was applied, or which of today's values was not the one that the request says."""
    done = f"{execution.executor_name}, {when(execution.at)}."
    if execution.result == Execution.Result.OK:
        text = f"Se aplicó exactamente lo aprobado. {done}"
        rows = _rows(execution.before, execution.after)
        return Outcome("Qué se hizo", text, "Antes", "Después", rows)
    text = f"No se escribió nada: un dato ya no era el que dice la solicitud. {done}"
    expected = {item["field"]: item["old"] for item in items if item["field"] in execution.before}
    rows = _rows(expected, execution.before)
    return Outcome("Por qué no se aplicó", text, "Decía la solicitud", "Había", rows)


def _rows(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    """Two columns by field, in words."""
    return [
        (
            labels.label(name),
            labels.value(name, str(first.get(name, ""))),
            labels.value(name, str(second.get(name, ""))),
        )
        for name in {**first, **second}
    ]
