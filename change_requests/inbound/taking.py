"""Make requests of the forms of one mail, in the transaction that says what became of the mail (M7, M20).

Each form becomes a request of its own, or we tell its sender why not. The words of the mail, and the files that are
evidence of no request, are kept with every request of the mail: mesa de control and the customer read them there.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Method, Proof, User
from change_requests import operations
from change_requests.documents.form_read import Proposal, Unreadable
from change_requests.inbound import answers
from change_requests.models import FormalRequest
from factureya.core.files import from_mail
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
        """Return a key of person and file, so that a form that the person sends again makes no second request."""
        return f"form:{self.person.pk}:{hashlib.sha256(self.file.content).hexdigest()[:40]}"


@dataclass(frozen=True)
class OtherFiles:
    """The files that are no forms: each with its stored copy and the index of its form, if it has them."""

    files: tuple[tuple[MailFile, Attachment | None, int | None], ...] = ()
    refusals: tuple[str, ...] = ()

    def list_for(self, index: int | None) -> list[Attachment]:
        """Return the stored files of the form with this index; for None, those that belong to no form."""
        return [stored for _, stored, form_index in self.files if stored is not None and form_index == index]


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
    def proof(self) -> Proof:
        """Return how the sender of the mail is proven: by the mail, when it came."""
        return Proof(Method.MAIL, at=self.inbound.received_at)

    @property
    def words(self) -> str:
        """Return what the sender wrote himself, without what he quotes."""
        return (self.mail.new_text or self.mail.text).strip()


@dataclass(frozen=True)
class Result:
    """What became of one form: its request, if there is one, why it was not sent, and the files left out."""

    request: FormalRequest | None
    reason: str
    unused_files: tuple[Attachment, ...] = ()


def take_forms(mailed: MailedForms) -> Outcome:
    """Make requests of the forms of a mail, and return what became of the mail.

    The text of the mail is kept with every request. We tell the sender which forms and files were not used. The
    outcome is MALFORMED without a request, else REQUEST; its reason is TAKEN if at least one form was submitted.
    """
    results = [_take_form(mailed, index) for index in range(len(mailed.forms))]
    requests = list(dict.fromkeys(result.request for result in results if result.request is not None))
    # Mesa de control sees the files that belong to no form, and those that could not become evidence.
    for_desk = [*mailed.others.list_for(None), *(file for result in results for file in result.unused_files)]
    _save_mail_text(mailed, results, requests, for_desk)
    for index, (file, fault) in enumerate(mailed.faulty):
        answers.answer_faulty_form(mailed.inbound, mailed.mail, file, fault, requests, index=index)
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


def _take_form(mailed: MailedForms, index: int) -> Result:
    """Make a draft of the form with this index, add its files as evidence, and submit it; return what became of it.

    If something is refused, we tell the sender. A draft that was made stays, so that he can correct it.
    """
    form, files = mailed.forms[index], mailed.others.list_for(index)
    try:
        request = _find_request_by_folio(mailed, index) or operations.create_draft(
            actor=form.person,
            customer=form.person.contact.customer,
            form=form.proposal.form,
            kind=form.kind,
            key=form.key,
            channel=FormalRequest.Channel.EMAIL,
            proof=mailed.proof,
        )
    except operations.Refused as refusal:
        answers.answer_held_form(mailed.inbound, mailed.mail, None, refusal, file=form.file, index=index)
        return Result(None, REFUSED, tuple(files))
    unused_files = files  # until they are evidence
    try:  # if an operation fails, what the ones before it saved stays
        operations.save_draft(request.pk, actor=form.person, draft=form.draft, proof=mailed.proof)
        _keep_form(mailed, form, request)
        if files:
            operations.add_evidence(request.pk, actor=form.person, files=files, proof=mailed.proof)
        unused_files = []
        operations.submit(request.pk, actor=form.person, channel=FormalRequest.Channel.EMAIL, proof=mailed.proof)
    except operations.Refused as refusal:
        return Result(request, _answer_refusal(mailed, index, request, refusal), tuple(unused_files))
    return Result(request, TAKEN)


def _keep_form(mailed: MailedForms, form: Form, request: FormalRequest) -> None:
    """Store the PDF form and its hash with the request. A form beyond the limits of files stays only in the mail."""
    stored = from_mail.store_files([form.file], draft=f"form:{mailed.inbound.pk}:{secrets.token_hex(16)}").files
    operations.keep_received_form(
        request.pk,
        actor=form.person,
        inbound=mailed.inbound,
        mail=mailed.mail,
        form=form.file,
        stored=stored[0] if stored else None,
        proof=mailed.proof,
    )


def _find_request_by_folio(mailed: MailedForms, index: int) -> FormalRequest | None:
    """Return the request that the form's folio names, or None if the form needs a new request.

    It needs one if it has no folio of a request, if the draft is another person's, or if an earlier form in this mail
    filled the draft with different answers. A request that was sent already is always returned: to submit it again is
    refused, and the sender is told so.
    """
    form = mailed.forms[index]
    request = form.request
    if request is None or request.status not in FormalRequest.EDITABLE:
        return request
    earlier_forms = [earlier for earlier in mailed.forms[:index] if earlier.request == request]
    is_filled = any(earlier.person == form.person and earlier.draft != form.draft for earlier in earlier_forms)
    return None if is_filled or request.requester_id != form.person.pk else request


def _answer_refusal(mailed: MailedForms, index: int, request: FormalRequest, refusal: operations.Refused) -> str:
    """Mail the sender that he can correct the form's draft, or that it was sent before. Return DRAFT or ALREADY."""
    request.refresh_from_db()
    file = mailed.forms[index].file
    if request.status in FormalRequest.EDITABLE:
        answers.answer_held_form(mailed.inbound, mailed.mail, request, refusal, file=file, index=index)
        return DRAFT
    answers.answer_repeated_form(mailed.inbound, mailed.mail, request, index=index)
    return ALREADY


def _save_mail_text(
    mailed: MailedForms, results: Sequence[Result], requests: Sequence[FormalRequest], files: Sequence[Attachment]
) -> None:
    """Save the text of the mail, and its `files` that are no evidence, with each request, for mesa de control.

    Also save the folios of the mail's other requests, and whether these are of several companies. `results` has one
    result for each form.
    """
    if not (mailed.words or files or len(requests) > 1):
        return  # nothing to save: no text, no files, and at most one request
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
            proof=mailed.proof,
            is_shared=is_shared,
        )


def _list_accepted(mailed: MailedForms, results: Sequence[Result]) -> tuple[bool, ...]:
    """Return for each file of the mail whether it was taken: as a form, as evidence, or for mesa de control."""
    taken = [form.file for form, result in zip(mailed.forms, results, strict=True) if result.reason in (TAKEN, DRAFT)]
    taken += [file for file, stored, _ in mailed.others.files if stored is not None]
    return tuple(any(file is taken_file for taken_file in taken) for file in mailed.mail.files)
