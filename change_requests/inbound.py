"""A filled form that comes by mail is the same request as one made in the portal (M7, M8, M20).

mesadecontrol@ takes both forms, soporte@ the access form. Who wrote is proven as for any mail (M5); what the form says
is a proposal (`pdf_read`). A form with a fault applies nothing: its mail goes on to become a ticket that a person
reads, and its sender gets an answer of its own. Everything else goes on untouched.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from accounts import registered
from accounts.models import Customer, User
from change_requests import content, form_answers, operations, pdf_fields, pdf_read, policy
from change_requests.models import FormalRequest
from change_requests.pdf_read import Fault, OnFile, Proposal, Unreadable
from factureya.core import mailed_files, numbers
from factureya.core.intake import Aside, Outcome, Plan
from factureya.core.mail_in import InboundMail, MailFile
from factureya.core.mailed_files import Kept
from factureya.core.models import InboundMessage
from factureya.core.verdicts import Verdict, verdict

Disposition = InboundMessage.Disposition
MAX_FORMS = 4  # PDFs of one mail that are read in search of the form
_NAMED = re.compile(
    r"control-de-acceso|baja-o-cambio|\bS[AC]-?[0-9A-Z]{4}-?[0-9A-Z]{4}", re.IGNORECASE
)


@dataclass(frozen=True)
class Letter:
    """A readable form of a proven sender: who asks, for which draft if it names one, and what."""

    inbound: InboundMessage
    mail: InboundMail
    person: User
    proposal: Proposal
    kind: str
    draft: dict[str, Any]
    request: FormalRequest | None
    file: MailFile
    kept: Kept

    @property
    def accepted(self) -> tuple[bool, ...]:
        """Of each file of the mail, whether it was taken."""
        others = iter(self.kept.accepted)
        return tuple(file is self.file or next(others, False) for file in self.mail.files)

    @property
    def key(self) -> str:
        """One request for the same file of the same person, however often it is sent."""
        return f"form:{self.person.pk}:{hashlib.sha256(self.file.content).hexdigest()[:40]}"


def receive(inbound: InboundMessage, mail: InboundMail) -> Plan | Aside | None:
    """Claim a mail that brings a form; of one whose form has a fault, or that should bring one, answer what to do."""
    people = _proven(mail)
    if not people:
        return None
    is_desk = settings.CONTROL_DESK_EMAIL in _mailboxes(inbound, mail)
    files = [file for file in mail.files if _may_be_form(file, is_desk)][:MAX_FORMS]
    if not files:
        return Aside(partial(form_answers.missing, inbound, mail)) if is_desk else None
    try:
        file, proposal = _first_form(files)
        if proposal.form == pdf_fields.CHANGE and not is_desk:
            raise Unreadable(Fault.WRONG_BOX)
        return partial(_take, _understood(inbound, mail, people, file, proposal))
    except Unreadable as fault:
        if not (is_desk or fault.fault in _OURS or any(_NAMED.search(file.name) for file in files)):
            return None  # any PDF, sent to soporte@ with a ticket
        return Aside(partial(form_answers.refused, inbound, mail, fault))


def folio_of(chain: str) -> str | None:
    """The folio of a request's chain, for `receive_email --json`."""
    pk = chain.partition(":")[2]
    return FormalRequest.objects.filter(pk=pk).values_list("folio", flat=True).first()


# -- Who and what: nothing is written here but files -------------------------------------------------

# Faults of what is certainly a form of ours; the others may be any PDF.
_OURS = frozenset(
    {Fault.OLD_VERSION, Fault.FORGED, Fault.OTHER_CUSTOMER, Fault.POWERS, Fault.RFC, Fault.EMAIL, Fault.INCOMPLETE,
     Fault.WRONG_BOX}
)  # fmt: skip


def _proven(mail: InboundMail) -> list[User]:
    """The people whose word the mail is, if it acts at all: the rules of `tickets.inbound` (M5)."""
    if mail.bounce is not None or mail.robot or not mail.sender:
        return []
    if registered.is_own(mail.sender) or registered.is_staff(mail.sender):
        return []
    domain = mail.sender.rpartition("@")[2]
    said = verdict(mail.authentication, authserv=settings.MAIL_TRUSTED_AUTHSERV, domain=domain)
    if said == Verdict.FAIL or (settings.MAIL_IN_REQUIRE_VERDICT and said != Verdict.PASS):
        return []
    return registered.people(mail.sender)


def _mailboxes(inbound: InboundMessage, mail: InboundMail) -> set[str]:
    """The addresses it was sent to, without plus parts."""
    parts = [address.lower().rpartition("@") for address in (*inbound.recipients, *mail.recipients)]
    return {f"{local.partition('+')[0]}@{domain}" for local, _, domain in parts}


def _may_be_form(file: MailFile, is_desk: bool) -> bool:
    """A PDF; at soporte@, where any may come with a ticket, one that has fields or is named like a form."""
    name = file.name.lower()
    if not (
        name.endswith(".pdf")
        or file.content_type == "application/pdf"
        or file.content.startswith(b"%PDF-")
    ):
        return False
    return is_desk or b"/AcroForm" in file.content or bool(_NAMED.search(name))


