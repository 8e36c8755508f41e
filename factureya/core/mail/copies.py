"""Make the copy of a mail that a person may download: without our links, and without a mail that it returns (M16).

Only parts with a link of ours are decoded, cut and encoded again; all other bytes stay. The work is linear in the size
of the mail, within the limits of `core.mail.parts`.
"""

import binascii
import re
from dataclasses import dataclass, field

from factureya.core.mail import own_links
from factureya.core.mail.charsets import decode
from factureya.core.mail.parts import MAX_DEPTH, MAX_PARTS, Budget, LimitExceeded, Part, find_uuencoded, read_parts
from factureya.core.mail.robots import HEADERS_TYPES, STATUS_TYPES, read_bounce

MAX_READ = 256 * 1024  # bytes of text of one mail that are read; a copy leaves out the rest
MAX_ENCODED = 4 * MAX_READ  # bytes of one text part that are decoded: more than MAX_READ of any encoding
LEFT_OUT = b"\r\n[El resto de este texto no se incluye en la copia.]\r\n"
NOT_SHOWN = "[El correo devuelto no se muestra.]"
TEXT_NAMES = (".txt", ".htm", ".html", ".ics", ".csv", ".xml", ".json", ".log", ".md", ".rtf")
WIDE_CHARSETS = ("utf-16", "utf-32", "utf16", "utf32", "utf-7", "ucs-2", "unicode-1-1-utf-7")
ASCII_SAMPLE = b"enlace/a:b"  # the same bytes in every charset that contains ASCII
# Where a report repeats the mail it returns: a line of its head, or the words before it.
_HEAD_LINE = re.compile(
    r"[>|\s]{0,10}(?:return-path|received|message-id|mime-version|x-factureya-loop|auto-submitted|dkim-signature)\s?:",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"[>|\s]{0,10}-{0,10}\s{0,4}(?:below this line is a copy|this is a copy of the|original message|"
    r"returned message|the original message|mensaje original|copia del mensaje|el mensaje original)",
    re.IGNORECASE,
)
_TOKEN = re.compile(rb"(?:enlace|confirmar|no-fui-yo|clave|invitacion)/([\w.:~-]{30,2000})")
_UTF16_TOKEN = re.compile(
    rb"(?:e\0n\0l\0a\0c\0e|c\0o\0n\0f\0i\0r\0m\0a\0r|n\0o\0-\0f\0u\0i\0-\0y\0o|c\0l\0a\0v\0e|i\0n\0v\0i\0t\0a\0c\0i\0o\0n)"
    rb"\0/\0((?:[\w.:~-]\0){30,2000})"
)

_SIGNED = re.compile(rb":[\w-]{20}")


@dataclass
class _Copy:
    """Collect what replaces each body of a mail, in their order; None stands for a body that stays as it is."""

    raw: bytes
    is_report: bool
    bodies: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    bytes_left: int = MAX_READ
    checks: own_links.Checks = field(default_factory=own_links.Checks)

    def build(self) -> bytes:
        """Return the copy of the mail that a person may download, or the mail itself if nothing changed."""
        pieces: list[bytes | memoryview] = []
        at, is_changed = 0, False
        for start, end, new_body in [*self.bodies, (len(self.raw), len(self.raw), None)]:  # the last is the mail's end
            between = self.raw[at:start]  # the heads of parts between two bodies
            cleaned = self.cut_text(between)
            pieces += [cleaned, memoryview(self.raw)[start:end] if new_body is None else new_body]
            is_changed = is_changed or cleaned != between or new_body is not None
            at = end
        return b"".join(pieces) if is_changed else self.raw

    def cut_text(self, text: bytes, charset: str = "") -> bytes:
        """Return a text of the mail with our links cut out. After MAX_READ bytes of a mail a note replaces the rest."""
        size = min(len(text), self.bytes_left)
        self.bytes_left -= size
        # UTF-16 and others write ASCII in their own way, so their texts are decoded first.
        is_wide = charset.startswith(WIDE_CHARSETS) or decode(ASCII_SAMPLE, charset) != ASCII_SAMPLE.decode()
        start = text[:size]
        cleaned = _cut_wide_text(start, charset, self.checks) if is_wide else _replace_our_links(start, self.checks)
        return cleaned if size == len(text) else cleaned + LEFT_OUT


