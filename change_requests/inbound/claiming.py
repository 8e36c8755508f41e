"""Which mails bring a form, who sends it, and what it asks for; nothing is written here but files (M7, M8, M20).

mesadecontrol@ takes both forms, soporte@ the access form. The sender is proven as for any mail (M5), and what a form
says is a proposal. Every readable form of a mail is a request of its own. A mail whose forms all have a fault becomes a
ticket that a person reads; a faulty form beside a good one is answered by its file's name. Other mails are not claimed.
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

MAX_FORMS = 4  # PDFs of one mail that are read in search of forms; its sender is told of the others by name
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
    """Return what to do with a mail that brings a form, or that should bring one; None leaves it to other handlers.

    A Plan takes the forms. An Aside lets the mail become a ticket, and then tells its sender what is wrong.
    """
    is_desk = settings.CONTROL_DESK_EMAIL in _list_mailboxes(inbound, mail)
    files = [file for file in mail.files if _may_be_form(file, is_desk)]
    if not (files or is_desk) or mail.bounce is not None or mail.robot:
        return None  # most mails: who wrote them is not asked twice
    people = mail_sender.judge_sender(mail).people
    if not people:
        return None
    if not files:
        return Aside(partial(answers.answer_missing_form, inbound, mail))
    chosen = sorted(range(len(files)), key=lambda n: not _looks_like_form(files[n]))[:MAX_FORMS]
    forms, faults = _read_forms(people, [files[n] for n in sorted(chosen)], is_desk)
    if forms:
        unread = [file for n, file in enumerate(files) if n not in chosen and _looks_like_form(file)]
        return partial(taking.take_forms, _gather_forms(inbound, mail, forms, faults, unread))
    fault = min((fault for _, fault in faults), key=lambda fault: fault.fault in _VAGUE_FAULTS)
    is_ours = fault.fault in _FAULTS_OF_OUR_FORMS or any(_FORM_OR_FOLIO.search(file.name) for file in files)
    if not is_desk and not is_ours:
        return None  # any PDF, sent to soporte@ with a ticket
    return Aside(partial(answers.answer_unreadable_form, inbound, mail, fault))


def find_folio_of_chain(chain: str) -> str | None:
    """Return the folio of the request with this chain of events, for `receive_email --json`; None for another chain."""
    pk = chain.partition(":")[2]
    return FormalRequest.objects.filter(pk=pk).values_list("folio", flat=True).first()


# -- Which files are forms ---------------------------------------------------------------------------


def _list_mailboxes(inbound: InboundMessage, mail: InboundMail) -> set[str]:
    """Return the addresses that the mail was sent to, without plus parts."""
    parts = [address.lower().rpartition("@") for address in (*inbound.recipients, *mail.recipients)]
    return {f"{local.partition('+')[0]}@{domain}" for local, _, domain in parts}


def _may_be_form(file: MailFile, is_desk: bool) -> bool:
    """Return True for a PDF; at soporte@, where tickets bring PDFs, only if it has fields or is named like a form."""
    name = file.name.lower()
    if not (name.endswith(".pdf") or file.content_type == "application/pdf" or file.content.startswith(b"%PDF-")):
        return False
    return is_desk or b"/AcroForm" in file.content or bool(_FORM_OR_FOLIO.search(name))


def _looks_like_form(file: MailFile) -> bool:
    """Return True if a PDF is named like a form, has fields, or packs its objects so that fields cannot be seen."""
    has_fields = b"/AcroForm" in file.content or b"/ObjStm" in file.content
    return has_fields or bool(_FORM_NAME.search(file.name))


def _is_our_form(file: MailFile, fault: Unreadable) -> bool:
    """Return True if a PDF that could not be taken is one of our forms, and so is evidence of no request."""
    is_known = fault.fault in _FAULTS_OF_OUR_FORMS or b"/AcroForm" in file.content
    return is_known or bool(_FORM_NAME.search(file.name))


# -- What a form says --------------------------------------------------------------------------------


def _read_forms(people: list[User], files: Sequence[MailFile], is_desk: bool) -> tuple[list[Form], list[FaultyFile]]:
    """Return the forms that can be taken, in their order, and the other files, each with its fault."""
    forms: list[Form] = []
    faults: list[FaultyFile] = []
    for file in files:
        try:
            proposal = form_read.read_form(file.content)
            if proposal.form == form_fields.CHANGE and not is_desk:
                raise Unreadable(Fault.WRONG_BOX)
            forms.append(_understand_form(people, file, proposal))
        except Unreadable as fault:
            faults.append((file, fault))
    return forms, faults


def _understand_form(people: list[User], file: MailFile, proposal: Proposal) -> Form:
    """Compare what a form says with the company's data, and return who asks for what. Raises Unreadable."""
    request = _find_named_request(proposal)
    person = _choose_person(people, request, proposal)
    customer = person.contact.customer
    form_read.check_owner(proposal, owner=request.customer_id if request else None, sender=customer.pk)
    if policy.find_powers(person, customer) is None:
        raise Unreadable(Fault.POWERS)
    comparison = form_read.compare_form(proposal, customer)
    if request is not None and request.kind != comparison.kind:
        details = {"kind": f"El folio es de otro trámite: {request.get_kind_display()}."}
        raise Unreadable(Fault.INCOMPLETE, details)
    draft = comparison.draft | {"declares": True}
    if comparison.names_colleague:
        draft["person"] = {"user": _find_colleague(customer, comparison.person_email)}
    return Form(person, proposal, comparison.kind, draft, request, file)


