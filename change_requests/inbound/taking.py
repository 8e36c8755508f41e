"""Make requests of the forms of one mail, in the transaction that says what became of the mail (M7, M20).

Each form becomes a request of its own, or its sender is told why not. The words of the mail, and the files that are
evidence of no request, are kept with every request of the mail: mesa de control and the customer read them there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from change_requests import operations
from change_requests.documents.form_read import Proposal, Unreadable
from change_requests.inbound import answers
from change_requests.models import FormalRequest
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import Attachment, InboundMessage

Disposition = InboundMessage.Disposition
TAKEN, DRAFT, ALREADY, REFUSED = "", "form-draft", "form-already", "form-refused"


@dataclass(frozen=True)
class Form:
    """A readable form of a proven sender: who asks, for what, and for which draft, if it names one."""

    person: User
    proposal: Proposal
    kind: str
    draft: dict[str, Any]
    request: FormalRequest | None
    file: MailFile

    @property
    def key(self) -> str:
        """Return the key that makes one request of the same file of the same person, however often it is sent."""
        return f"form:{self.person.pk}:{hashlib.sha256(self.file.content).hexdigest()[:40]}"


@dataclass(frozen=True)
class OtherFiles:
    """The files that are no forms: each with its stored copy and the index of its form, if it has them."""

    files: tuple[tuple[MailFile, Attachment | None, int | None], ...] = ()
    refusals: tuple[str, ...] = ()

    def list_for(self, place: int | None) -> list[Attachment]:
        """Return the stored files of the form with this index; for None, those that belong to no form."""
        return [stored for _, stored, index in self.files if stored is not None and index == place]


@dataclass(frozen=True)
class MailedForms:
    """A mail with at least one form that can be taken."""

    inbound: InboundMessage
    mail: InboundMail
    forms: tuple[Form, ...]
    faulty: tuple[tuple[MailFile, Unreadable], ...]
    unread: tuple[MailFile, ...]  # PDFs beyond those that are read
    others: OtherFiles

    @property
    def words(self) -> str:
        """Return what the sender wrote himself, without what he quotes."""
        return (self.mail.new_text or self.mail.text).strip()


@dataclass(frozen=True)
class Result:
    """What one form results: its request, if there is one, why it was not sent, and the files it could not take."""

    request: FormalRequest | None
    reason: str
    left: tuple[Attachment, ...] = ()


def take_forms(mailed: MailedForms) -> Outcome:
    """Take every form, answer those that were not sent, and keep the words with every request of the mail.

    Return what became of the mail.
    """
    results = [_take_form(mailed, place) for place in range(len(mailed.forms))]
    requests = list(dict.fromkeys(result.request for result in results if result.request is not None))
    for_desk = [*mailed.others.list_for(None), *(file for result in results for file in result.left)]
    _keep_words(mailed, results, requests, for_desk)
    for place, (file, fault) in enumerate(mailed.faulty):
        answers.answer_faulty_form(mailed.inbound, mailed.mail, file, fault, requests, place=place)
    answers.answer_left_out_files(
        mailed.inbound,
        mailed.mail,
        requests,
        refusals=mailed.others.refusals,
        for_desk=[file.name for file in for_desk],
        unread=[file.name for file in mailed.unread],
    )
    if not requests:
        return Outcome(Disposition.MALFORMED, REFUSED, "", _list_accepted(mailed, results))
    first = next(result for result in results if result.request is not None)
    reason = TAKEN if any(result.reason == TAKEN for result in results) else first.reason
    return Outcome(Disposition.REQUEST, reason, requests[0].chain, _list_accepted(mailed, results))


def _take_form(mailed: MailedForms, place: int) -> Result:
    """Make a draft of the form with this index, with its files, and submit it; return what became of it.

    When something is refused, the sender is told and the draft stays to be corrected.
    """
    form, files = mailed.forms[place], mailed.others.list_for(place)
    try:
        request = _find_named_draft(mailed, place) or operations.create_draft(
            actor=form.person,
            customer=form.person.contact.customer,
            form=form.proposal.form,
            kind=form.kind,
            key=form.key,
            channel=FormalRequest.Channel.EMAIL,
        )
    except operations.Refused as refusal:
        answers.answer_held_form(mailed.inbound, mailed.mail, None, refusal, file=form.file, place=place)
        return Result(None, REFUSED, tuple(files))
    left = files
    try:  # each operation is all or nothing: what was saved before stays
        operations.save_draft(request.pk, actor=form.person, draft=form.draft)
        if files:
            operations.add_evidence(request.pk, actor=form.person, files=files)
        left = []
        operations.submit(request.pk, actor=form.person, channel=FormalRequest.Channel.EMAIL)
    except operations.Refused as refusal:
        return Result(request, _answer_refusal(mailed, place, request, refusal), tuple(left))
    return Result(request, TAKEN)


def _find_named_draft(mailed: MailedForms, place: int) -> FormalRequest | None:
    """Return the draft whose folio the form has, unless it is another's: then the form is a request of its own.

    It is another person's, who alone edits it, or that of another form of the mail, which says something else.
    """
    form = mailed.forms[place]
    request = form.request
    if request is None or request.status not in FormalRequest.EDITABLE:
        return request
    earlier = [one for one in mailed.forms[:place] if one.request == request]
    is_other = any(one.person == form.person and one.draft != form.draft for one in earlier)
    return None if is_other or request.requester_id != form.person.pk else request


def _answer_refusal(mailed: MailedForms, place: int, request: FormalRequest, refusal: operations.Refused) -> str:
    """Tell the sender that the draft waits to be corrected, or that it was sent before; return the mail's reason."""
    request.refresh_from_db()
    file = mailed.forms[place].file
    if request.status in FormalRequest.EDITABLE:
        answers.answer_held_form(mailed.inbound, mailed.mail, request, refusal, file=file, place=place)
        return DRAFT
    answers.answer_repeated_form(mailed.inbound, mailed.mail, request, place=place)
    return ALREADY


def _keep_words(
    mailed: MailedForms, results: Sequence[Result], requests: Sequence[FormalRequest], files: Sequence[Attachment]
) -> None:
    """Keep the words, and the files that are evidence of no request, with each request; its requester wrote them."""
    if not (mailed.words or files or len(requests) > 1):
        return
    authors = {
        result.request: form.person
        for result, form in zip(results, mailed.forms, strict=True)
        if result.request is not None
    }
    folios = [request.folio for request in requests]
    is_shared = len({request.customer_id for request in requests}) > 1
    for request in requests:
        operations.keep_mail_text(
            request.pk,
            actor=authors[request],
            body=mailed.words,
            files=files,
            beside=[folio for folio in folios if folio != request.folio],
            is_shared=is_shared,
        )


def _list_accepted(mailed: MailedForms, results: Sequence[Result]) -> tuple[bool, ...]:
    """Return for each file of the mail whether it was taken."""
    taken = [form.file for form, result in zip(mailed.forms, results, strict=True) if result.reason in (TAKEN, DRAFT)]
    taken += [file for file, stored, _ in mailed.others.files if stored is not None]
    return tuple(any(file is one for one in taken) for file in mailed.mail.files)
