"""A filled form that comes by mail is the same request as one made in the portal (M7, M8, M20).

mesadecontrol@ takes both forms, soporte@ the access form. Who wrote is proven as for any mail (M5); what a form says is
a proposal (`pdf_read`). Every readable form of a mail is a request of its own. A mail whose forms all have a fault goes
on to become a ticket that a person reads; a faulty form beside a good one is answered by its file's name. The words of
the mail are kept with its requests (`mailed_forms`). Everything else goes on untouched.
"""

import re
import secrets
from collections.abc import Sequence
from functools import partial

from django.conf import settings

from accounts import mail_sender
from accounts.models import Customer, User
from change_requests import inbound_answers, inbound_forms, policy
from change_requests.documents import form_fields, form_read
from change_requests.documents.form_read import Fault, OnFile, Proposal, Unreadable
from change_requests.inbound_forms import Form, MailedForms, Others
from change_requests.kinds import content
from change_requests.models import FormalRequest
from factureya.core import numbers
from factureya.core.files import from_mail
from factureya.core.mail.intake import Aside, Plan
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import InboundMessage

MAX_FORMS = 4  # PDFs of one mail that are read in search of forms; its sender is told of the others by name
_FOLIO = re.compile(r"\bS[AC][-_ ]?[0-9A-Z]{4}[-_ ]?[0-9A-Z]{4}(?![0-9A-Za-z])", re.IGNORECASE)
# As our forms are saved: a folio with more words may be anything that belongs to it.
_FORM_NAME = re.compile(
    r"control-de-acceso|baja-o-cambio|^S[AC]-?[0-9A-Z]{4}-?[0-9A-Z]{4}( ?\(\d{1,3}\))?\.pdf$",
    re.IGNORECASE,
)
_NAMED = re.compile(r"control-de-acceso|baja-o-cambio|\bS[AC]-?[0-9A-Z]{4}-?[0-9A-Z]{4}", re.IGNORECASE)


def receive(inbound: InboundMessage, mail: InboundMail) -> Plan | Aside | None:
    """Claim a mail that brings a form; of one whose form has a fault, or that should bring one, answer what to do."""
    people = mail_sender.judge(mail).people
    if not people or mail.bounce is not None or mail.robot:
        return None
    is_desk = settings.CONTROL_DESK_EMAIL in _mailboxes(inbound, mail)
    files = [file for file in mail.files if _may_be_form(file, is_desk)]
    if not files:
        return Aside(partial(inbound_answers.missing, inbound, mail)) if is_desk else None
    first = sorted(range(len(files)), key=lambda n: not _looks_like_form(files[n]))[:MAX_FORMS]
    forms, faults = _read(people, [files[n] for n in sorted(first)], is_desk)
    if forms:
        rest = [file for n, file in enumerate(files) if n not in first and _looks_like_form(file)]
        return partial(inbound_forms.take, _gathered(inbound, mail, forms, faults, rest))
    vague = {Fault.SCAN, Fault.FOREIGN}
    fault = min((fault for _, fault in faults), key=lambda fault: fault.fault in vague)
    if not (is_desk or fault.fault in _OURS or any(_NAMED.search(file.name) for file in files)):
        return None  # any PDF, sent to soporte@ with a ticket
    return Aside(partial(inbound_answers.refused, inbound, mail, fault))


def folio_of(chain: str) -> str | None:
    """The folio of a request's chain, for `receive_email --json`."""
    pk = chain.partition(":")[2]
    return FormalRequest.objects.filter(pk=pk).values_list("folio", flat=True).first()


# -- Who and what: nothing is written here but files -------------------------------------------------

# Faults of what is certainly a form of ours; the others may be any PDF.
_OURS = frozenset(
    {
        Fault.OLD_VERSION,
        Fault.FORGED,
        Fault.OTHER_CUSTOMER,
        Fault.POWERS,
        Fault.RFC,
        Fault.EMAIL,
        Fault.INCOMPLETE,
        Fault.WRONG_BOX,
    }
)


def _mailboxes(inbound: InboundMessage, mail: InboundMail) -> set[str]:
    """The addresses it was sent to, without plus parts."""
    parts = [address.lower().rpartition("@") for address in (*inbound.recipients, *mail.recipients)]
    return {f"{local.partition('+')[0]}@{domain}" for local, _, domain in parts}


def _may_be_form(file: MailFile, is_desk: bool) -> bool:
    """A PDF; at soporte@, where any may come with a ticket, one that has fields or is named like a form."""
    name = file.name.lower()
    if not (name.endswith(".pdf") or file.content_type == "application/pdf" or file.content.startswith(b"%PDF-")):
        return False
    return is_desk or b"/AcroForm" in file.content or bool(_NAMED.search(name))


