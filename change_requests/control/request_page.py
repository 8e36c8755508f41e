"""What the pages of mesa de control show of one request: at most twelve statements, session and user included."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.models import Customer, User
from change_requests import policy
from change_requests.approvals import NeededApproval, find_needed_approvals, select_open
from change_requests.control import wording
from change_requests.control.checks import Checks, run_checks
from change_requests.control.wording import Chip, Step, Turn
from change_requests.documents import evidence
from change_requests.kinds.fields import find_row
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import show_day
from change_requests.models import (
    Clarification,
    Execution,
    FormalRequest,
    MailText,
    ReceivedForm,
    RequestRevision,
    Waiver,
)
from change_requests.recipients import Role
from factureya.core import clock
from factureya.core.calendar import MONTHS_LONG
from factureya.core.templatetags.fy import when

Status = FormalRequest.Status
YEAR_DAYS = 365
_JOINED_TABLES = "customer requester representative verified_by implementer kept_revision"


@dataclass(frozen=True)
class Change:
    """Hold a field with its old and its new value, in words."""

    label: str
    old: str
    new: str
    is_risky: bool


@dataclass(frozen=True)
class File:
    """Hold a file of the request; `is_as_sent` says what reading its stored bytes gave when the page was made."""

    token: str
    name: str
    size: int
    sha256: str
    is_as_sent: bool = True

    @property
    def short_hash(self) -> str:
        """Return «9f2c…41ab»: enough to compare by eye; the whole hash is in the *expediente*."""
        return f"{self.sha256[:4]}…{self.sha256[-4:]}"


@dataclass(frozen=True)
class Outcome:
    """Hold what the execution did, as a table of two columns."""

    title: str
    text: str
    first: str
    second: str
    rows: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Alarm:
    """Hold a «no fui yo» after the execution: since when, by when an officer looks, who said it, where it is undone."""

    at: datetime
    until: datetime
    mailboxes: Sequence[str]
    revert_url: str


class RequestPage:
    """Read one request as a member of mesa de control sees it now; each part is read when it is first asked for."""

    def __init__(self, formal_request: FormalRequest, user: User) -> None:
        self.formal_request, self.user = formal_request, user

    @property
    def folio(self) -> str:
        return self.formal_request.folio

    @property
    def customer(self) -> Customer:
        return self.formal_request.customer

    @property
    def sha256(self) -> str:
        """Return the hash of the content that is shown; empty for a draft."""
        return self.revision.sha256 if self.revision else ""

    @property
    def revision_no(self) -> int:
        return self.formal_request.revision_no

    @property
    def items(self) -> list[dict[str, str]]:
        """Return what the payload asks for, field by field."""
        return list(self.payload.get("items", ()))

    @property
    def title(self) -> str:
        """Return «Cambio de domicilio fiscal, teléfono y correo registrado»."""
        return find_kind(self.formal_request).title(self.items)

    @property
    def asked_by(self) -> str:
        """Return who asks, for the heading of the request's page: «la solicita Rosa Paredes, representante legal»."""
        power = self.formal_request.representative.get_power_kind_display().lower()
        return f"la solicita {self.formal_request.requester.get_full_name()}, {power}"

    @property
    def chip(self) -> Chip:
        """Return the status mark on the page; it says if the reader's approval or the company's answer is missing."""
        if self.is_my_decision:
            return Chip("waiting", "Falta su aprobación")
        if self.is_waiting_for_answer and self.formal_request.status == Status.IN_APPROVAL:
            return Chip("waiting", "En espera de aclaración")
        return wording.make_chip(self.formal_request)

    @property
    def dates(self) -> str:
        """Return the dates in the heading of the request's page: «Recibida ayer, 16:20 · vence mañana, 16:20»."""
        received = self.formal_request.submitted_at or self.formal_request.created_at
        return f"Recibida {when(received)}{wording.describe_deadline(self.formal_request)}"

    @property
    def marks(self) -> list[str]:
        """Return what is wrong with the request, shown in red."""
        return wording.list_marks(self.formal_request)

    @cached_property
    def alarm(self) -> Alarm | None:
        """Return the warning that somebody said «no fui yo» after the execution (M8).

        It names who said it, and until when an officer must examine it. A reader who may revert the request also gets
        the address for that. Return None if nobody said it, or if an officer has looked at it.
        """
        since = self.formal_request.alarmed_at  # set by «no fui yo» after the execution, until an officer looked
        if since is None:
            return None
        objections = self.formal_request.events().filter(verb="request.disowned", at__gte=since).order_by("seq")
        may_revert = policy.why_not_revert(self.user, self.formal_request) is None
        return Alarm(
            since,
            policy.find_alarm_deadline(self.formal_request),
            [_describe_objector(data) for data in objections.values_list("data", flat=True)],
            reverse("control:revert", args=[self.folio]) if may_revert else "",
        )

    @cached_property
    def revision(self) -> RequestRevision | None:
        """Return the version that is shown; a draft has none."""
        return self.formal_request.read_revision() if self.formal_request.revision_no else None

    @cached_property
    def payload(self) -> dict[str, Any]:
        """Return the content of the version; empty for a draft."""
        return json.loads(self.revision.payload) if self.revision else {}

    @cached_property
    def evidence(self) -> list[File]:
        """Return the files of evidence, with their links; each is read, to say whether it still is what was sent."""
        return [
            File(
                row.attachment.token,
                row.attachment.name,
                row.attachment.size,
                row.sha256,
                evidence.is_as_sent(row.attachment, row.sha256),
            )
            for row in evidence.list_evidence(self.formal_request)
        ]

    @cached_property
    def clarifications(self) -> list[Clarification]:
        """Return the questions to the company and its answers, oldest first."""
        return list(Clarification.objects.filter(request=self.formal_request).order_by("pk"))

    @cached_property
    def mails(self) -> list[MailText]:
        """Return the mails that brought the request's form, if they have a text or files that are no evidence."""
        if not getattr(self.formal_request, "has_mails", True):  # `join_page_data` sets it: no query if no mail came
            return []
        texts = MailText.objects.filter(request=self.formal_request).exclude(body="", files__isnull=True)
        return list(texts.distinct().prefetch_related("files__attachment").order_by("pk"))

    @cached_property
    def received_forms(self) -> list[ReceivedForm]:
        """Return the PDF forms that came by mail for this request, oldest first, with the mail of each (M20)."""
        if not getattr(self.formal_request, "has_forms", True):  # no query if none came
            return []
        forms = ReceivedForm.objects.filter(request=self.formal_request).select_related("attachment")
        return list(forms.order_by("pk"))

    @property
    def changes_title(self) -> str:
        """Return the heading over old and new values."""
        return "Qué cambia" if self.formal_request.form == FormalRequest.Form.CHANGE else "Qué se pide"

    @property
    def changes(self) -> list[Change]:
        """Return old and new, field by field."""
        return describe_changes(self.items)

    @property
    def warning(self) -> str:
        """Return why some of the fields are risky; empty when none is."""
        return " ".join(filter(None, (find_row(item["field"]).warning for item in self.items)))

    @property
    def reason(self) -> str:
        return str(self.payload.get("reason", ""))

    @property
    def effective(self) -> str:
        """Return «1 de diciembre de 2026», or empty for *on execution*."""
        return show_day(str(self.payload.get("effective_date", "")))

    @cached_property
    def approvals(self) -> list[NeededApproval]:
        """Return the approvals that the version needs; a draft needs none."""
        return find_needed_approvals(self.formal_request) if self.formal_request.revision_no else []

    @property
    def decider_ids(self) -> set[int]:
        """Return the keys of the people who have decided about this version."""
        return {approval.decision.decider_id for approval in self.approvals if approval.decision is not None}

    @property
    def open_approvals(self) -> list[NeededApproval]:
        """Return the approvals that are still to be given."""
        return select_open(self.approvals)

    @property
    def is_waiting_for_answer(self) -> bool:
        """Return True if a question waits for the company's answer; the deadline is stopped."""
        return self.formal_request.due_minutes_left is not None

    @cached_property
    def is_my_decision(self) -> bool:
        """Return True if the reader may decide about the request now. Nobody may while the company owes an answer."""
        if self.is_waiting_for_answer:
            return False
        return policy.why_not_decide(self.user, self.formal_request, self.approvals) is None

    @cached_property
    def checks(self) -> Checks:
        """Return what the system verified about the request by itself, to show whoever decides."""
        files = [(file.name, file.sha256, file.is_as_sent) for file in self.evidence]
        return run_checks(self.formal_request, self.user, files)

    @cached_property
    def steps(self) -> list[Step]:
        """Return the way of the request and where it is."""
        return wording.list_steps(self.formal_request, self.approvals, self.user)

    @property
    def turn(self) -> Turn:
        """Return whose turn it is with the request, to show a reader who may do nothing now."""
        has_decided = self.user.pk in self.decider_ids
        return wording.describe_turn(self.formal_request, self.open_approvals, self.user, has_decided=has_decided)

    @property
    def is_executable_now(self) -> bool:
        """Return True if an approved request may be applied now: its waiting time is over, and it has not expired."""
        after, before = self.formal_request.execute_after, self.formal_request.execute_before
        return after is not None and before is not None and after <= clock.now() < before

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return background on the company and the request, to help whoever decides, as pairs of label and value."""
        since = self.customer.created_at
        changes = getattr(self.formal_request, "recent_changes", 0)  # `join_page_data` counts them
        login = self.formal_request.requester.last_login
        return [
            ("Cliente desde", f"{MONTHS_LONG[since.month - 1]} de {since.year}"),
            ("Cambios en 12 meses", str(changes) if changes else "Ninguno"),
            ("Último acceso de quien solicita", when(login) or "Nunca"),
            ("Llegó por", self.formal_request.get_channel_display()),
        ]

    @cached_property
    def outcome(self) -> Outcome | None:
        """Return what the request's execution did, or why it wrote nothing; None if it was not executed yet."""
        if self.formal_request.status not in (*wording.APPLIED, Status.FAILED):
            return None
        execution = Execution.objects.filter(request=self.formal_request).order_by("-pk").first()
        return _describe_execution(execution, self.items) if execution else None


