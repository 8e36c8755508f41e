"""Read what the customer's page of a request shows, in a fixed number of queries (M8, M16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from accounts.models import User
from change_requests import policy
from change_requests.customer import wording
from change_requests.customer.wording import Entry, Row, Step, Turn
from change_requests.kinds.fields import REGISTERED_EMAIL
from change_requests.kinds.values import show_day
from change_requests.models import Clarification, Decision, FormalRequest, MailText
from factureya.core.models import Attachment, Event

MOST_EVENTS = 300
NEW_MAIL_WAITS = (FormalRequest.Status.VERIFYING, FormalRequest.Status.IN_APPROVAL)


@dataclass(frozen=True)
class RequestFacts:
    """Hold a request and its parts, as the customer's page shows them."""

    formal: FormalRequest
    title: str
    chip: tuple[str, str]
    life: list[Step]
    turn: Turn
    rows: list[Row]
    reason: str
    effective: str
    sha256: str
    files: list[Attachment]
    clarifications: Sequence[Clarification]
    question: Clarification | None
    mails: Sequence[MailText]
    decisions: Sequence[Decision]
    history: list[Entry]
    is_requester: bool  # the reader began the request; only he edits it and sends it

    @property
    def may_withdraw(self) -> bool:
        """Return True if the request can still be withdrawn."""
        return self.formal.status in policy.WITHDRAWABLE

    @property
    def may_correct(self) -> bool:
        """Return True if the reader began the request and may reopen it; not if it is suspended or reverts another."""
        may_be_reopened = self.formal.status in policy.REOPENABLE and self.formal.revert_of_id is None
        return self.is_requester and self.formal.suspended_at is None and may_be_reopened

    @property
    def not_me_does(self) -> str:
        """Return what «no fui yo» does now: stop, report, or nothing (an empty text)."""
        return find_not_me_effect(self.formal)

    @property
    def form_url(self) -> str:
        """Return the URL of the PDF form with the draft's folio; empty after the request was sent."""
        return make_form_url(self.formal) if self.formal.status in FormalRequest.EDITABLE else ""

    @property
    def then(self) -> str:
        """Return the heading of the old values."""
        return "Hoy" if self.formal.executed_at is None else "Antes"

    @property
    def was_sent(self) -> bool:
        """Return True if the request was sent, and so has a receipt."""
        return self.formal.revision_no > 0


def make_form_url(formal: FormalRequest) -> str:
    """Return the URL of the PDF form for access or for changes, filled with the data of this draft."""
    name = "requests:form_access" if formal.is_access else "requests:form_change"
    return f"{reverse(name)}?folio={formal.folio}"


def find_not_me_effect(formal: FormalRequest) -> str:
    """Return what «no fui yo» would do: stop the request, or report it; "" if it does nothing or was said before."""
    if formal.suspended_at is not None or formal.alarmed_at is not None:
        return ""
    return policy.find_objection_effect(formal)


def read_facts(formal: FormalRequest, reader: User | None = None) -> RequestFacts:
    """Return all that the customer's page shows of a request; of its history, the first MOST_EVENTS events.

    `reader` is None for somebody who came by a mail's link. If the request was never sent, it has no changes to show.
    """
    revision = formal.read_revision() if formal.revision_no else None
    empty: dict[str, Any] = {"items": [], "reason": "", "effective_date": ""}
    payload = formal.read_payload() if revision else empty
    messages = list(formal.clarifications.order_by("pk"))
    # `due_minutes_left` is set only while a question stops the deadline; editing the request ends the question.
    question = _find_open_question(messages) if formal.due_minutes_left is not None else None
    decisions = list(formal.decisions.filter(revision_no=formal.revision_no).order_by("pk"))
    is_requester = reader is not None and reader.pk == formal.requester_id
    events = Event.objects.filter(chain=formal.chain).order_by("seq")[:MOST_EVENTS]
    return RequestFacts(
        formal=formal,
        title=wording.make_title(formal, revision.payload if revision else ""),
        chip=wording.make_chip(formal),
        life=wording.list_stages(formal),
        turn=wording.find_turn(
            formal, is_requester=is_requester, question=question, new_mail=_find_new_mail(formal), reasons=decisions
        ),
        rows=wording.list_changes(payload["items"]),
        reason=payload["reason"],
        effective=show_day(payload["effective_date"]),
        sha256=revision.sha256 if revision else "",
        files=find_files(formal),
        clarifications=messages,
        question=question,
        mails=_read_mail_texts(formal),
        decisions=decisions,
        history=wording.list_history(events),
        is_requester=is_requester,
    )


def _find_open_question(messages: Sequence[Clarification]) -> Clarification | None:
    """Return the last of these messages that is a question to the company and has no answer, or None."""
    answered = {message.answers_id for message in messages if message.answers_id}  # the keys of answered questions
    unanswered = [message for message in messages if message.is_question and message.pk not in answered]
    return unanswered[-1] if unanswered else None


def _read_mail_texts(formal: FormalRequest) -> list[MailText]:
    """Return the words of the mails that brought the request's form. A mail about several companies is left out."""
    if not getattr(formal, "has_mails", True):  # the query of the customer's page sets it, to spare this query
        return []
    return list(formal.mail_texts.filter(is_shared=False).exclude(body="").order_by("pk"))


def _find_new_mail(formal: FormalRequest) -> str:
    """Return the new registered address that the request asks for, if somebody must still type the code mailed there.

    It is empty if no code was sent, if the code of this version was typed already (`new_mail_revision`), and when the
    request is neither being verified nor in approval.
    """
    is_proven = formal.new_mail_revision == formal.revision_no
    if formal.status not in NEW_MAIL_WAITS or is_proven or formal.new_mail_sent_at is None:
        return ""
    return formal.find_new_value(REGISTERED_EMAIL.code)


def find_files(formal: FormalRequest) -> list[Attachment]:
    """Return the files of evidence of the request's current version, or of its draft, in the order they were added."""
    rows = formal.evidence.filter(dropped_at__isnull=True).select_related("attachment")
    return [evidence.attachment for evidence in rows.order_by("pk")]
