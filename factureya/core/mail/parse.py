"""Turn the bytes of a mail into an InboundMail, without database or HTTP; only LimitExceeded is raised (M6).

Nothing in the result is proven: `accounts.mail_sender` decides who wrote, and the handlers decide the rest.
"""

import mimetypes
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count

from factureya.core.mail import copies, own_links
from factureya.core.mail.headers import HeadTooLong, read_head
from factureya.core.mail.html_text import MAX_HTML, html_to_text, strip_tags
from factureya.core.mail.parts import (
    MAX_PARTS,
    MAX_TEXT_BYTES,
    Budget,
    LimitExceeded,
    Part,
    Place,
    find_uuencoded,
    read_parts,
)
from factureya.core.mail.replies import extract_reply
from factureya.core.mail.robots import HEADERS_TYPES, STATUS_TYPES, Bounce, find_robot_mark, read_bounce

MAX_TEXT = 400_000  # characters of a text that are read; the raw message keeps the rest
RETURNED_TYPES = HEADERS_TYPES | {"message/rfc822", "message/global"}
FORWARD_SUBJECTS = ("fwd:", "fw:", "rv:", "tr:", "wg:", "enc:", "reenv:", "reenvío:", "reenvio:")
ANSWER_SUBJECTS = ("re:", "aw:", "res:", "resp:")  # which may stand before those


@dataclass(frozen=True)
class MailFile:
    """Hold a decoded attachment; `name` is the sender's, or made up if there is none."""

    name: str
    content_type: str
    content: bytes
    place: Place
    is_returned: bool = False  # the mail that a delivery report returns: its head alone is read


@dataclass(frozen=True)
class InboundMail:
    """Hold what a mail says, as plain values; message ids have no brackets.

    `senders` are all usable addresses of all From fields; exactly one is a sender. `text` is the whole text, and so is
    `new_text` until `shortened` cuts quotes and signature out of it. `robot` names the mark of a machine.
    `authentication` are the values of Authentication-Results, whoever wrote them, the last server's first.
    """

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
    was_cut: bool = False

    @property
    def sender(self) -> str:
        """Return the one address in From; empty if there is none or more than one."""
        return self.senders[0] if len(self.senders) == 1 else ""

    def shortened(self) -> "InboundMail":
        """Return the mail with a `new_text` without quotes and signature; used if it answers a mail of ours (M17)."""
        new_text = extract_reply(self.text, is_forward=_is_forward(self.subject))
        was_cut = "".join(new_text.split()) != "".join(self.text.split())
        return replace(self, new_text=new_text, was_cut=was_cut)


def parse(raw: bytes) -> InboundMail:
    """Return what the bytes of a mail say, as values; the tokens of our links are cut out of it (M16).

    Of a mail that a delivery report returns only the head is kept. Raises LimitExceeded for a mail beyond the limits.
    """
    budget = Budget()
    top = read_parts(with_line_feeds(raw), budget)
    text, files = _Reader(budget).read(top)
    bounce = read_bounce(top, text[:20_000])
    text = own_links.cut_links(text[:MAX_TEXT])  # nobody reads a live link of somebody else's (M16)
    if bounce is not None:
        text, files = copies.cut_report(text), [_strip_returned(file) for file in files]
    head, senders = top.head, top.head.read_addresses("from")
    return InboundMail(
        message_id=next(iter(head.read_ids("message-id")), ""),
        references=head.read_ids("in-reply-to", "references"),
        senders=tuple(address for _, address in senders),
        sender_name=senders[0][0] if senders else "",
        recipients=tuple(a for _, a in head.read_addresses("to", "cc", "delivered-to", "x-original-to"))[:200],
        subject=own_links.cut_links(head.get("subject")),
        date=_parse_date(head.get("date")),
        text=text,
        new_text=text,
        files=tuple(files),
        robot=find_robot_mark(top),
        bounce=bounce,
        authentication=tuple(head.raw("authentication-results")),
    )


def peek(raw: bytes) -> tuple[str, str]:
    """Return sender and subject of a mail beyond the limits of `parse`, for the agents' tray.

    The sender is "" if From does not name exactly one; both are "" if the head is too long.
    """
    try:
        head, _ = read_head(raw, is_top=True)
    except HeadTooLong:
        return "", ""
    addresses = [address for _, address in head.read_addresses("from")]
    sender = addresses[0] if len(addresses) == 1 else ""
    return sender, own_links.cut_links(head.get("subject"))


