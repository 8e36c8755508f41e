"""Tell whether a machine wrote a mail (RFC 3834 and others), and what a delivery report says."""

import re
from dataclasses import dataclass
from typing import Any

from factureya.core.mail.headers import Head
from factureya.core.mail.parts import Part

AUTOREPLY_FIELDS = "x-autoreply x-autorespond x-auto-reply x-autoreply-from x-mail-autoreply x-autoresponder".split()
LIST_FIELDS = "list-id list-post list-unsubscribe list-help mailing-list x-mailing-list".split()
BULK_PRECEDENCES = {"bulk", "list", "junk", "auto_reply", "auto-reply"}
# With its colon, as programs write it: a person's subject may begin with the same words.
AWAY_SUBJECT = re.compile(
    r"^\s*(?:auto(?:matic)?[ -]?(?:reply|response)|automatische antwort|réponse automatique|resposta automática|"
    r"respuesta automática|out of (?:the )?office|fuera de (?:la )?oficina)\s*(?::|$)",
    re.IGNORECASE,
)
BOUNCER = re.compile(r"^\W*(?:mailer-daemon|mail-daemon|postmaster)\b|\bmail delivery (?:sub)?system\b", re.IGNORECASE)
FAILED_SUBJECT = re.compile(
    r"^\s*(?:undeliver(?:able|ed)|returned mail|delivery (?:status notification|failure|has failed)|mail delivery "
    r"failed|failure notice|no se puede entregar|no entregado|devuelto)",
    re.IGNORECASE,
)
STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}
HEADERS_TYPES = {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
RECIPIENT = re.compile(
    r"^(?:final|original)-recipient:[^;\n]{0,40};\s*<?([^\s<>@]{1,64}@[^\s<>@]{1,255})>?\s*$",
    re.IGNORECASE | re.MULTILINE,
)
NOT_FINAL = re.compile(r"^action:\s*(?:delayed|relayed|delivered|expanded)", re.IGNORECASE | re.MULTILINE)
FAILED = re.compile(r"^action:\s*failed", re.IGNORECASE | re.MULTILINE)
# Of a report without a machine-readable part: «Warning: message … delayed 24 hours», and what its text says.
DELAY_SUBJECT = re.compile(
    r"^\s*(?:warning: message \S{1,60} delayed\b|warning: could not send message\b|delayed mail\b|delivery delay|"
    r"delivery status notification \(delay|message delayed\b|mensaje (?:retrasado|demorado)\b|"
    r"entrega (?:retrasada|demorada)\b)",
    re.IGNORECASE,
)
DELAY_TEXT = re.compile(
    r"\bnot yet been delivered\b|\bthis is a warning message only\b|\bdo not need to resend\b|"
    r"\bdelivery attempts will continue\b",
    re.IGNORECASE,
)
QUOTED_ID = re.compile(r"^\W{0,5}message-id:\s*<([^<>\s]{1,400})>", re.IGNORECASE | re.MULTILINE)
MAX_STATUS = 64 * 1024  # bytes of a report that are read


@dataclass(frozen=True)
class Bounce:
    """Hold what a delivery report says: the Message-IDs it quotes, the addresses it names, and whether it is final."""

    message_ids: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    is_final: bool = True


def has_null_sender(head: Head) -> bool:
    """Return True if the envelope has no sender (`MAIL FROM:<>`), which Postfix's pipe(8) calls MAILER-DAEMON (M13)."""
    paths = {value.strip().lower() for value in head.raw("return-path")}
    return bool(paths & {"<>", "<mailer-daemon>", "mailer-daemon"})


def find_robot_mark(top: Part) -> str:
    """Return the first sign («loop», «list»…) that a machine wrote the mail, which we do not answer; "" if none."""
    head = top.head
    submitted = head.get("auto-submitted").lower().partition(";")[0].strip()
    if submitted and submitted != "no":
        return f"auto-submitted {submitted}"[:40]
    signs: dict[str, Any] = {
        "loop": head.get("x-factureya-loop") or head.get("x-loop"),
        "autoreply": any(head.get(name).strip().lower() not in {"", "no", "false"} for name in AUTOREPLY_FIELDS),
        "precedence": head.get("precedence").strip().lower() in BULK_PRECEDENCES,
        "list": any(head.get(name) for name in LIST_FIELDS),
        "mdn": top.read_parameter("report-type").lower() == "disposition-notification",
        "return-path": has_null_sender(head),
        "subject": AWAY_SUBJECT.match(head.get("subject")),
    }
    return next((sign for sign, is_found in signs.items() if is_found), "")


def read_bounce(top: Part, text: str) -> Bounce | None:
    """Return what a delivery report says, or None if the mail is none; its `text` may quote our Message-IDs."""
    parts = list(top.walk())  # the first is the mail itself
    statuses = [part for part in parts[1:] if part.kind in STATUS_TYPES]
    if not (statuses or _looks_like_bounce(top.head, top.read_parameter("report-type").lower())):
        return None
    status = "\n".join(_read_beginning(part) for part in statuses)
    refused = RECIPIENT.findall(status) or [address for _, address in top.head.read_addresses("x-failed-recipients")]
    identifiers = [identifier for part in parts for identifier in _read_returned_ids(part, top)]
    identifiers += [*QUOTED_ID.findall(text), *top.head.read_ids("in-reply-to", "references")]
    return Bounce(
        tuple(dict.fromkeys(identifiers))[:20],
        tuple(dict.fromkeys(address.lower() for address in refused))[:20],
        _is_final(status, top.head.get("subject"), text),
    )


def _is_final(status: str, subject: str, text: str) -> bool:
    """Return True if the reporting server gave up our mail, and False if it still tries to deliver it.

    The machine-readable `status` decides. A report without one is final unless `subject` or `text` tells of a delay.
    """
    if FAILED.search(status):
        return True
    if status.strip():
        return not NOT_FINAL.search(status)
    return not (DELAY_SUBJECT.match(subject) or DELAY_TEXT.search(text))


def _looks_like_bounce(head: Head, report_type: str) -> bool:
    """Return True if a mail without a delivery-status part still looks like a bounce, by other fields of its head."""
    senders = " ".join(head.all("from"))
    return bool(
        report_type == "delivery-status"
        or BOUNCER.search(senders)
        or any("mailer-daemon" in address.split("@")[0] for _, address in head.read_addresses("from"))
        or head.get("x-failed-recipients")
        or (has_null_sender(head) and FAILED_SUBJECT.match(head.get("subject")))
    )


def _read_returned_ids(part: Part, top: Part) -> list[str]:
    """Return the Message-IDs in a part of the delivery report `top` that holds a returned mail or its headers."""
    if part.kind in HEADERS_TYPES:
        return QUOTED_ID.findall(_read_beginning(part))
    return list(part.head.read_ids("message-id")) if part is not top else []  # `top` has the report's own id


def _read_beginning(part: Part) -> str:
    """Return the first MAX_STATUS bytes of a part of a delivery report as text with line feeds."""
    return part.content(MAX_STATUS).decode("utf-8", "replace").replace("\r\n", "\n")