def join_page_data(requests: QuerySet[FormalRequest]) -> QuerySet[FormalRequest]:
    """Return the query of requests with what a request's page in mesa de control also needs, in the same query.

    It adds the current version, company and people. It also adds whether mails brought the request, and how many
    changes of its company were executed in the last year. Evidence and messages are read later. A waiver or a reverted
    request is read in a query of its own, if there is one: with so many joins, PostgreSQL plans longer than it reads.
    """
    year_ago = clock.now() - timedelta(days=YEAR_DAYS)
    executed_changes = FormalRequest.objects.filter(
        customer=OuterRef("customer"), form=FormalRequest.Form.CHANGE, executed_at__gte=year_ago
    )
    count = executed_changes.order_by().values("customer").annotate(n=Count("pk")).values("n")
    # FormalRequest.read_revision looks under the name `kept_revision` before it asks the database.
    current = FilteredRelation("revisions", condition=Q(revisions__no=F("revision_no")))
    waivers = Waiver.objects.select_related("checker", "approved_by")
    page_data = requests.annotate(
        has_mails=Exists(MailText.objects.filter(request=OuterRef("pk"))),
        has_forms=Exists(ReceivedForm.objects.filter(request=OuterRef("pk"))),
        kept_revision=current,
        recent_changes=Coalesce(Subquery(count), 0),
    ).select_related(*_JOINED_TABLES.split())
    return page_data.prefetch_related(Prefetch("waiver", waivers), "revert_of")