def cut_mail(raw: bytes, depth: int = 0) -> bytes:
    """Return the mail without the tokens of our signed links, or the same bytes if it has none (M16).

    A delivery report also loses the body of the mail that it returns. A mail beyond the limits is not parsed into
    parts: its bytes are cleaned as one text. `depth` is how many parts enclose this mail: 0 if it is not attached.
    """
    try:
        top = read_parts(raw, Budget())
    except LimitExceeded:
        return cut_whole(raw)
    copy = _Copy(raw, is_report=read_bounce(top, "") is not None)
    _copy_part(copy, top, depth)
    return copy.build()


def cut_file(content: bytes, *, is_mail: bool = False, is_text: bool = False) -> bytes:
    """Return a file of a mail without the tokens of our links (M16). One that is no mail or text keeps its length."""
    if is_mail:
        return cut_mail(content)
    return _replace_our_links(content) if is_text else _mask_tokens(content)


def cut_to_head(raw: bytes) -> bytes:
    """Return only the head of a mail that was returned to us, without our links (M16); a note replaces its body."""
    ends = [at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0]
    end = min(ends, default=len(raw))
    if not raw[end:].strip():  # there is no body
        return _replace_our_links(raw[:MAX_READ])
    return _replace_our_links(raw[: min(end, MAX_READ)]) + b"\r\n\r\n" + NOT_SHOWN.encode() + b"\r\n"