def _find_named_request(proposal: Proposal) -> FormalRequest | None:
    """Return the request with the folio that the form shows, of whatever company; None when there is none."""
    try:
        folio = numbers.parse_number(FormalRequest.PREFIXES[FormalRequest.Form(proposal.form)], proposal.folio)
    except numbers.InvalidNumber:
        return None
    return FormalRequest.objects.filter(folio=folio).first()


def _choose_person(people: list[User], request: FormalRequest | None, proposal: Proposal) -> User:
    """Return who asks, among the people with the sender's address.

    It is who began the named request, else somebody of its company, else of the company in the form; with powers first.
    """
    rfc = form_read.clean_rfc(proposal.values["rfc"])

    def rank(person: User) -> tuple[bool, ...]:
        customer = person.contact.customer
        is_owner = request is not None and customer.pk == request.customer_id
        is_author = request is not None and person.pk == request.requester_id
        return is_author, is_owner, customer.rfc == rfc, policy.find_powers(person, customer) is not None

    return max(people, key=rank)


def _find_colleague(customer: Customer, email: str) -> int:
    """Return the key of the company's active person with this mail. Raises Unreadable."""
    person = kinds_people.find_person(customer, email)
    if person is None:
        details = {"person_email": "No hay una persona activa de su empresa con ese correo."}
        raise Unreadable(Fault.INCOMPLETE, details)
    return person.pk


# -- The other files ---------------------------------------------------------------------------------


def _gather_forms(
    inbound: InboundMessage, mail: InboundMail, forms: list[Form], faults: list[FaultyFile], unread: list[MailFile]
) -> MailedForms:
    """Store the files of a mail that are no forms, and return them with its forms.

    Beside a single form they are its evidence. Beside several forms, faulty and unread ones included, a file is the
    evidence of the draft whose folio is in its name; mesa de control reads the others.
    """
    faulty = [(file, fault) for file, fault in faults if _is_our_form(file, fault)]
    form_files = [*(form.file for form in forms), *(file for file, _ in faulty), *unread]
    others = [file for file in mail.files if not any(file is form for form in form_files)]
    is_single = len(form_files) == 1
    places: list[int | None] = [0 if is_single else _find_place(file, forms) for file in others]
    result = from_mail.store_files(others, draft=f"form:{inbound.pk}:{secrets.token_hex(16)}")
    attachments = iter(result.files)
    stored = [next(attachments) if is_accepted else None for is_accepted in result.accepted]
    other_files = OtherFiles(tuple(zip(others, stored, places, strict=True)), result.refusals)
    return MailedForms(inbound, mail, tuple(forms), tuple(faulty), tuple(unread), other_files)


def _find_place(file: MailFile, forms: Sequence[Form]) -> int | None:
    """Return the index of the form whose draft has the folio in the file's name; None when there is none."""
    match = _FOLIO_IN_NAME.search(file.name)
    if match is None:
        return None
    folio = re.sub(r"[^0-9A-Z]", "", match.group().upper())
    for place, form in enumerate(forms):
        if form.request is not None and form.request.folio.replace("-", "") == folio:
            return place
    return None
