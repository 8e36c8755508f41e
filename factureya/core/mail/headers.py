"""Read the head of a mail or of one of its parts: it takes bytes and gives decoded values.

Heads of real mails are broken: a blank first line, lines that are no headers, 8-bit bytes, addresses inside encoded
words. Nothing here raises but HeadTooLong, and all work is bounded.
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
# The fields that the sender writes; servers on the way may write or add all others.
SENDER_FIELDS = frozenset(
    "from to cc date subject in-reply-to references content-type content-transfer-encoding".split()
)
BLANK = b" \t\r\n"
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
# A line that is no header is junk when one of these follows it; else the body begins there.
KNOWN_FIELD = re.compile(
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
    """Say that a head has more than MAX_HEAD bytes or MAX_FIELDS fields; no person sends such a mail."""


@dataclass(frozen=True)
class Head:
    """Hold header fields in their order: names in lower case, values unfolded and not yet decoded."""

    fields: tuple[tuple[str, bytes], ...] = ()

    def raw(self, name: str) -> list[str]:
        """Return every value of the field as text: 8-bit bytes are decoded, encoded words are not."""
        return [decode_plain(value) for key, value in self.fields if key == name]

    def all(self, name: str) -> list[str]:
        """Return every value of the field, with encoded words decoded."""
        return [decode_words(value) for value in self.raw(name)]

    def get(self, name: str) -> str:
        """Return the first value of the field, decoded, or an empty text."""
        return next(iter(self.all(name)), "")

    def read_addresses(self, *names: str) -> list[tuple[str, str]]:
        """Return (display name, address) for each usable address of these fields, but not one in a display name."""
        return [pair for name in names for value in self.raw(name) for pair in parse_addresses(value)]

    def read_ids(self, *names: str) -> tuple[str, ...]:
        """Return the message ids in these fields without brackets, each once, and at most MAX_REFERENCES."""
        text = " ".join(value for name in names for value in self.raw(name))
        return tuple(dict.fromkeys(MESSAGE_ID.findall(text)))[:MAX_REFERENCES]


def read_head(raw: bytes, start: int = 0, end: int | None = None, *, is_top: bool = False) -> tuple[Head, int]:
    """Return the head of a mail or part that begins at `start`, and the place where the body begins.

    The head of a whole mail (`is_top`) may have a blank first line, an mbox line, and lines that are no headers.
    Raises HeadTooLong if it has more than MAX_HEAD bytes or MAX_FIELDS fields.
    """
    end = len(raw) if end is None else end
    fields: list[tuple[str, bytearray]] = []
    junk_left = MAX_JUNK if is_top else 0  # how many lines that are no headers may still come
    at = _skip_blank_lines(raw, start, end) if is_top else start
    for line, after in _iterate_lines(raw, at, end):
        if not line:
            return _build_head(fields), after
        if line[:1] in {b" ", b"\t"} and fields:  # it continues the header before it
            _, last_value = fields[-1]
            last_value.extend(b" " + line.lstrip())
        elif found := FIELD.match(line):
            fields.append((found.group(1).decode("ascii").lower(), bytearray(found.group(2).lstrip())))
        elif not junk_left or not _does_head_continue(raw, after, end):  # the body begins here
            return _build_head(fields), at
        else:
            junk_left -= 1
        at = after
        if len(fields) > MAX_FIELDS or at - start > MAX_HEAD:
            raise HeadTooLong
    return _build_head(fields), end


def compute_fingerprint(raw: bytes) -> tuple[str, str]:
    """Return the Message-ID (without brackets, possibly empty) and the digest by which a mail is recognised again (M6).

    The digest is the SHA-256 of the body and of the SENDER_FIELDS, so that a second delivery by another server, or to
    both our mailboxes, is the same mail. If there is a Message-ID, blanks of the body do not count, because servers
    fold long lines; without one, only the same body is the same mail.
    """
    try:
        head, body_at = read_head(raw, is_top=True)
    except HeadTooLong:
        head, body_at = Head(), 0  # all of it counts as the body
    message_id = next(iter(head.read_ids("message-id")), "")
    digest = hashlib.sha256()
    for name, value in head.fields:
        if name in SENDER_FIELDS:
            digest.update(name.encode() + b":" + value.translate(None, BLANK) + b"\n")
    body = memoryview(raw)[body_at : _find_text_end(raw, body_at)]
    for chunk in _iterate_chunks(body):
        digest.update(chunk.translate(None, BLANK) if message_id else chunk)
    return message_id, digest.hexdigest()


def decode_plain(value: bytes) -> str:
    """Return header bytes as one line of text."""
    return decode(value).translate(LINE_ENDS)


def decode_words(value: str) -> str:
    """Return a header value with its encoded words decoded (RFC 2047); a word that cannot be decoded stays as it is.

    Neighbouring words of one charset are joined before they are decoded, because some senders cut a character in two.
    """
    text: list[str] = []
    pending: list[bytes] = []  # neighbouring words in `charset`, not yet decoded
    charset, at = "", 0
    for word in WORD.finditer(value):
        between = value[at : word.start()]
        new_charset, encoding, payload = word.group(1).lower(), word.group(2).lower(), word.group(3)
        if charset and (between.strip() or charset != new_charset):
            text.append(decode(b"".join(pending), charset))
            pending = []
        if between.strip() or not at:  # blanks between two encoded words are not shown
            text.append(between)
        charset, at = new_charset, word.end()
        raw = payload.encode("utf-8", "replace")
        pending.append(binascii.a2b_qp(raw, header=True) if encoding == "q" else decode_base64(raw))
    text += [decode(b"".join(pending), charset), value[at:]]
    return "".join(text).translate(LINE_ENDS)


def parse_addresses(value: str) -> list[tuple[str, str]]:
    """Return (display name, address) for each usable address of a header value; addresses are in lower case."""
    return [
        (" ".join(decode_words(name).split()), address.lower())
        for name, address in _split_mailboxes(value)
        if ADDRESS.fullmatch(address)
    ]


def _split_mailboxes(value: str) -> Iterator[tuple[str, str]]:
    """Yield the display name and the address, not yet checked, of each entry of a header such as From or To.

    The address is what stands in <…>, else the text of the entry, but never text in quotes. A second <…>, or text
    after <…>, spoils the entry: its address is empty.
    """
    name, text, bracketed, comment_depth = "", "", "", 0
    for piece in [*PIECE.findall(value), ","]:  # the comma ends the last entry
        if piece in {"(", ")"}:  # a comment begins or ends; nothing of it is used
            comment_depth = comment_depth + 1 if piece == "(" else max(0, comment_depth - 1)
        elif comment_depth:
            continue
        elif not piece.strip():
            name += piece  # the blanks of a name are kept
        elif piece in {",", ";"}:  # the entry ends; text without <…> is an address and not a name
            address = bracketed or text.rpartition(":")[2]  # «group: address»
            yield name if bracketed else "", address.strip("<> ")
            name, text, bracketed = "", "", ""
        elif piece.startswith("<"):
            bracketed = "<>" if bracketed else piece  # «<>» gives an empty address
        elif bracketed:  # text after <…>
            bracketed = "<>"
        else:
            is_quoted = piece.startswith('"')
            text += '"' if is_quoted else piece  # an address with a quotation mark is not usable
            name += re.sub(r"\\(.)", r"\1", piece[1:].removesuffix('"')) if is_quoted else piece


def decode_base64(raw: bytes | memoryview) -> bytes:
    """Return the bytes of base64 text; characters that are no base64, and a last one that is too many, are left out."""
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", bytes(raw))
        if len(clean) % 4 == 1:  # four characters hold three bytes; a single one holds none
            clean = clean[:-1]
        return binascii.a2b_base64(clean + b"==")


def _iterate_lines(raw: bytes, at: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield each line of a mail without its line end, and where the next begins; in pieces if longer than MAX_HEAD."""
    while at < end:
        line_end = raw.find(b"\n", at, min(end, at + MAX_HEAD))
        after = line_end + 1 if line_end >= 0 else min(end, at + MAX_HEAD)
        yield raw[at:after].rstrip(b"\r\n"), after
        at = after