def describe_changes(items: Sequence[dict[str, str]]) -> list[Change]:
    """Return a request's changes as the staff reads them; words such as «Sin acceso» stand for an empty new value."""
    return [
        Change(field.label, field.show(item["old"]), field.show(item["new"]) or field.staff_new, field.is_risky)
        for item in items
        for field in [find_row(item["field"])]
    ]


def _describe_objector(event_data: dict[str, Any]) -> str:
    """Return who said «no fui yo», from the event's data: «ana@ocaso.mx (quien solicita)», or that it is unknown."""
    role = Role(event_data["role"]).label if event_data.get("role") else ""
    address = event_data.get("mailbox") or "un correo que no se pudo identificar"
    return f"{address} ({role})" if role else address


def _describe_execution(execution: Execution, items: Sequence[dict[str, str]]) -> Outcome:
    """Return what an execution did, as a table: each applied field before and after.

    If it failed, the table compares the old values that the request names with the values that were found.
    """
    done = f"{execution.executor_name}, {when(execution.at)}."
    if execution.result == Execution.Result.OK:
        text = f"Se aplicó exactamente lo aprobado. {done}"
        rows = _compare_values(execution.before, execution.after)
        return Outcome("Qué se hizo", text, "Antes", "Después", rows)
    text = f"No se escribió nada: un dato ya no era el que dice la solicitud. {done}"
    expected = {item["field"]: item["old"] for item in items if item["field"] in execution.before}
    rows = _compare_values(expected, execution.before)
    return Outcome("Por qué no se aplicó", text, "Decía la solicitud", "Había", rows)


def _compare_values(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return the rows of a table: a field's label, its value in `first`, and in `second`, as people read them."""
    return [
        (
            find_row(name).label,
            find_row(name).show(str(first.get(name, ""))),
            find_row(name).show(str(second.get(name, ""))),
        )
        for name in {**first, **second}
    ]
