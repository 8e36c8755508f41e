"""Which mails bring a form, who sends it, and what it asks for; nothing is written here but files (M7, M8, M20).

mesadecontrol@ takes both forms, soporte@ the access form. The sender is proven as for any mail (M5), and what a form
says is a proposal. Every readable form of a mail is a request of its own. A mail whose forms all have a fault becomes a
ticket that a person reads; if one is good, the answer names the faulty file. Other mails are not claimed.
"""

import re
import secrets
from collections.abc import Sequence
from functools import partial

from django.conf import settings

from accounts import mail_sender
from accounts.models import Customer, User
from change_requests import policy
from change_requests.documents import form_fields, form_read
from change_requests.documents.form_read import Fault, Proposal, Unreadable
from change_requests.inbound import answers, taking
from change_requests.inbound.taking import Form, MailedForms, OtherFiles
from change_requests.kinds import people as kinds_people
from change_requests.models import FormalRequest
from factureya.core import numbers
from factureya.core.files import from_mail
from factureya.core.mail.intake import Aside, Plan
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import InboundMessage

MAX_FORMS = 4  # PDFs of one mail that are read in search of forms; we name the others to its sender
_FOLIO_IN_NAME = re.compile(r"\bS[AC][-_ ]?[0-9A-Z]{4}[-_ ]?[0-9A-Z]{4}(?![0-9A-Za-z])", re.IGNORECASE)
# The names under which our forms are saved. A folio with more words may name anything that belongs to the request.
_FORM_NAME = re.compile(
    r"control-de-acceso|baja-o-cambio|^S[AC]-?[0-9A-Z]{4}-?[0-9A-Z]{4}( ?\(\d{1,3}\))?\.pdf$", re.IGNORECASE
)
_FORM_OR_FOLIO = re.compile(r"control-de-acceso|baja-o-cambio|\bS[AC]-?[0-9A-Z]{4}-?[0-9A-Z]{4}", re.IGNORECASE)
# Faults of what is certainly one of our forms; a PDF with another fault may be any PDF.
_FAULTS_OF_OUR_FORMS = frozenset(
    map(Fault, "old-version forged other-customer powers rfc email incomplete wrong-box".split())
)
_VAGUE_FAULTS = frozenset({Fault.SCAN, Fault.FOREIGN})
FaultyFile = tuple[MailFile, Unreadable]


def receive(inbound: InboundMessage, mail: InboundMail) -> Plan | Aside | None:
    """Return what to do with a mail that brings a PDF form, or that came to mesadecontrol@ without one.

    A Plan makes requests of the forms. An Aside lets the mail become a ticket, and then tells its sender what is wrong.
    None leaves the mail to the rest of the intake: a machine or an unproven sender wrote it, or it came to soporte@
    without a form of ours.
    """
    came_to_desk = settings.CONTROL_DESK_EMAIL in _list_mailboxes(inbound, mail)
    files = [file for file in mail.files if _may_be_form(file, came_to_desk)]
    if not (files or came_to_desk) or mail.bounce is not None or mail.robot:
        return None  # most mails end here, before we prove who sent them
    senders = mail_sender.judge_sender(mail).people  # all people with the proven address
    if not senders:
        return None  # its sender is not proven
    if not files:
        return Aside(partial(answers.answer_missing_form, inbound, mail))  # it came to mesadecontrol@
    # At most MAX_FORMS PDFs are chosen, first those that look like a form; they are read in the mail's order.
    likeliest_first = sorted(range(len(files)), key=lambda index: not _looks_like_form(files[index]))
    chosen = likeliest_first[:MAX_FORMS]
    forms, faults = _read_forms(senders, [files[index] for index in sorted(chosen)], came_to_desk)
    if forms:  # at least one is good
        unread = [file for index, file in enumerate(files) if index not in chosen and _looks_like_form(file)]
        return partial(taking.take_forms, _gather_forms(inbound, mail, forms, faults, unread))
    # We tell the sender only one problem: the first that is not vague, or else the first.
    reported = min((problem for _, problem in faults), key=lambda problem: problem.fault in _VAGUE_FAULTS)
    is_ours = reported.fault in _FAULTS_OF_OUR_FORMS or any(_FORM_OR_FOLIO.search(file.name) for file in files)
    if not came_to_desk and not is_ours:
        return None  # any PDF, sent to soporte@ with a ticket
    return Aside(partial(answers.answer_unreadable_form, inbound, mail, reported))


