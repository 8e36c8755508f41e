"""The head of a mail or of one of its parts: bytes in, decoded values out.

Heads of real mail are broken: a blank first line, lines that are no headers, 8-bit bytes, addresses hidden in
encoded words. Nothing here raises but HeadTooLong, and what it reads is bounded.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from factureya.core.mail.charsets import decode

MAX_HEAD = 256 * 1024  # bytes
MAX_FIELDS = 2000
MAX_JUNK = 20  # lines of a head that are no headers
MAX_REFERENCES = 100
# What its sender says. Whatever else stands in a head may be written or added on the way, by each hop another.
SAID = frozenset(
    {
        "from",
        "to",
        "cc",
        "date",
        "subject",
        "in-reply-to",
        "references",
        "content-type",
        "content-transfer-encoding",
    }
)
BLANK = b" \t\r\n"
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
# A line that is no header is junk when one of these follows it; else the body begins there.
KNOWN = re.compile(
    rb"^(?:from|to|cc|subject|date|message-id|mime-version|content-type|received|return-path|reply-to)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
MESSAGE_ID = re.compile(r"<([^<>\s]{1,400})>")
WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?]{0,40})?\?([bBqQ])\?([^?]*)\?=")
# The last four are letters that become ASCII ones in capitals or small: somebody else's address would be registered.
_IN_ADDRESS = r"[^\s@<>,;:\"()\[\]\\\u0130\u0131\u017f\u212a]"
ADDRESS = re.compile(rf"{_IN_ADDRESS}{{1,64}}@{_IN_ADDRESS}{{1,255}}")
LINE_ENDS = dict.fromkeys(map(ord, "\r\n\t\x85\u2028\u2029"), " ")
# Quoted text, comments, angle brackets, separators, and what lies between them.
PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[()]|<[^<>]*>?|[,;]|[^"()<,;]+')


class HeadTooLong(Exception):
    """More than MAX_HEAD bytes or MAX_FIELDS fields: this is no mail that a person sent."""


@dataclass(frozen=True)
class Head:
    """Header fields in their order: names in lower case, values unfolded, not yet decoded."""

    fields: tuple[tuple[str, bytes], ...] = ()

    def raw(self, name: str) -> list[str]:
        """Every value of the field as text: 8-bit bytes decoded, encoded words as they stand."""
        return [plain(value) for key, value in self.fields if key == name]

    def all(self, name: str) -> list[str]:
        """Every value of the field, encoded words decoded."""
        return [words(value) for value in self.raw(name)]

    def get(self, name: str) -> str:
        """The first value of the field, decoded; empty when there is none."""
        return next(iter(self.all(name)), "")

    def addresses(self, *names: str) -> list[tuple[str, str]]:
        """(display name, address) of every usable address of the fields; a display name never lends an address."""
        return [pair for name in names for value in self.raw(name) for pair in addresses(value)]

    def ids(self, *names: str) -> tuple[str, ...]:
        """The message ids of the fields, without brackets, each once."""
        text = " ".join(value for name in names for value in self.raw(name))
        return tuple(dict.fromkeys(MESSAGE_ID.findall(text)))[:MAX_REFERENCES]


def read_head(raw: bytes, start: int = 0, end: int | None = None, *, is_top: bool = False) -> tuple[Head, int]:
    """The head that begins at `start`, and where its body begins. Raises HeadTooLong.

    The head of a whole mail (`is_top`) is forgiven a blank first line, an mbox line, and lines that are no headers.
    """
    end = len(raw) if end is None else end
    fields: list[tuple[str, bytearray]] = []
    junk = 0 if is_top else MAX_JUNK
    at = _skip_blank(raw, start, end) if is_top else start
    for line, after in _lines(raw, at, end):
        if not line:
            return _head(fields), after
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1][1].extend(b" " + line.lstrip())
        elif found := FIELD.match(line):
            fields.append((found.group(1).decode("ascii").lower(), bytearray(found.group(2).lstrip())))
        elif junk == MAX_JUNK or not _goes_on(raw, after, end):
            return _head(fields), at
        else:
            junk += 1
        at = after
        if len(fields) > MAX_FIELDS or at - start > MAX_HEAD:
            raise HeadTooLong
    return _head(fields), end


def fingerprint(raw: bytes) -> tuple[str, str]:
    """The Message-ID (without brackets, may be empty) and the digest that make a mail the same mail (M6).

    The digest is SHA-256 of the headers in SAID and the body, so that a redelivery by another hop, or to both our
    boxes at once, is one mail. Of a mail with a Message-ID blanks do not count, because servers fold long lines.
    Never raises.
    """
    try:
        head, body_at = read_head(raw, is_top=True)
    except HeadTooLong:
        head, body_at = Head(), 0
    message_id = next(iter(head.ids("message-id")), "")
    digest = hashlib.sha256()
    for name, value in head.fields:
        if name in SAID:
            digest.update(name.encode() + b":" + value.translate(None, BLANK) + b"\n")
    body = memoryview(raw)[body_at : _text_end(raw, body_at)]
    for chunk in _chunks(body):
        digest.update(chunk.translate(None, BLANK) if message_id else chunk)
    return message_id, digest.hexdigest()


def plain(value: bytes) -> str:
    """Header bytes as one line of text."""
    return decode(value).translate(LINE_ENDS)


def words(value: str) -> str:
    """A header value with its encoded words decoded (RFC 2047); what cannot be is left as it stands.

    Neighbours of one charset are joined before they are decoded, because senders cut them inside a character.
    """
    text: list[str] = []
    pending: list[bytes] = []
    charset, at = "", 0
    for found in WORD.finditer(value):
        between = value[at : found.start()]
        if charset and (between.strip() or charset != found.group(1).lower()):
            text.append(decode(b"".join(pending), charset))
            pending = []
        if between.strip() or not at:
            text.append(between)
        charset, at = found.group(1).lower(), found.end()
        pending.append(_word(found.group(2).lower(), found.group(3)))
    text += [decode(b"".join(pending), charset), value[at:]]
    return "".join(text).translate(LINE_ENDS)


def addresses(value: str) -> list[tuple[str, str]]:
    """(display name, address) of each usable address of a header value; addresses in lower case."""
    return [
        (" ".join(words(name).split()), address.lower())
        for name, address in _mailboxes(value)
        if ADDRESS.fullmatch(address)
    ]


def _mailboxes(value: str) -> Iterator[tuple[str, str]]:
    """Of each part between commas: what names it, and what it says its address is.

    Text in quotes is never an address, and one with two pairs of brackets, or text behind them, has none.
    """
    name, bare, angle, depth = "", "", "", 0
    for piece in [*PIECE.findall(value), ","]:
        if piece in {"(", ")"}:
            depth = max(0, depth + (1 if piece == "(" else -1))
        elif depth or not piece.strip():
            name += piece if not depth else ""
        elif piece in {",", ";"}:
            yield name if angle else "", (angle or bare.rpartition(":")[2]).strip("<> ")
            name, bare, angle = "", "", ""
        elif piece.startswith("<"):
            angle = "<>" if angle else piece
        elif angle:
            angle = "<>"
        else:
            is_quoted = piece.startswith('"')
            bare += '"' if is_quoted else piece
            name += re.sub(r"\\(.)", r"\1", piece[1:].removesuffix('"')) if is_quoted else piece


def _word(encoding: str, payload: str) -> bytes:
    raw = payload.encode("utf-8", "replace")
    if encoding == "q":
        return binascii.a2b_qp(raw, header=True)
    return base64_bytes(raw)


def base64_bytes(raw: bytes | memoryview) -> bytes:
    """Base64 as far as it goes: characters that are none of it and a wrong end do no harm."""
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", bytes(raw))
        return binascii.a2b_base64(clean[: len(clean) - (len(clean) % 4 == 1)] + b"==")


def _lines(raw: bytes, at: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Each line without its end, and where the next begins; lines longer than a head are cut."""
    while at < end:
        stop = raw.find(b"\n", at, min(end, at + MAX_HEAD))
        after = stop + 1 if stop >= 0 else min(end, at + MAX_HEAD)
        yield raw[at:after].rstrip(b"\r\n"), after
        at = after


