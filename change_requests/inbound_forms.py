"""What the forms of one mail become: written in the transaction that says what became of the mail (M7, M20).

Each form is a request of its own, or is told why not. The words of the mail, and the files that are evidence of none,
are kept with every request of it: mesa de control and the customer read them there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from change_requests import inbound_answers, operations
from change_requests.documents.form_read import Proposal, Unreadable
from change_requests.models import FormalRequest
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import Attachment, InboundMessage

Disposition = InboundMessage.Disposition
TAKEN, DRAFT, ALREADY, REFUSED = "", "form-draft", "form-already", "form-refused"


@dataclass(frozen=True)
class Form:
    """A readable form of a proven sender: who asks, for which draft if it names one, and what."""

    person: User
    proposal: Proposal
    kind: str
    draft: dict[str, Any]
    request: FormalRequest | None
    file: MailFile

    @property
    def key(self) -> str:
        """One request for the same file of the same person, however often it is sent."""
        return f"form:{self.person.pk}:{hashlib.sha256(self.file.content).hexdigest()[:40]}"


@dataclass(frozen=True)
class Others:
    """The files that are no forms: each with what was kept of it and the place of its form, if it has one."""

    files: tuple[tuple[MailFile, Attachment | None, int | None], ...] = ()
    refusals: tuple[str, ...] = ()

    def of_place(self, place: int | None) -> list[Attachment]:
        """Return the kept files of that form; of None, those that belong to none."""
        return [kept for _, kept, its in self.files if kept is not None and its == place]


@dataclass(frozen=True)
class MailedForms:
    """A mail with at least one form that can be taken."""

    inbound: InboundMessage
    mail: InboundMail
    forms: tuple[Form, ...]
    faulty: tuple[tuple[MailFile, Unreadable], ...]
    unread: tuple[MailFile, ...]  # PDFs beyond those that are read
    others: Others

    @property
    def words(self) -> str:
        """What the sender wrote himself."""
        return (self.mail.new_text or self.mail.text).strip()


@dataclass(frozen=True)
class Became:
    """What one form became: its request, if there is one, why it was not sent, and the files it could not take."""

    request: FormalRequest | None
    reason: str
    left: tuple[Attachment, ...] = ()


def take(came: MailedForms) -> Outcome:
    """Take every form, answer each that was not sent, and keep the words with every request of the mail."""
    became = [_take(came, place) for place in range(len(came.forms))]
    requests = list(dict.fromkeys(one.request for one in became if one.request is not None))
    for_desk = [*came.others.of_place(None), *(file for one in became for file in one.left)]
    _keep_words(came, became, requests, for_desk)
    for place, (file, fault) in enumerate(came.faulty):
        inbound_answers.faulty(came.inbound, came.mail, file, fault, requests, place=place)
    inbound_answers.left_out(
        came.inbound,
        came.mail,
        requests,
        refusals=came.others.refusals,
        for_desk=[file.name for file in for_desk],
        unread=[file.name for file in came.unread],
    )
    if not requests:
        return Outcome(Disposition.MALFORMED, REFUSED, "", _accepted(came, became))
    first = next(one for one in became if one.request is not None)
    reason = TAKEN if any(one.reason == TAKEN for one in became) else first.reason
    return Outcome(Disposition.REQUEST, reason, requests[0].chain, _accepted(came, became))


def _take(came: MailedForms, place: int) -> Became:
    """The draft, its answers and files, and the submission; what is refused is told, and the draft is kept."""
    form, files = came.forms[place], came.others.of_place(place)
    try:
        request = form.request or _begun(form)
    except operations.Refused as refusal:
        inbound_answers.held(came.inbound, came.mail, None, refusal, file=form.file, place=place)
        return Became(None, REFUSED, tuple(files))
    left = files
    try:  # each of them all or nothing: what was saved stays, to be corrected
        operations.save_draft(request.pk, actor=form.person, draft=form.draft)
        if files:
            operations.add_evidence(request.pk, actor=form.person, files=files)
        left = []
        operations.submit(request.pk, actor=form.person, channel=FormalRequest.Channel.EMAIL)
    except operations.Refused as refusal:
        return Became(request, _refused(came, place, request, refusal), tuple(left))
    return Became(request, TAKEN)


def _begun(form: Form) -> FormalRequest:
    return operations.create_draft(
        actor=form.person,
        customer=form.person.contact.customer,
        form=form.proposal.form,
        kind=form.kind,
        key=form.key,
        channel=FormalRequest.Channel.EMAIL,
    )


def _refused(came: MailedForms, place: int, request: FormalRequest, refusal: operations.Refused) -> str:
    """Sent before, by whichever way: «ya recibida». Else the draft waits to be corrected."""
    request.refresh_from_db()
    file = came.forms[place].file
    if request.status in FormalRequest.EDITABLE:
        inbound_answers.held(came.inbound, came.mail, request, refusal, file=file, place=place)
        return DRAFT
    inbound_answers.already(came.inbound, came.mail, request, place=place)
    return ALREADY


def _keep_words(
    came: MailedForms, became: Sequence[Became], requests: Sequence[FormalRequest], files: Sequence[Attachment]
) -> None:
    """Keep the words and the files of nobody with each request; whoever asked wrote them."""
    if not (came.words or files or len(requests) > 1):
        return
    authors = {
        one.request: form.person for one, form in zip(became, came.forms, strict=True) if one.request is not None
    }
    folios = [request.folio for request in requests]
    for request in requests:
        operations.keep_mail_text(
            request.pk,
            actor=authors[request],
            body=came.words,
            files=files,
            beside=[folio for folio in folios if folio != request.folio],
        )


def _accepted(came: MailedForms, became: Sequence[Became]) -> tuple[bool, ...]:
    """Of each file of the mail, whether it was taken."""
    taken = [form.file for form, one in zip(came.forms, became, strict=True) if one.reason in (TAKEN, DRAFT)]
    taken += [file for file, kept, _ in came.others.files if kept is not None]
    return tuple(any(file is one for one in taken) for file in came.mail.files)