def find_folio_of_chain(chain: str) -> str | None:
    """Return the folio of the request with the chain name «request:7», for `receive_email --json`; or None."""
    pk = chain.partition(":")[2]
    return FormalRequest.objects.filter(pk=pk).values_list("folio", flat=True).first()


def _list_mailboxes(inbound: InboundMessage, mail: InboundMail) -> set[str]:
    """Return the addresses the mail was sent to, in lower case; soporte+7@ counts as soporte@."""
    parts = [address.lower().rpartition("@") for address in (*inbound.recipients, *mail.recipients)]
    return {f"{local.partition('+')[0]}@{domain}" for local, _, domain in parts}


def _may_be_form(file: MailFile, came_to_desk: bool) -> bool:
    """Return True for a PDF that may be one of our forms: at mesadecontrol@ any PDF.

    At soporte@ many tickets bring PDFs: there it must have form fields (/AcroForm) or be named like a form.
    """
    name = file.name.lower()
    if not (name.endswith(".pdf") or file.content_type == "application/pdf" or file.content.startswith(b"%PDF-")):
        return False
    return came_to_desk or b"/AcroForm" in file.content or bool(_FORM_OR_FOLIO.search(name))


def _looks_like_form(file: MailFile) -> bool:
    """Return True if a PDF is named like a form of ours or has fields. These PDFs are read first.

    In a PDF with compressed objects (ObjStm) we cannot see its fields, so it counts as one that has them.
    """
    has_fields = b"/AcroForm" in file.content or b"/ObjStm" in file.content
    return has_fields or bool(_FORM_NAME.search(file.name))


def _is_our_form(file: MailFile, fault: Unreadable) -> bool:
    """Return True if a PDF with a fault is one of our forms: then it is never evidence for another form."""
    is_known = fault.fault in _FAULTS_OF_OUR_FORMS or b"/AcroForm" in file.content
    return is_known or bool(_FORM_NAME.search(file.name))


def _read_forms(
    senders: list[User], files: Sequence[MailFile], came_to_desk: bool
) -> tuple[list[Form], list[FaultyFile]]:
    """Return the good forms among these PDFs of proven senders, and the other PDFs, each with what is wrong with it.

    A form that changes data is good only at mesadecontrol@.
    """
    forms: list[Form] = []
    faults: list[FaultyFile] = []
    for file in files:
        try:
            proposal = form_read.read_form(file.content)
            if proposal.form == form_fields.CHANGE and not came_to_desk:
                raise Unreadable(Fault.WRONG_BOX)
            forms.append(_understand_form(senders, file, proposal))
        except Unreadable as fault:
            faults.append((file, fault))
    return forms, faults


def _understand_form(senders: list[User], file: MailFile, proposal: Proposal) -> Form:
    """Return a form with its requester, and its answers as a draft of a request. Raises Unreadable if it is wrong.

    It is wrong if folio or data are of another company, the folio is of another kind, or the requester has no powers.
    """
    request = _find_named_request(proposal)
    person = _choose_requester(senders, request, proposal)
    customer = person.contact.customer
    form_read.check_owner(proposal, owner=request.customer_id if request else None, sender=customer.pk)
    if policy.find_powers(person, customer) is None:
        raise Unreadable(Fault.POWERS)
    form_answers = form_read.compare_form(proposal, customer)
    if request is not None and request.kind != form_answers.kind:
        details = {"kind": f"El folio es de otro trámite: {request.get_kind_display()}."}
        raise Unreadable(Fault.INCOMPLETE, details)
    draft = form_answers.draft | {"declares": True}  # the form's oath declares it
    if form_answers.names_colleague:
        draft["person"] = {"user": _find_colleague(customer, form_answers.person_email)}
    return Form(person, proposal, form_answers.kind, draft, request, file)


