"""Find the parts of a mail as places in its bytes: nothing is copied, and nothing is read beyond the limits (M6).

The standard library's parser takes 400 MB for 25 MB of mail, and quadratic time for nested parts.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.message import Message
from time import monotonic

from factureya.core.mail.charsets import decode
from factureya.core.mail.headers import Head, HeadTooLong, decode_base64, decode_plain, decode_words, read_head

MAX_BYTES = 25 * 1024 * 1024
MAX_PARTS = 200
MAX_DEPTH = 20
MAX_SECONDS = 10.0
MAX_DELIMITERS = 20_000  # lines that begin like a delimiter
MAX_DELIMITER = 1000  # characters behind a boundary that are looked at
MAX_FIELD = 4096  # characters of a Content-Type or Content-Disposition that are read
MAX_TEXT_BYTES = 2 * 1024 * 1024  # of an encoded text part; the raw message keeps the rest
NOT_ENCODED = {"", "7bit", "8bit", "binary"}
DECODED_ENCODINGS = {"base64", "quoted-printable"}


class LimitExceeded(Exception):
    """Say that a mail is larger, has more or deeper parts, or takes longer than we read; it is kept and quarantined."""


@dataclass(frozen=True)
class Place:
    """Hold where a file lies in the bytes of its mail and how it is encoded, so that reading it needs no parsing.

    `inner` is the place of a uuencoded file's lines in the decoded bytes.
    """

    start: int
    end: int
    encoding: str = ""
    inner: tuple[int, int] | None = None

    def read(self, raw: bytes) -> bytes:
        """Return the decoded bytes of a file in the mail `raw`; if they are damaged, the part that can be decoded."""
        encoded = memoryview(raw)[self.start : self.end]
        if self.encoding == "base64":
            content = decode_base64(encoded)
        elif self.encoding == "quoted-printable":
            content = binascii.a2b_qp(encoded)
        else:
            content = bytes(encoded)
        if not self.inner:
            return content
        start, end = self.inner  # where the lines of a uuencoded file are
        return decode_uuencoded(content[start:end])


@dataclass
class Budget:
    """Count the parts, delimiters and seconds that reading one mail has taken."""

    until: float = field(default_factory=lambda: monotonic() + MAX_SECONDS)
    parts: int = 0
    delimiters: int = 0

    def add_delimiter(self) -> None:
        """Count one more line of the mail that begins like a delimiter of parts. Raises LimitExceeded for too many."""
        self.delimiters += 1
        if self.delimiters > MAX_DELIMITERS:
            raise LimitExceeded("parts")

    def add_part(self, depth: int) -> None:
        """Count one more part of the mail. Raises LimitExceeded if there are too many, too deep, or too late ones."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise LimitExceeded("parts")
        if depth > MAX_DEPTH:
            raise LimitExceeded("depth")
        self.check_time()

    def check_time(self) -> None:
        """Raise LimitExceeded if reading the mail has taken too long."""
        if monotonic() > self.until:
            raise LimitExceeded("time")