def _skip_blank(raw: bytes, start: int, end: int) -> int:
    """Where the head begins, if nothing but blank lines stands before it."""
    found = re.compile(rb"[\r\n]*").match(raw, start, min(end, start + MAX_HEAD))
    at = found.end() if found else start
    return at if FIELD.match(raw[at : at + 200].partition(b"\n")[0]) else start


def _goes_on(raw: bytes, at: int, end: int) -> bool:
    """Whether the head goes on after a line that is no header."""
    rest = raw[at : min(end, at + 4096)]
    blank = re.search(rb"(?:^|\n)\r?\n", rest)
    return KNOWN.search(rest[: blank.start() + 1] if blank else rest) is not None


def _head(fields: list[tuple[str, bytearray]]) -> Head:
    return Head(tuple((name, bytes(value)) for name, value in fields))


def _text_end(raw: bytes, at: int, size: int = 65536) -> int:
    """Where the line ends begin with which the mail ends, found without a copy of it."""
    end = len(raw)
    while end > at:
        begin = max(at, end - size)
        if kept := raw[begin:end].rstrip(b"\r\n"):
            return begin + len(kept)
        end = begin
    return end


def _chunks(body: memoryview, size: int = 1024 * 1024) -> Iterator[bytes]:
    """The body with line feeds alone, a piece at a time, so that a large mail is not copied whole."""
    carry = b""
    for at in range(0, len(body), size):
        chunk = carry + bytes(body[at : at + size])
        carry = b"\r" if chunk.endswith(b"\r") else b""
        yield (chunk[:-1] if carry else chunk).replace(b"\r\n", b"\n")
    yield carry