def _first_form(files: Sequence[MailFile]) -> tuple[MailFile, Proposal]:
    """The first PDF that is a form of ours, and what it says. Raises Unreadable: the fault that says most."""
    faults: list[Unreadable] = []
    for file in files:
        try:
            return file, pdf_read.read(file.content)
        except Unreadable as fault:
            faults.append(fault)
    vague = {Fault.SCAN, Fault.FOREIGN}
    raise min(faults, key=lambda fault: fault.fault in vague)


def _understood(
    inbound: InboundMessage, mail: InboundMail, people: list[User], file: MailFile, proposal: Proposal
) -> Letter:  # fmt: skip
    """Compare the form with what is on file, and keep the other files. Raises Unreadable."""
    request = _named(proposal)
    person = _sender(people, request, proposal)
    customer = person.contact.customer
    pdf_read.check_owner(
        proposal, owner=request.customer_id if request else None, sender=customer.pk
    )
    if policy.powers_of(person, customer) is None:
        raise Unreadable(Fault.POWERS)
    answers = pdf_read.compare(proposal, OnFile(customer.rfc, customer.registered_email))
    if request is not None and request.kind != answers.kind:
        raise Unreadable(
            Fault.INCOMPLETE,
            {"kind": f"El folio es de otro trámite: {request.get_kind_display()}."},
        )
    draft = answers.draft | {"declares": True}
    if proposal.form == pdf_fields.ACCESS and answers.kind != FormalRequest.Kind.ALTA:
        draft["person"] = {"user": _colleague(customer, answers.person_email)}
    others = [other for other in mail.files if other is not file]
    kept = mailed_files.store(others, draft=f"form:{inbound.pk}:{secrets.token_hex(16)}")
    return Letter(inbound, mail, person, proposal, answers.kind, draft, request, file, kept)


def _named(proposal: Proposal) -> FormalRequest | None:
    """The request whose folio the form has, whoever's it is."""
    try:
        folio = numbers.parse(pdf_fields.FOLIO_PREFIXES[proposal.form], proposal.folio)
    except numbers.InvalidNumber:
        return None
    return FormalRequest.objects.filter(folio=folio).first()


def _sender(people: list[User], request: FormalRequest | None, proposal: Proposal) -> User:
    """Who of the address's people asks: who began the request, else somebody of the company, with powers first."""
    rfc = pdf_read.plain_rfc(proposal.values["rfc"])

    def rank(person: User) -> tuple[bool, ...]:
        customer = person.contact.customer
        is_owner = request is not None and customer.pk == request.customer_id
        is_author = request is not None and person.pk == request.requester_id
        return (
            is_author,
            is_owner,
            customer.rfc == rfc,
            policy.powers_of(person, customer) is not None,
        )

    return max(people, key=rank)


def _colleague(customer: Customer, email: str) -> int:
    person = content.person_of(customer, email)
    if person is None:
        raise Unreadable(
            Fault.INCOMPLETE,
            {"person_email": "No hay una persona activa de su empresa con ese correo."},
        )
    return person.pk


# -- Writing: in the transaction that says what became of the mail -----------------------------------


def _take(letter: Letter) -> Outcome:
    """The draft, its answers and files, and the submission; what is refused is told, and the draft is kept."""
    try:
        request = letter.request or _begun(letter)
    except operations.Refused as refusal:
        form_answers.held(letter.inbound, letter.mail, None, refusal)
        return Outcome(Disposition.MALFORMED, "form-refused", "", letter.accepted)
    try:  # each of them all or nothing: what was saved stays, to be corrected
        operations.save_draft(request, actor=letter.person, draft=letter.draft)
        if letter.kept.files:
            operations.add_evidence(request, actor=letter.person, files=letter.kept.files)
        operations.submit(request, actor=letter.person, channel=FormalRequest.Channel.EMAIL)
    except operations.Refused as refusal:
        return _refused(letter, request, refusal)
    form_answers.left_out(letter.inbound, letter.mail, request, letter.kept.refusals)
    return Outcome(Disposition.REQUEST, "", request.chain, letter.accepted)


def _begun(letter: Letter) -> FormalRequest:
    return operations.create_draft(
        actor=letter.person, customer=letter.person.contact.customer, form=letter.proposal.form, kind=letter.kind,
        key=letter.key, channel=FormalRequest.Channel.EMAIL,
    )  # fmt: skip


def _refused(letter: Letter, request: FormalRequest, refusal: operations.Refused) -> Outcome:
    """Sent before, by whichever way: «ya recibida». Else the draft waits to be corrected."""
    request.refresh_from_db()
    if request.status in FormalRequest.EDITABLE:
        form_answers.held(letter.inbound, letter.mail, request, refusal)
        return Outcome(Disposition.REQUEST, "form-draft", request.chain, letter.accepted)
    form_answers.already(letter.inbound, letter.mail, request)
    return Outcome(
        Disposition.REQUEST, "form-already", request.chain, (False,) * len(letter.mail.files)
    )