def cut_report(text: str) -> str:
    """Return a delivery report's text as far as the head of the mail it returns; a note replaces what follows."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _ANNOUNCED.match(line[:200]):  # as by «Original message»: the head follows
            end = _find_head_end(lines, number + 1)
        elif _HEAD_LINE.match(line[:200]):
            end = _find_head_end(lines, number)
        else:
            continue
        return "\n".join([*lines[: end or number + 1], NOT_SHOWN])  # 0: no head follows the announcement
    return text


def _find_head_end(lines: list[str], at: int) -> int:
    """Skip blank lines from line `at` on; return the number of the line after the mail head there; 0: no head."""
    while at < len(lines) and not lines[at].strip("> |\t\r"):
        at += 1
    begin = at
    while at < len(lines) and lines[at].strip("> |\t\r"):
        at += 1
    is_head = any(_HEAD_LINE.match(line[:200]) for line in lines[begin:at])
    return at if is_head else 0


def _copy_part(copy: _Copy, part: Part, depth: int) -> None:
    """Add to `copy` the new body of a part, or of each of its inner parts if it has some. None: the body stays.

    A note replaces the body of a mail that a delivery report returns. `depth` is how many parts are around this one.
    """
    if part.is_message and part.parts and copy.is_report:
        inner = part.parts[0]
        copy.bodies.append((inner.start, inner.end, NOT_SHOWN.encode() + b"\r\n"))
    elif part.parts:
        for inner in part.parts:
            _copy_part(copy, inner, depth + 1)
    elif _is_binary(part) and not _holds_token(part):
        copy.bodies.append((part.start, part.end, None))
    else:
        limit = None if part.is_message else MAX_ENCODED  # None: an attached mail is decoded whole
        content = part.content(limit)
        cleaned = _cut_content(copy, part, content, depth)
        new_body = None if cleaned == content else _encode_content(part, cleaned)
        copy.bodies.append((part.start, part.end, new_body))


def _cut_content(copy: _Copy, part: Part, content: bytes, depth: int) -> bytes:
    """Return the content of a mail's part with our links cut out, for the copy that a person may download.

    An attached mail is cut to its head if a report returns it or if MAX_DEPTH parts (`depth`) are around it. A binary
    file keeps its length. A plain text of a report loses the mail that it repeats.
    """
    name = part.file_name.lower()
    if part.kind in HEADERS_TYPES:
        return cut_to_head(content)
    if part.is_message or name.endswith(".eml"):
        if copy.is_report or depth >= MAX_DEPTH:
            return cut_to_head(content)
        return cut_mail(content, depth + 1)
    if _is_binary(part):
        return _mask_tokens(content)
    if b"begin " in content:
        content = _drop_uuencoded_files(content)
    cleaned = copy.cut_text(content, part.read_parameter("charset").lower())
    if copy.is_report and part.kind == "text/plain":
        return _cut_report_bytes(cleaned)
    return cleaned


def _drop_uuencoded_files(content: bytes) -> bytes:
    """Return a text without its uuencoded files if they are too many or one holds our link; else return it as it is."""
    files, other_text = find_uuencoded(content)
    contents = b"\n".join(file.content for file in files)[:MAX_READ]  # what is beyond is left out anyway
    is_harmless = len(files) <= MAX_PARTS and _replace_our_links(contents) == contents
    return content if is_harmless else other_text + LEFT_OUT


def _is_binary(part: Part) -> bool:
    """Return True if a part of a mail is neither a text nor a mail, so that its bytes must keep their length."""
    name = part.file_name.lower()
    is_text = part.kind.startswith("text/") or part.is_multipart or name.endswith(TEXT_NAMES)
    is_mail = part.is_message or part.kind in HEADERS_TYPES or name.endswith(".eml")
    return not (is_text or is_mail or part.kind in STATUS_TYPES)


def _holds_token(part: Part) -> bool:
    """Return True if a binary part of a mail holds a link of ours; it is read in pieces, because it may be large."""
    previous_end = b""  # a token may begin in one piece and end in the next
    for piece in part.iterate_content():
        window = previous_end + piece
        if _TOKEN.search(window) or _UTF16_TOKEN.search(window):
            return True
        # Keep room for one whole link: two bytes for each character (UTF-16), and 100 for the path before the token.
        previous_end = window[-2 * own_links.MAX_TOKEN - 100 :]
    return False


def _cut_report_bytes(content: bytes) -> bytes:
    """Return the text bytes of a delivery report without the text of the mail that the report returns."""
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    cleaned = cut_report(text)
    return content if cleaned == text else cleaned.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def _encode_content(part: Part, content: bytes) -> bytes:
    """Return new content of a part encoded as the head of the part says: in base64, quoted-printable or not at all."""
    if part.encoding == "base64":
        lines = (content[at : at + 57] for at in range(0, len(content), 57))  # they give 76 characters
        return b"".join(binascii.b2a_base64(line)[:-1] + b"\r\n" for line in lines)
    if part.encoding == "quoted-printable":
        return binascii.b2a_qp(content)
    return content


def _replace_our_links(content: bytes, checks: own_links.Checks | None = None) -> bytes:
    """Return the bytes of a text with each link of ours replaced by a placeholder; `checks` limits the work."""
    text = content.decode("utf-8", "surrogateescape")  # good for any charset that contains ASCII
    cleaned = own_links.cut_links(text, checks)
    return content if cleaned == text else cleaned.encode("utf-8", "surrogateescape")


def _cut_wide_text(content: bytes, charset: str, checks: own_links.Checks) -> bytes:
    """Return a text of a wide charset (UTF-16) with placeholders for our links; only one if that cannot be encoded."""
    text = decode(content, charset)
    cleaned = own_links.cut_links(text, checks)
    if cleaned == text:
        return content
    try:
        return cleaned.encode(charset)
    except (LookupError, UnicodeError):
        return own_links.MARK.encode()


def cut_whole(raw: bytes) -> bytes:
    """Return the first MAX_READ bytes of a mail that is beyond the limits, without our links."""
    return _replace_our_links(raw[:MAX_READ]) + (LEFT_OUT if len(raw) > MAX_READ else b"")


def _mask_tokens(content: bytes) -> bytes:
    """Return binary bytes with our tokens overwritten, in UTF-16 too, so that no byte moves."""
    return _UTF16_TOKEN.sub(_mask_link, _TOKEN.sub(_mask_link, content))


def _mask_link(match: re.Match[bytes]) -> bytes:
    """Return a link in a binary file with x for each character of its token; without a signature, leave it as it is."""
    link, token = match.group(), match.group(1)
    if not _SIGNED.search(token.replace(b"\0", b"")):  # in UTF-16 a zero byte follows each character
        return link
    mask = b"x\0" * (len(token) // 2) if b"\0" in token else b"x" * len(token)
    return link[: -len(token)] + mask