Fault_of = tuple[MailFile, Unreadable]


def _read(people: list[User], files: Sequence[MailFile], is_desk: bool) -> tuple[list[Form], list[Fault_of]]:
    """The forms that can be taken, in their order, and what is wrong with each of the other files."""
    forms: list[Form] = []
    faults: list[Fault_of] = []
    for file in files:
        try:
            proposal = form_read.read(file.content)
            if proposal.form == form_fields.CHANGE and not is_desk:
                raise Unreadable(Fault.WRONG_BOX)
            forms.append(_understood(people, file, proposal))
        except Unreadable as fault:
            faults.append((file, fault))
    return forms, faults


def _understood(people: list[User], file: MailFile, proposal: Proposal) -> Form:
    """Compare the form with what is on file. Raises Unreadable."""
    request = _named(proposal)
    person = _sender(people, request, proposal)
    customer = person.contact.customer
    form_read.check_owner(proposal, owner=request.customer_id if request else None, sender=customer.pk)
    if policy.powers_of(person, customer) is None:
        raise Unreadable(Fault.POWERS)
    answers = form_read.compare(proposal, OnFile(customer.rfc, customer.registered_email))
    if request is not None and request.kind != answers.kind:
        raise Unreadable(
            Fault.INCOMPLETE,
            {"kind": f"El folio es de otro trámite: {request.get_kind_display()}."},
        )
    draft = answers.draft | {"declares": True}
    if proposal.form == form_fields.ACCESS and answers.kind != FormalRequest.Kind.ALTA:
        draft["person"] = {"user": _colleague(customer, answers.person_email)}
    return Form(person, proposal, answers.kind, draft, request, file)


def _gathered(
    inbound: InboundMessage,
    mail: InboundMail,
    forms: list[Form],
    faults: list[Fault_of],
    unread: list[MailFile],
) -> MailedForms:
    """Tell the forms of a mail from its other files, and keep those.

    Beside the only form they are its evidence. With several (one with a fault, or one that was not read, counts) a file
    is the evidence of the draft whose folio its name has; nobody guesses for the others: mesa de control reads them.
    """
    faulty = [(file, fault) for file, fault in faults if _is_form(file, fault)]
    apart = [*(form.file for form in forms), *(file for file, _ in faulty), *unread]
    others = [file for file in mail.files if not any(file is one for one in apart)]
    is_alone = len(apart) == 1
    places: list[int | None] = [0 if is_alone else _place(file, forms) for file in others]
    kept = from_mail.store(others, draft=f"form:{inbound.pk}:{secrets.token_hex(16)}")
    files = iter(kept.files)
    stored = [next(files) if taken else None for taken in kept.accepted]
    found = Others(tuple(zip(others, stored, places, strict=True)), kept.refusals)
    return MailedForms(inbound, mail, tuple(forms), tuple(faulty), tuple(unread), found)


def _is_form(file: MailFile, fault: Unreadable) -> bool:
    """Whether a PDF that could not be taken is one of our forms, and so nobody's evidence."""
    return fault.fault in _OURS or bool(_FORM_NAME.search(file.name)) or b"/AcroForm" in file.content


def _looks_like_form(file: MailFile) -> bool:
    """Whether a PDF is named like a form, has fields, or packs its objects so that fields cannot be seen."""
    has_fields = b"/AcroForm" in file.content or b"/ObjStm" in file.content
    return has_fields or bool(_FORM_NAME.search(file.name))


def _place(file: MailFile, forms: Sequence[Form]) -> int | None:
    """Which form's draft a file names by its folio; None when it names none of them."""
    named = _FOLIO.search(file.name)
    if named is None:
        return None
    folio = re.sub(r"[^0-9A-Z]", "", named.group().upper())
    for place, form in enumerate(forms):
        if form.request is not None and form.request.folio.replace("-", "") == folio:
            return place
    return None


def _named(proposal: Proposal) -> FormalRequest | None:
    """The request whose folio the form has, whoever's it is."""
    try:
        folio = numbers.parse(form_fields.FOLIO_PREFIXES[proposal.form], proposal.folio)
    except numbers.InvalidNumber:
        return None
    return FormalRequest.objects.filter(folio=folio).first()


def _sender(people: list[User], request: FormalRequest | None, proposal: Proposal) -> User:
    """Who of the address's people asks: who began the request, else somebody of the company, with powers first."""
    rfc = form_read.plain_rfc(proposal.values["rfc"])

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