def with_line_feeds(raw: bytes) -> bytes:
    """Return the mail with line feeds if its only line ends are carriage returns; all places stay the same."""
    return raw if b"\n" in raw else raw.replace(b"\r", b"\n")


def _is_forward(subject: str) -> bool:
    """Return True if the subject says that the mail forwards another: «RV: …», even after «RE: »."""
    bare = subject.lower().strip()
    while prefix := next((prefix for prefix in ANSWER_SUBJECTS if bare.startswith(prefix)), ""):
        bare = bare.removeprefix(prefix).lstrip()
    return bare.startswith(FORWARD_SUBJECTS)


class _Reader:
    """Take the text and the files out of a tree of parts."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.files: list[MailFile] = []
        self._html_left = MAX_HTML  # characters whose structure is read; of what is longer the tags alone are cut
        self._serial = count(1)

    def read(self, top: Part) -> tuple[str, list[MailFile]]:
        """Return the whole text, and all other parts as files."""
        return self._read_text(top).strip("\n"), self.files

    def _read_text(self, part: Part) -> str:
        """Return the text of a part of a mail, with that of its inner parts; parts that are no text become files.

        Of alternative texts one is chosen. A delivery status gives no text, because `read_bounce` reads it. If no inner
        parts of a multipart were found, it is read as text, and kept as a file too.
        """
        self.budget.check_time()
        if part.is_multipart and part.parts:
            texts = [(inner.kind, self._read_text(inner)) for inner in part.parts]
            if part.kind == "multipart/alternative":
                return _choose_text(texts)
            return "\n\n".join(text.strip("\n") for _, text in texts if text.strip())
        if part.is_multipart:
            if part.kind != "multipart/alternative":
                self._add_file(part)
            return part.read_text()
        if part.kind in STATUS_TYPES:
            return ""
        if part.disposition == "attachment" or part.file_name or part.kind not in {"text/plain", "text/html"}:
            self._add_file(part)
            return ""
        return self._read_html(part) if part.kind == "text/html" else self._read_plain(part)

    def _read_html(self, part: Part) -> str:
        """Return an HTML part of a mail as text. If all HTML so far exceeds MAX_HTML, only tags are removed."""
        page = part.read_text()
        self._html_left -= min(len(page), MAX_HTML)  # a first part is converted however long it is
        return html_to_text(page) if self._html_left >= 0 else strip_tags(page)

    def _read_plain(self, part: Part) -> str:
        """Return a plain part of a mail as text; keep its uuencoded files. Raises LimitExceeded for too many."""
        place = part.find_place(MAX_TEXT_BYTES)
        content = place.read(part.source)
        if b"begin " not in content or place.inner:  # no uuencoded file, or all was one: decoded
            return part.decode_text(content)
        uuencoded_files, rest = find_uuencoded(content)
        self.files += [
            MailFile(file.name, "application/octet-stream", file.content, replace(place, inner=file.lines))
            for file in uuencoded_files
        ]
        if len(self.files) > MAX_PARTS:  # a uuencoded file counts like a part of the mail
            raise LimitExceeded("parts")
        return part.decode_text(rest)

    def _add_file(self, part: Part) -> None:
        """Add a part of a mail as a file. Without a name, a mail is named by its subject, another file by a number."""
        name = own_links.cut_links(part.file_name)  # a saved web page may be named by a link of ours
        if not name and part.is_message and part.parts:
            name = "".join(c for c in part.parts[0].head.get("subject")[:60] if c.isalnum() or c in " -_").strip()
            name = f"{name}.eml" if name else ""
        suffix = ".eml" if part.is_message else mimetypes.guess_extension(part.kind) or ".bin"
        name = name or f"adjunto-{next(self._serial)}{suffix}"
        place = part.find_place()
        self.files.append(MailFile(name, part.kind, place.read(part.source), place))


def _choose_text(texts: list[tuple[str, str]]) -> str:
    """Return one of the alternative texts (type, text) of a mail: the plain one, else the first that is not empty."""
    not_empty = [(kind, text) for kind, text in texts if text.strip()]
    plain = [text for kind, text in not_empty if kind == "text/plain"]
    return next(iter(plain or [text for _, text in not_empty]), "")


def _strip_returned(file: MailFile) -> MailFile:
    """Return a file of a delivery report; of the mail that the report returns, keep only the head (M16)."""
    if file.content_type in RETURNED_TYPES or file.name.lower().endswith(".eml"):
        return replace(file, content=copies.cut_to_head(file.content), is_returned=True)
    return file


def _parse_date(value: str) -> datetime | None:
    """Return the date in the Date header of a mail, in UTC if it names no time zone; None if it is no date."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