@dataclass
class Part:
    """Describe a part of a mail: its head, its type, the place of its body, and its own parts, if they can be read."""

    source: bytes
    head: Head
    start: int
    end: int
    default: str = "text/plain"
    parts: list["Part"] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the type, the disposition and the encoding from the head."""
        # The standard library knows RFC 2231; it is given these three fields and nothing else.
        self._fields = Message()
        for name in ("content-type", "content-disposition"):
            for value in self.head.raw(name)[:1]:  # of several the first counts
                self._fields[name] = value[:MAX_FIELD]
        self._fields.set_default_type(self.default)
        self.kind: str = self._fields.get_content_type()
        self.disposition: str = self._fields.get_content_disposition() or ""
        self.encoding = self.head.get("content-transfer-encoding").strip().lower()

    @property
    def is_multipart(self) -> bool:
        """Return True if the part is made of parts."""
        return self.kind.startswith("multipart/")

    @property
    def is_message(self) -> bool:
        """Return True if the part is an embedded message."""
        return self.kind in {"message/rfc822", "message/global", "message/news"}

    def read_parameter(self, name: str, header: str = "content-type", *, is_text: bool = True) -> str:
        """Return a parameter of the part's header, such as its charset, decoded as RFC 2231 says; "" if there is none.

        Some senders use encoded words (RFC 2047) instead: they are decoded too if `is_text`.
        """
        try:
            value = self._fields.get_param(name, "", header)
        except (ValueError, LookupError, TypeError):
            return ""
        if isinstance(value, tuple):  # RFC 2231: charset, language, text
            charset, _, text = value
            return decode_plain(decode(text.encode("latin-1", "replace"), charset or "").encode())
        return decode_words(str(value)) if value and is_text else str(value or "")

    @property
    def file_name(self) -> str:
        """Return the file name that the sender gave the part, or an empty text."""
        return (self.read_parameter("filename", "content-disposition") or self.read_parameter("name")).strip()

    def content(self, limit: int | None = None) -> bytes:
        """Return the decoded bytes of the part, or of its first `limit` bytes; broken ones as far as possible."""
        return self.find_place(limit).read(self.source)

    def find_place(self, limit: int | None = None) -> Place:
        """Return where the part's body, or its first `limit` bytes, lies in the mail; if uuencoded, its first file."""
        end = self.end if limit is None else min(self.end, self.start + limit)
        body = Place(self.start, end, self.encoding if self.encoding in DECODED_ENCODINGS else "")
        if self.encoding not in {"x-uuencode", "uuencode", "x-uue"}:
            return body
        files, _ = find_uuencoded(body.read(self.source))
        return replace(body, inner=files[0].lines) if files else body

    def iterate_content(self, size: int = 1024 * 1024) -> Iterator[bytes]:
        """Yield the decoded bytes of a part in pieces of about `size` encoded bytes; quoted-printable is one piece."""
        if self.encoding not in {"base64", *NOT_ENCODED}:
            yield self.content()
            return
        carried = b""  # the last characters of base64, which are no whole group of four
        for at in range(self.start, self.end, size):
            encoded = carried + self.source[at : min(self.end, at + size)]
            if self.encoding != "base64":
                yield encoded
                continue
            encoded = encoded.translate(None, b"\r\n \t")
            whole = len(encoded) // 4 * 4
            carried = encoded[whole:]
            yield decode_base64(encoded[:whole])

    def read_text(self) -> str:
        """Return the text of the part, with line feeds."""
        return self.decode_text(self.content(MAX_TEXT_BYTES))

    def decode_text(self, content: bytes) -> str:
        """Return decoded bytes of this part as text, with line feeds."""
        return decode(content, self.read_parameter("charset")).replace("\r\n", "\n").replace("\r", "\n")

    def walk(self) -> Iterator["Part"]:
        """Yield this part of a mail and all parts inside it, those of embedded mails too."""
        yield self
        for part in self.parts:
            yield from part.walk()


def read_parts(raw: bytes, budget: Budget) -> Part:
    """Return the whole mail as a tree of its parts, which are places in its bytes; LimitExceeded beyond the limits."""
    if len(raw) > MAX_BYTES:
        raise LimitExceeded("bytes")
    try:
        return _read_part(raw, 0, len(raw), "text/plain", budget, 0)
    except HeadTooLong as error:
        raise LimitExceeded("head") from error


@dataclass(frozen=True)
class Uuencoded:
    """Hold a file that uuencode wrote into a text: its name, the place of its lines, and its content."""

    name: str
    lines: tuple[int, int]
    content: bytes