def _find_named_request(proposal: Proposal) -> FormalRequest | None:
    """Return the request whose folio is in the form, of any company; None if there is no such request."""
    try:
        folio = numbers.parse_number(FormalRequest.PREFIXES[FormalRequest.Form(proposal.form)], proposal.folio)
    except numbers.InvalidNumber:
        return None
    return FormalRequest.objects.filter(folio=folio).first()


def _choose_requester(senders: list[User], request: FormalRequest | None, proposal: Proposal) -> User:
    """Return who asks for what the form says: the best one of `senders`, who share the mail's address.

    The best one began the `request` with the form's folio; else he is of its company; else his company has the form's
    RFC. Among several such people, one with powers in force is chosen.
    """
    rfc = form_read.clean_rfc(proposal.values["rfc"])

    def rank(person: User) -> tuple[bool, ...]:
        """Return how well a person fits as requester of the form: a tuple, of which the greatest wins."""
        customer = person.contact.customer
        is_of_company = request is not None and customer.pk == request.customer_id
        is_author = request is not None and person.pk == request.requester_id
        return is_author, is_of_company, customer.rfc == rfc, policy.find_powers(person, customer) is not None

    return max(senders, key=rank)


def _find_colleague(customer: Customer, email: str) -> int:
    """Return the database key of the company's active person with this mail, named in a form. Raises Unreadable."""
    person = kinds_people.find_person(customer, email)
    if person is None:
        details = {"person_email": "No hay una persona activa de su empresa con ese correo."}
        raise Unreadable(Fault.INCOMPLETE, details)
    return person.pk


def _gather_forms(
    inbound: InboundMessage, mail: InboundMail, forms: list[Form], faults: list[FaultyFile], unread: list[MailFile]
) -> MailedForms:
    """Store the files of a mail that are no forms, and return them together with the mail's forms.

    If the mail has one form, they are all its evidence. If it has more (faulty and unread ones count), a file is
    evidence for the form whose request has the folio in the file's name. Other files are only for mesa de control.
    """
    faulty = [(file, fault) for file, fault in faults if _is_our_form(file, fault)]
    form_files = [*(form.file for form in forms), *(file for file, _ in faulty), *unread]
    others = [file for file in mail.files if not any(file is form for form in form_files)]
    is_single = len(form_files) == 1
    form_indexes: list[int | None] = [0 if is_single else _find_form_index(file, forms) for file in others]
    result = from_mail.store_files(others, draft=f"form:{inbound.pk}:{secrets.token_hex(16)}")
    attachments = iter(result.files)  # one for each accepted file, in order; a refused file gets None
    stored = [next(attachments) if is_accepted else None for is_accepted in result.accepted]
    other_files = OtherFiles(tuple(zip(others, stored, form_indexes, strict=True)), result.refusals)
    return MailedForms(inbound, mail, tuple(forms), tuple(faulty), tuple(unread), other_files)


def _find_form_index(file: MailFile, forms: Sequence[Form]) -> int | None:
    """Return the index of the form with the folio that is in a file's name, «SC-5R8T-2NW2 poder.pdf»; or None."""
    match = _FOLIO_IN_NAME.search(file.name)
    if match is None:
        return None
    folio = re.sub(r"[^0-9A-Z]", "", match.group().upper())
    for index, form in enumerate(forms):
        if form.request is not None and form.request.folio.replace("-", "") == folio:
            return index
    return None
