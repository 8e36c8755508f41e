"""What the sender of a mailed form is told, beside the acuse of one that was taken (M7, M20).

Only proven senders come here. Each mail is answered once, and a sender only so often an hour: the second line against
loops, after the robots' own marks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from change_requests.documents import form_fields
from change_requests.documents.form_read import Unreadable
from change_requests.kinds.labels import FIELDS
from change_requests.models import FormalRequest
from change_requests.operations.errors import Invalid, Refused
from factureya.core.mail import answer_limits, outbox
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import InboundMessage

Disposition = InboundMessage.Disposition
KINDS = "change_requests/form_"
_PRINTABLE = re.compile(r"[!-;=?-~]{1,200}")  # what may stand between < and > in a header of ours
_LABELS = {
    **dict(form_fields.labels(form_fields.CHANGE)),
    **dict(form_fields.labels(form_fields.ACCESS)),
    **FIELDS,
    "oath": "Protesta de decir verdad",
    "user": "Persona",
    "items": "Datos que cambian",
    "evidence": "Evidencia",
    "full_name": "Nombre completo",
    "status": "Servicio",
}


def missing(inbound: InboundMessage, mail: InboundMail, outcome: Outcome) -> None:
    """To mesadecontrol@ without a form: where to get one. A person reads the ticket that the mail became."""
    if outcome.disposition == Disposition.NEW:
        _answer("missing", inbound, mail, outcome.about)


def refused(inbound: InboundMessage, mail: InboundMail, fault: Unreadable, outcome: Outcome) -> None:
    """The form's own fault, and what to do."""
    if outcome.disposition in {Disposition.NEW, Disposition.REPLY}:
        details = _lines(fault.details)
        _answer("refused", inbound, mail, outcome.about, answer=str(fault), details=details)


def faulty(
    inbound: InboundMessage,
    mail: InboundMail,
    file: MailFile,
    fault: Unreadable,
    requests: Sequence[FormalRequest],
    *,
    place: int,
) -> None:
    """A form with a fault came beside a good one: its file by name, its own fault, and what to do."""
    _answer(
        "refused",
        inbound,
        mail,
        requests[0].chain if requests else "",
        place=f"faulty-{place}",
        file=file.name,
        answer=str(fault),
        details=_lines(fault.details),
    )


def held(
    inbound: InboundMessage,
    mail: InboundMail,
    request: FormalRequest | None,
    refusal: Refused,
    *,
    file: MailFile,
    place: int,
) -> None:
    """It was read and could not be sent; a draft was kept, if there is one, to be corrected."""
    if isinstance(refusal, Invalid):
        text, details = "Faltan datos o alguno no es posible.", _lines(refusal.errors)
    else:
        text, details = str(refusal), []
    _answer(
        "held",
        inbound,
        mail,
        request.chain if request else "",
        request,
        place=str(place),
        file=file.name,
        answer=text,
        details=details,
    )


def already(inbound: InboundMessage, mail: InboundMail, request: FormalRequest, *, place: int) -> None:
    """«Ya recibida»: the same folio, or the same file, was sent before by whichever way."""
    _answer("already", inbound, mail, request.chain, request, place=str(place))


def left_out(
    inbound: InboundMessage,
    mail: InboundMail,
    requests: Sequence[FormalRequest],
    *,
    refusals: Sequence[str],
    for_desk: Sequence[str],
    unread: Sequence[str],
) -> None:
    """Name the files that are evidence of no request: not kept, read by mesa de control, or not looked at."""
    if refusals or unread or (for_desk and requests):
        first = requests[0] if requests else None
        _answer(
            "left_out",
            inbound,
            mail,
            first.chain if first else "",
            first,
            details=list(refusals),
            for_desk=list(for_desk) if requests else [],
            unread=list(unread),
            requests=list(requests),
        )


def _answer(
    verb: str,
    inbound: InboundMessage,
    mail: InboundMail,
    about: str,
    request: FormalRequest | None = None,
    *,
    place: str = "0",
    **more: Any,
) -> None:
    if not answer_limits.may_answer(mail.sender, answer_limits.FORM_ANSWERS):
        return
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
    if _PRINTABLE.fullmatch(mail.message_id):
        headers |= {"In-Reply-To": f"<{mail.message_id}>", "References": f"<{mail.message_id}>"}
    outbox.enqueue(
        KINDS + verb,
        key=f"form:{inbound.pk}:{verb}:{place}",
        to=mail.sender,
        about=about,
        context=context,
        headers=headers,
    )


def _lines(errors: Mapping[str, str]) -> list[str]:
    """«Motivo: escriba…», one for each field."""
    return [f"{_LABELS.get(field, field)}: {text}" for field, text in errors.items()]