def find_uuencoded(raw: bytes) -> tuple[list[Uuencoded], bytes]:
    """Return the uuencoded files in a text («begin 644 a.pdf»…), and the text without them; broken ones stay in it."""
    files: list[Uuencoded] = []
    rest: list[bytes] = []
    at = 0
    for match in UUENCODED.finditer(raw):  # group 1: the name of the file; group 2: its lines
        try:
            content = decode_uuencoded(match.group(2))
        except binascii.Error:
            continue
        files.append(Uuencoded(decode_plain(match.group(1)).strip(), match.span(2), content))
        rest.append(raw[at : match.start()])
        at = match.end()
    return files, b"".join([*rest, raw[at:]])


def decode_uuencoded(lines: bytes) -> bytes:
    """Return the bytes of these lines of uuencode. Raises binascii.Error."""
    return b"".join(binascii.a2b_uu(line) for line in lines.splitlines())


UUENCODED = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n((?:[ -`]{1,90}\r?\n)+)end[ \t]*\r?$", re.MULTILINE)


def _read_part(raw: bytes, start: int, end: int, default: str, budget: Budget, depth: int) -> Part:
    """Return the part of a mail between `start` and `end` with its inner parts. Raises LimitExceeded.

    `default` is its type if its head names none. `depth` is the number of parts around it, 0 for the whole mail.
    """
    budget.add_part(depth)
    head, body_at = read_head(raw, start, end, is_top=depth == 0)
    part = Part(raw, head, body_at, end, default)
    if part.is_multipart and (name := part.read_parameter("boundary", is_text=False).rstrip()):
        boundary = b"--" + name.encode("utf-8", "replace")
        inner_default = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
        for begin, stop in _find_sections(raw, body_at, end, boundary, budget):
            part.parts.append(_read_part(raw, begin, stop, inner_default, budget, depth + 1))
    elif part.is_message and part.encoding in NOT_ENCODED:  # else it is encoded, and stays one part
        part.parts.append(_read_part(raw, body_at, end, "text/plain", budget, depth + 1))
    return part


def _find_sections(raw: bytes, start: int, end: int, boundary: bytes, budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield the place of each inner part between the delimiters of a mail; the closing delimiter may be missing."""
    begin = -1  # where the present part begins; -1 if no part is open
    for at, after, is_last in _find_delimiters(raw, start, end, boundary, budget):
        if begin >= 0:
            yield begin, max(begin, _skip_line_end(raw, at))  # `max`: the part may be empty
        if is_last:
            return
        begin = after
    if begin >= 0:
        yield begin, end


def _find_delimiters(
    raw: bytes, start: int, end: int, boundary: bytes, budget: Budget
) -> Iterator[tuple[int, int, bool]]:
    """Yield for each delimiter of parts: where it begins, where the next line begins, and if it is the closing one."""
    at = start if raw.startswith(boundary, start, end) else _find_next_delimiter(raw, boundary, start, end)
    while at >= 0:
        budget.add_delimiter()
        rest_at = at + len(boundary)
        looked_at_end = min(end, rest_at + MAX_DELIMITER)
        line_feed = raw.find(b"\n", rest_at, looked_at_end)
        line_end = line_feed if line_feed >= 0 else looked_at_end
        rest = raw[rest_at:line_end].rstrip(b" \t\r")
        if rest in {b"", b"--"}:  # else another delimiter, which begins with the same characters
            yield at, min(line_end + 1, end), rest == b"--"
        at = _find_next_delimiter(raw, boundary, line_end, end)


def _find_next_delimiter(raw: bytes, boundary: bytes, at: int, end: int) -> int:
    """Return the place of the next line of the mail that begins with the boundary, or -1."""
    line_feed = raw.find(b"\n" + boundary, at, end)
    return line_feed + 1 if line_feed >= 0 else -1


def _skip_line_end(raw: bytes, at: int) -> int:
    """Return where a part of a mail ends: before the line end that belongs to the delimiter at `at`."""
    if raw[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if raw[at - 1 : at] == b"\n" else at
