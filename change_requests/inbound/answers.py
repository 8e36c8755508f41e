"""What we write to the sender of a mailed form, beside the receipt (*acuse*) of a form that was taken (M7, M20).

Only proven senders get an answer. Each mail is answered once, and the answers to one sender are limited per hour, as a
second guard against loops.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from change_requests.documents import form_fields
from change_requests.documents.form_read import Unreadable
from change_requests.kinds.fields import BY_CODE
from change_requests.models import FormalRequest
from factureya.core.mail import answer_limits, outbox
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import InboundMessage
from factureya.core.refusals import Invalid, Refused

Disposition = InboundMessage.Disposition
KIND_PREFIX = "change_requests/form_"
_HEADER_ID = re.compile(r"[!-;=?-~]{1,200}")  # what may stand between < and > in a header of ours
_LABELS = {
    **{field.name: field.label for form in form_fields.FIELDS.values() for field in form if not field.is_fixed},
    **{code: row.label for code, row in BY_CODE.items()},
    "oath": "Protesta de decir verdad",
    "user": "Persona",
    "items": "Datos que cambian",
    "evidence": "Evidencia",
    "full_name": "Nombre completo",
    "status": "Servicio",
}


def answer_missing_form(inbound: InboundMessage, mail: InboundMail, outcome: Outcome) -> None:
    """If a mail to mesadecontrol@ had no form and became a new ticket, tell its sender where to get the form."""
    if outcome.disposition == Disposition.NEW:
        _enqueue_answer("missing", inbound, mail, outcome.about)


def answer_unreadable_form(inbound: InboundMessage, mail: InboundMail, fault: Unreadable, outcome: Outcome) -> None:
    """Mail the sender what is wrong with the forms of his mail, if it opened a ticket or was added to one."""
    if outcome.disposition in {Disposition.NEW, Disposition.REPLY}:
        details = _describe_errors(fault.details)
        _enqueue_answer("refused", inbound, mail, outcome.about, answer=str(fault), details=details)


def answer_faulty_form(
    inbound: InboundMessage,
    mail: InboundMail,
    file: MailFile,
    fault: Unreadable,
    requests: Sequence[FormalRequest],
    *,
    index: int,
) -> None:
    """Mail the sender what is wrong with one form (`file`) of a mail that had good forms too.

    `requests` were made of the good forms, or none if they were refused. `index` counts the faulty forms from 0.
    """
    _enqueue_answer(
        "refused",
        inbound,
        mail,
        requests[0].chain if requests else "",
        suffix=f"faulty-{index}",
        file=file.name,
        answer=str(fault),
        details=_describe_errors(fault.details),
    )


def answer_held_form(
    inbound: InboundMessage,
    mail: InboundMail,
    request: FormalRequest | None,
    refusal: Refused,
    *,
    file: MailFile,
    index: int,
) -> None:
    """Mail the sender why a readable form was refused. `request` is the draft that he can correct, or None.

    `index` counts the readable forms of the mail from 0.
    """
    if isinstance(refusal, Invalid):
        text, details = "Faltan datos o alguno no es posible.", _describe_errors(refusal.errors)
    else:
        text, details = str(refusal), []
    _enqueue_answer(
        "held", inbound, mail, request=request, suffix=str(index), file=file.name, answer=text, details=details
    )


def answer_repeated_form(inbound: InboundMessage, mail: InboundMail, request: FormalRequest, *, index: int) -> None:
    """Mail the sender «ya recibida»: the same folio or the same file was sent before, by mail or in the portal."""
    _enqueue_answer("already", inbound, mail, request=request, suffix=str(index))


def answer_left_out_files(
    inbound: InboundMessage,
    mail: InboundMail,
    requests: Sequence[FormalRequest],
    *,
    refusals: Sequence[str],
    for_desk: Sequence[str],
    unread: Sequence[str],
) -> None:
    """Mail the sender which files were not used. Without such files send nothing.

    `refusals` say why a file was refused. `unread` are the names of forms too many to read. `for_desk` are the names of
    files that mesa de control will see on the pages of `requests`; without a request the answer leaves them out.
    """
    if refusals or unread or (for_desk and requests):
        _enqueue_answer(
            "left_out",
            inbound,
            mail,
            request=requests[0] if requests else None,
            details=list(refusals),
            for_desk=list(for_desk) if requests else [],
            unread=list(unread),
            requests=list(requests),
        )


def _enqueue_answer(
    answer_kind: str,
    inbound: InboundMessage,
    mail: InboundMail,
    about: str = "",
    *,
    request: FormalRequest | None = None,
    suffix: str = "0",
    **more: Any,
) -> None:
    """Put an answer to this mail into the outbox, unless its sender had too many answers in the last hour.

    The answer belongs to the history (chain of events) of the `request`, or else to the history named `about`. `suffix`
    makes the keys of several answers to one mail differ. `more` is for the template.
    """
    if not answer_limits.may_answer(mail.sender, answer_limits.FORM_ANSWERS):
        return
    about = request.chain if request else about
    site = settings.SITE_URL
    context = {
        "request": request,
        "url": f"{site}/solicitudes/{request.folio}/" if request else f"{site}/solicitudes/",
        "ticket": about.removeprefix("ticket:") if about.startswith("ticket:") else "",
        "access_url": f"{site}/solicitudes/formatos/{form_fields.FILE_NAMES[form_fields.ACCESS]}",
        "change_url": f"{site}/solicitudes/formatos/{form_fields.FILE_NAMES[form_fields.CHANGE]}",
        **more,
    }
    headers = {"Auto-Submitted": "auto-replied"}
    if _HEADER_ID.fullmatch(mail.message_id):  # safe in a header
        headers |= {"In-Reply-To": f"<{mail.message_id}>", "References": f"<{mail.message_id}>"}
    outbox.enqueue(
        KIND_PREFIX + answer_kind,
        key=f"form:{inbound.pk}:{answer_kind}:{suffix}",
        to=mail.sender,
        about=about,
        context=context,
        headers=headers,
    )


def _describe_errors(errors: Mapping[str, str]) -> list[str]:
    """Return «Motivo: escriba…» for each field that is wrong."""
    return [f"{_LABELS.get(field, field)}: {text}" for field, text in errors.items()]
