"""Bytes of a mail -> InboundMail. No database, no HTTP; never raises but LimitExceeded.

Real mail is broken: unknown charsets, missing boundaries, addresses hidden in encoded words, NULs. The standard
library's parser is asked for structure only (policy compat32, whose getters do not raise) and every value is
decoded here, with the superset of the charset it claims. Reading is bounded: size, parts, nesting.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from datetime import datetime

from inscriptis import get_text
from inscriptis.model.config import ParserConfig
import quotequail

from factureya.core.mail_headers import MAX_HEAD, split

MAX_BYTES = 25 * 1024 * 1024
MAX_PARTS = 200
MAX_DEPTH = 20
MAX_TEXT = 500_000  # characters of a body that are read; the raw message keeps the rest

# What senders mean when they name a charset: the superset that contains it.
SUPERSETS = {
    "us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252",
    "iso-8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "big5": "cp950",
    "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932",
    "iso-2022-jp": "iso2022_jp_ext", "x-user-defined": "cp1252", "unknown-8bit": "utf-8", "utf8": "utf-8",
}  # fmt: skip


class LimitExceeded(Exception):
    """The message is larger, has more parts, or is nested deeper than is read; it is kept and quarantined."""


@dataclass(frozen=True)
class MailFile:
    """An attachment as it came: `content` is decoded; `name` may be empty."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Bounce:
    """What a delivery report says: the Message-IDs it quotes and the addresses that failed."""

    message_ids: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    is_final: bool = True


@dataclass(frozen=True)
class InboundMail:
    """What a mail says, as plain values. Nothing in it is proven: see `tickets.inbound` for what is believed."""

    message_id: str
    references: tuple[str, ...]
    senders: tuple[str, ...]
    sender_name: str
    recipients: tuple[str, ...]
    subject: str
    date: datetime | None
    text: str
    new_text: str
    files: tuple[MailFile, ...] = ()
    robot: str = ""
    bounce: Bounce | None = None
    authentication: tuple[str, ...] = ()
    defects: tuple[str, ...] = field(default=())

    @property
    def sender(self) -> str:
        """The one address in From; empty when there is none or more than one."""
        return self.senders[0] if len(self.senders) == 1 else ""


def peek(raw: bytes) -> tuple[str, str]:
    """Sender and subject of a mail that is beyond the limits, for the tray; never raises."""
    head, _ = split(raw)
    message = message_from_bytes(head[:MAX_HEAD] + b"\n\n", policy=policy.compat32)
    senders = _addresses(message, "From")
    return (senders[0][1] if len(senders) == 1 else "", _header(message, "Subject"))


def parse(raw: bytes) -> InboundMail:
    """Read a raw message. Raises LimitExceeded only."""
    _check_limits(raw)
    try:
        message = message_from_bytes(raw, policy=policy.compat32)
    except RecursionError as error:
        raise LimitExceeded("anidado") from error
    parts = list(_walk(message))
    text, files = _content(parts)
    senders = _addresses(message, "From")
    return InboundMail(
        message_id=_message_id(message), references=_references(message),
        senders=tuple(address for _, address in senders), sender_name=senders[0][0] if senders else "",
        recipients=tuple(a for h in ("To", "Cc", "Delivered-To", "X-Original-To") for _, a in _addresses(message, h)),
        subject=_header(message, "Subject"), date=_date(message), text=text, new_text=reply_text(text),
        files=tuple(files), robot=_robot(message), bounce=_bounce(message, parts, text),
        authentication=tuple(_header(message, "Authentication-Results", every=True)),
    )  # fmt: skip


# -- Limits ------------------------------------------------------------------------------------------
_BOUNDARY = re.compile(rb"boundary\s*=\s*(?:\"([^\"\r\n]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_NESTING = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)


def _check_limits(raw: bytes) -> None:
    """Refuse before parsing what would take the parser too long: it is quadratic in the nesting."""
    if len(raw) > MAX_BYTES:
        raise LimitExceeded("tamaño")
    if len(_NESTING.findall(raw)) > MAX_PARTS:
        raise LimitExceeded("partes")
    boundaries = {quoted or bare for quoted, bare in _BOUNDARY.findall(raw)}
    if len(boundaries) > MAX_PARTS or sum(raw.count(b"\n--" + b) for b in boundaries) > 2 * MAX_PARTS:
        raise LimitExceeded("partes")


def _walk(message: Message, depth: int = 0) -> Iterator[Message]:
    """The leaves, embedded messages as one leaf, within the limits of count and depth."""
    stack: list[tuple[Message, int]] = [(message, 0)]
    seen = 0
    while stack:
        part, depth = stack.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise LimitExceeded("partes")
        if depth > MAX_DEPTH:
            raise LimitExceeded("anidado")
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            stack.extend((child, depth + 1) for child in reversed(payload) if isinstance(child, Message))
        else:
            if isinstance(payload, list):
                _check_depth(part, depth)
            yield part


def _check_depth(part: Message, depth: int) -> None:
    stack = [(part, depth)]
    while stack:
        inner, level = stack.pop()
        if level > MAX_DEPTH:
            raise LimitExceeded("anidado")
        payload = inner.get_payload()
        if isinstance(payload, list):
            stack.extend((child, level + 1) for child in payload if isinstance(child, Message))


# -- Headers -----------------------------------------------------------------------------------------
_ADDRESS = re.compile(r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,400})>")