def _skip_blank_lines(raw: bytes, start: int, end: int) -> int:
    """Return the place where the first header of a mail begins after blank lines; `start` if no header follows them."""
    blanks = re.compile(rb"[\r\n]*").match(raw, start, min(end, start + MAX_HEAD))
    at = blanks.end() if blanks else start
    first_line, _, _ = raw[at : at + 200].partition(b"\n")
    return at if FIELD.match(first_line) else start


def _does_head_continue(raw: bytes, at: int, end: int) -> bool:
    """Return True if a known header follows before a blank line; `at` is the end of a line that is not a header."""
    following = raw[at : min(end, at + 4096)]
    blank_line = re.search(rb"(?:^|\n)\r?\n", following)
    lines = following[: blank_line.start() + 1] if blank_line else following
    return KNOWN_FIELD.search(lines) is not None


def _build_head(fields: list[tuple[str, bytearray]]) -> Head:
    return Head(tuple((name, bytes(value)) for name, value in fields))


def _find_text_end(raw: bytes, at: int, size: int = 65536) -> int:
    """Return where a mail's text ends, not counting the line ends after it; `at` is where the text begins."""
    end = len(raw)
    while end > at:  # in pieces, because the mail may be large
        begin = max(at, end - size)
        if piece := raw[begin:end].rstrip(b"\r\n"):
            return begin + len(piece)
        end = begin
    return end


def _iterate_chunks(body: memoryview, size: int = 1024 * 1024) -> Iterator[bytes]:
    """Yield the body of a mail, each CR LF changed to LF; in pieces, so that a large mail is not copied whole."""
    carried = b""  # a carriage return whose line feed may begin the next piece
    for at in range(0, len(body), size):
        chunk = carried + bytes(body[at : at + size])
        carried = b"\r" if chunk.endswith(b"\r") else b""
        yield chunk.removesuffix(b"\r").replace(b"\r\n", b"\n")
    yield carried