def _raw_headers(message: Message, name: str) -> list[str]:
    values = []
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            values.append(_plain(str(value)))
    return values


def _plain(value: str) -> str:
    """8-bit header bytes (kept as surrogates) decoded, NULs and line breaks gone."""
    try:
        raw = value.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "surrogateescape")
    return " ".join(decode(raw, "").replace("\x00", "").split())


def _words(value: str) -> str:
    """RFC 2047 encoded words in a header value, decoded; what cannot be is left as it stands."""
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    text = "".join(piece if isinstance(piece, str) else decode(piece, charset or "") for piece, charset in pieces)
    return " ".join(text.replace("\x00", "").split())


def _header(message: Message, name: str, every: bool = False):
    values = [_words(value) for value in _raw_headers(message, name)]
    return values if every else (values[0] if values else "")


def _addresses(message: Message, name: str) -> list[tuple[str, str]]:
    """(display name, address) pairs of a header; addresses lower-case; display names never lend an address."""
    pairs = []
    for display, address in getaddresses(_raw_headers(message, name)):
        address = address.strip().lower()
        if _ADDRESS.match(address):
            pairs.append((_words(display), address))
    return pairs


def _message_id(message: Message) -> str:
    found = _MESSAGE_ID.search(" ".join(_raw_headers(message, "Message-ID")[:1]))
    return found.group(1) if found else ""


def _references(message: Message) -> tuple[str, ...]:
    text = " ".join(_raw_headers(message, "In-Reply-To") + _raw_headers(message, "References"))
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(text)))[:100]


def _date(message: Message) -> datetime | None:
    try:
        return parsedate_to_datetime(_header(message, "Date"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# -- Robots and bounces ------------------------------------------------------------------------------
_OOF = re.compile(r"^\s*(auto(matic|m[aá]tic[ao])?[ -]?(reply|response|respuesta)|out of office|fuera de (la )?oficina|"
                  r"respuesta autom[aá]tica|automatische antwort|r[ée]ponse automatique)", re.IGNORECASE)
_BOUNCER = re.compile(r"^(mailer-daemon|postmaster|mail-daemon)(@|$)", re.IGNORECASE)


def _robot(message: Message) -> str:
    """Which mark says that no person wrote this (RFC 3834 and kin), or an empty text."""
    submitted = _header(message, "Auto-Submitted").lower().partition(";")[0].strip()
    if submitted and submitted != "no":
        return f"auto-submitted: {submitted}"
    if _header(message, "X-Factureya-Loop"):
        return "loop"
    for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Autogenerated"):
        if _header(message, name) and _header(message, name).lower() != "no":
            return name.lower()
    if _header(message, "Precedence").lower() in {"bulk", "list", "junk", "auto_reply"}:
        return "precedence"
    if _header(message, "List-Id") or _header(message, "List-Unsubscribe") and _header(message, "Precedence"):
        return "list"
    if any(value.strip() == "<>" for value in _raw_headers(message, "Return-Path")):
        return "return-path"
    return "subject" if _OOF.search(_header(message, "Subject")) else ""


def _bounce(message: Message, parts: list[Message], text: str) -> Bounce | None:
    """A delivery report in any of its shapes, or None."""
    report = str(message.get_param("report-type", "") or "").lower()
    statuses = [part for part in parts if part.get_content_type() in _STATUS_TYPES]
    from_header = " ".join(_raw_headers(message, "From"))
    if not (statuses or report == "delivery-status" or _BOUNCER.search(from_header)
            or _header(message, "X-Failed-Recipients")):  # fmt: skip
        return None
    status_text = "\n".join(_status_text(part) for part in statuses)
    recipients = _FINAL_RECIPIENT.findall(status_text) or [
        address for _, address in _addresses(message, "X-Failed-Recipients")
    ]
    quoted = "\n".join(part.as_string() for part in parts if part.get_content_type().startswith(("message/rfc822", "text/rfc822")))
    identifiers = _QUOTED_ID.findall(quoted + "\n" + text)
    return Bounce(
        tuple(dict.fromkeys([*identifiers, *_references(message)]))[:20],
        tuple(dict.fromkeys(address.lower() for address in recipients))[:20],
        not re.search(r"^action:\s*delayed", status_text, re.IGNORECASE | re.MULTILINE),
    )  # fmt: skip


_STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}
_FINAL_RECIPIENT = re.compile(r"^(?:final|original)-recipient:[^;\n]*;\s*<?([^\s<>]+@[^\s<>]+?)>?\s*$", re.IGNORECASE | re.MULTILINE)
_QUOTED_ID = re.compile(r"^\W*message-id:\s*<([^<>\s]{1,400})>", re.IGNORECASE | re.MULTILINE)


def _status_text(part: Message) -> str:
    payload = part.get_payload()
    blocks = payload if isinstance(payload, list) else [part]
    return "\n".join(block.as_string() for block in blocks if isinstance(block, Message))


# -- Text and files ----------------------------------------------------------------------------------
def _content(parts: list[Message]) -> tuple[str, list[MailFile]]:
    """The text of the mail (plain preferred to HTML in each alternative) and everything else as files."""
    texts: list[str] = []
    html: list[str] = []
    files: list[MailFile] = []
    for part in parts:
        kind, name = part.get_content_type(), _file_name(part)
        inline = not name and part.get_content_disposition() != "attachment"
        if inline and kind == "text/plain":
            texts.append(_text(part))
        elif inline and kind == "text/html":
            html.append(_text(part))
        elif kind not in _STATUS_TYPES:
            files.append(MailFile(name, kind, _bytes(part)))
    if not any(text.strip() for text in texts):
        texts = [html_to_text(page) for page in html]
    text = "\n\n".join(text.strip("\n") for text in texts if text.strip())
    return text[:MAX_TEXT], files


def _text(part: Message) -> str:
    text = decode(_bytes(part), part.get_content_charset("") if _has_charset(part) else "")
    return text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")


def _has_charset(part: Message) -> bool:
    return isinstance(part.get_param("charset"), str | tuple)


def _bytes(part: Message) -> bytes:
    """The decoded content; an embedded message as its own bytes; a broken encoding as far as it goes."""
    payload = part.get_payload()
    if isinstance(payload, list):
        inner = [child for child in payload if isinstance(child, Message)]
        return b"\n".join(child.as_bytes(policy=policy.compat32.clone(max_line_length=0)) for child in inner)
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _file_name(part: Message) -> str:
    for parameter, header in (("filename", "content-disposition"), ("name", "content-type")):
        value = part.get_param(parameter, None, header)
        if isinstance(value, tuple):
            charset, _, text = value
            return _plain(decode(text.encode("latin-1", "replace") if not text.isascii() else text.encode(), charset or ""))
        if isinstance(value, str) and value.strip():
            return _words(_plain(value))
    return ""


def html_to_text(page: str) -> str:
    """HTML as plain text, never rendered. A page that the parser refuses keeps its text without the tags."""
    try:
        return get_text(page, ParserConfig(display_links=False)).strip()
    except Exception:
        return re.sub(r"<[^>]{0,2000}>", " ", page).strip()


def reply_text(text: str) -> str:
    """What the customer wrote himself: quotes and signature cut, a whole forward kept whole.

    Losing words is worse than keeping a quote, so when in doubt the whole text stays.
    """
    parts = quotequail.unwrap(text)
    if not parts or parts["type"] == "forward":
        own = text
    else:
        own = "\n".join(p for p in (parts.get("text_top"), parts.get("text_bottom")) if p)
    return own


MULTIBYTE = {"gb18030", "cp950", "cp949", "cp932", "iso2022_jp_ext"}


# -- Text --------------------------------------------------------------------------------------------
def decode(raw: bytes, charset: str) -> str:
    """Bytes as text, by the superset of the charset they claim; never raises, loses nothing it can read.

    Without a usable claim: UTF-8 if it is valid, else Windows-1252, where every byte has a character.
    """
    wanted = SUPERSETS.get(charset.strip().lower().strip("\"'"), charset.strip() or "utf-8")
    for name in dict.fromkeys([wanted, "utf-8"]):
        try:
            return raw.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    if wanted in MULTIBYTE:
        return raw.decode(wanted, "replace")
    return raw.decode("cp1252", "replace")
