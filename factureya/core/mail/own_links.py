"""List our signed links, make the digests in them, and cut their tokens out of every text that comes back to us.

Whoever holds such a link may act with it (M3, M8, M15, M16), and bounces, replies and forwards bring them to soporte@.
`cut_links` finds a token in every form that mail programs give it: wrapped, quoted, percent-encoded, as entities,
quoted-printable or base64, inside another link. Each step is linear in the length of the text, and no expression has
two quantifiers that overlap.
"""

import binascii
import logging
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

MARK = "[enlace personal]"
CODE_MARK = "[código]"


@dataclass(frozen=True)
class Kind:
    """Describe a kind of signed link by the beginning of its address and the salt of its signature."""

    path: str
    salt: str


TICKET = Kind("enlace", "tickets.link")
CONFIRM = Kind("solicitudes/confirmar", "requests.confirm")
NOT_ME = Kind("solicitudes/no-fui-yo", "requests.not-me")
PASSWORD = Kind("solicitudes/clave", "requests.password")
INVITATION = Kind("cuenta/invitacion", "accounts.invitation")
KINDS = (TICKET, CONFIRM, NOT_ME, PASSWORD, INVITATION)

DIGEST = 24  # hexadecimal characters of what a link is bound to: 96 bits
SIGNATURE = 43  # characters of a signature: SHA-256 in base64
LEAST_SIGNATURE = 20  # of a link that was cut short; what is shorter opens nothing
MAX_TOKEN = 2000
MAX_ROUNDS = 4  # of encodings inside one another
BASE64_RUN = 80

_LAST_FOLDERS = tuple({f"{kind.path.rpartition('/')[2]}/" for kind in KINDS})
_SIGNED = re.compile(rf":([\w-]{{{LEAST_SIGNATURE},{SIGNATURE}}})", re.ASCII)
_TOKEN_END = re.compile(r"[\w.:~-]*+", re.ASCII)  # of a reversed text
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]++={0,2}")
_PRINTED = bytes([9, 10, 13, *range(32, 127)])
_HIDDEN = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff"
# What stands between or for the characters of a link; a group names what it stands for.
_ESCAPED = re.compile(
    r"(?P<wrap>(?:=20)?=?\r?\n(?:[ \t]{0,8}[>|]){0,20}[ \t]{0,40})"
    rf"|(?P<nothing>[{_HIDDEN}]|<wbr ?/?>|\?=\s{{0,4}}=\?[^?\s]{{1,40}}\?[bBqQ]\?)"
    r"|%(?P<percent>[0-9A-Fa-f]{2})"
    r"|=(?P<quoted>[0-9A-Fa-f]{2})"
    r"|\\u00(?P<unicode>[0-9A-Fa-f]{2})"
    r"|\\(?P<slash>/)"
    r"|(?P<entity>&(?:#x?[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});)",
    re.IGNORECASE,
)
_TAG = re.compile(r"(?P<nothing><[A-Za-z/!][^<>]{0,500}>)")
_DEFENSE = re.compile(r"-(?P<percent>[0-9A-Fa-f]{2})|(?P<folder>_)")
# «Qué sigue: escriba este código…», «dé este código…»: the words of our mails.
# In any charset: \udcXX is a byte that is no text.
_CODE_SAID = re.compile(
    r"(?:escriba|d(?:[ée\ufffd\udce9]|Ã©|=C3=A9|&eacute;|&#233;))[\s>|]{1,20}este[\s>|]{1,20}"
    r"c(?:[óo\ufffd\udcf3]|Ã³|=C3=B3|&oacute;|&#243;)digo",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![A-Za-z0-9-])(?:[A-Z]{4}-?[A-Z]{4}|\d{3} ?\d{3})(?![A-Za-z0-9-])")
_LONG_SEGMENT = re.compile(r"(?<=/)[\w\-:.=~%]{40,}")  # of an address: longer than our folios, numbers and names
MAX_CHECKS = 2000  # signatures of one mail that are computed; what looks like one after them is cut unseen
CODE_WITHIN = 400  # characters after the words that announce a code


class Checks:
    """Count how many more signatures are computed for one mail: each costs as much as a page of text (M6)."""

    def __init__(self) -> None:
        self.left = MAX_CHECKS

    def is_signed(self, token: str) -> bool:
        """Return True if we signed the token, or if it looks signed and no more signatures are computed."""
        if len(token) - token.rfind(":") - 1 != SIGNATURE:
            return False
        self.left -= 1
        return self.left < 0 or _is_signed(token)


def make_url(kind: Kind, token: str) -> str:
    """Return the absolute address of a signed link, for a mail that is rendered without a request."""
    return f"{settings.SITE_URL}/{kind.path}/{token}/"


def make_digest(salt: str, value: str, secret: str | None = None) -> str:
    """Return a short digest of `value` that only we can make: under SECRET_KEY, or under `secret`."""
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()[:DIGEST]


def matches_digest(salt: str, value: str, claimed: str) -> bool:
    """Return True if `claimed` is the digest of `value` under today's key or one that is being retired."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(make_digest(salt, value, secret), claimed) for secret in secrets)


def cut_links(text: str, checks: Checks | None = None) -> str:
    """Return the text with a mark in place of each token of our links and each code that our mails announce (M16).

    Texts of one mail share their `checks`.
    """
    spans = [(start, end, MARK) for start, end in _find_links(text, checks or Checks())]
    spans += [(start, end, CODE_MARK) for start, end in _find_codes(text)]
    if not spans:
        return text
    kept, at = [], 0
    for start, end, mark in sorted(spans):
        if start >= at:
            kept += [text[at:start], mark]
        at = max(at, end)
    return "".join([*kept, text[at:]])


def _find_codes(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the codes that one of our mails announces as «este código»."""
    for announcement in _CODE_SAID.finditer(text):
        if found := _CODE.search(text, announcement.end(), announcement.end() + CODE_WITHIN):
            yield found.span()


def _find_links(text: str, checks: Checks) -> list[tuple[int, int]]:
    """Return the places of our tokens, in each way in which the text can be read."""
    plain = _Reading.read_whole(text)
    readings = [plain]
    if "<" in plain.text:
        readings.append(plain.replace(_TAG))
    if "-3a" in plain.text.lower():  # links that urldefense rewrote
        readings.append(plain.replace(_DEFENSE))
    return [
        reading.place(start, end)
        for reading in readings
        for start, end in (
            *_find_tokens(reading.text, reading.places, checks),
            *_find_base64_runs(reading.text, checks),
        )
    ]


def _find_tokens(text: str, breaks: list[int], checks: Checks) -> Iterator[tuple[int, int]]:
    """Yield the places of our tokens in a text without escapes; `breaks` are the places at which lines were joined."""
    done = 0
    at = text.find(":")
    while at >= 0:
        if found := _SIGNED.match(text, at):
            before = _TOKEN_END.match(text[max(done, at - MAX_TOKEN) : at][::-1])
            start = at - (before.end() if before else 0)
            if (begin := _find_beginning(text, start, found.end(), at, breaks, checks)) is not None:
                yield begin, found.end()
                done = found.end()
            at = text.find(":", found.end())
        else:
            at = text.find(":", at + 1)


def _find_beginning(text: str, start: int, end: int, colon: int, breaks: list[int], checks: Checks) -> int | None:
    """Return where the token that ends at `end` begins, or None if it is not ours.

    After the address of one of our pages it is ours. Elsewhere its signature decides, so that the links of others stay.
    """
    if text[max(0, start - 20) : start].lower().endswith(_LAST_FOLDERS):
        return start
    first, last = bisect_right(breaks, start), bisect_right(breaks, colon)
    starts = [start, *breaks[first:last][-4:]]
    return next((begin for begin in starts if checks.is_signed(text[begin:end])), None)


def _is_signed(token: str) -> bool:
    """Return True if we signed the token, with today's key or one that is being retired."""
    for kind in KINDS:
        with suppress(signing.BadSignature):
            signing.Signer(salt=kind.salt).unsign(token)
            return True
    return False


def _find_base64_runs(text: str, checks: Checks) -> Iterator[tuple[int, int]]:
    """Yield the places of base64 text in which one of our links is; it may begin inside a group of four."""
    for run in _BASE64.finditer(text):
        if run.end() - run.start() >= BASE64_RUN and any(
            _has_token(decoded, checks) for decoded in _decode_run(run.group())
        ):
            yield run.span()


def _decode_run(run: str) -> Iterator[str]:
    """Yield the base64 text decoded from each of the four places at which a group may begin, if most of it is text."""
    standard = run.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    for skipped in range(4):
        rest = standard[skipped:]
        content = binascii.a2b_base64(rest[: len(rest) // 4 * 4]).replace(b"\0", b"")
        # Of pictures and of a wrong beginning most is no text: they are not looked at.
        if len(content.translate(None, _PRINTED)) * 4 < len(content):
            yield content.decode("latin-1")


def _has_token(text: str, checks: Checks) -> bool:
    """Return True if the text holds a token of one of our links."""
    reading = _Reading.read_whole(text)
    return any(True for _ in _find_tokens(reading.text, reading.places, checks))


class _Reading:
    """Hold a text whose escapes and line breaks were replaced, and where each of its characters stood before."""

    def __init__(self, text: str, before: "_Reading | None" = None) -> None:
        self.text, self.before = text, before
        # Of each piece: where it begins here and there, and how long it is here and there.
        self.places: list[int] = []
        self.pieces: list[tuple[int, int, int]] = []

    @classmethod
    def read_whole(cls, text: str) -> "_Reading":
        """Return the text read through each encoding that may lie inside another."""
        reading = cls(text)
        for _ in range(MAX_ROUNDS):
            following = reading.replace(_ESCAPED)
            if following is reading:
                break
            reading = following
        return reading

    def replace(self, pattern: re.Pattern[str]) -> "_Reading":
        """Return a reading with each match of the pattern replaced, or this one if nothing matches."""
        after = _Reading("", before=self)
        parts: list[str] = []
        size, at = 0, 0
        for found in pattern.finditer(self.text):
            literal = self.text[at : found.start()]
            if found.lastgroup == "wrap":
                literal = literal.rstrip(" \t")
            for part, source, length in (
                (literal, at, len(literal)),
                (_unescape(found), found.start(), found.end() - found.start()),
            ):
                if part:
                    parts.append(part)
                    after.places.append(size)
                    after.pieces.append((source, len(part), length))
                    size += len(part)
            at = found.end()
        if not at:
            return self
        rest = self.text[at:]
        after.places.append(size)
        after.pieces.append((at, len(rest), len(rest)))
        after.text = "".join([*parts, rest])
        return after

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the place that these characters have in the text that was read first."""
        reading: _Reading = self
        while reading.before is not None:
            start, end = reading._find_source(start)[0], reading._find_source(end - 1)[1]
            reading = reading.before
        return start, end

    def _find_source(self, at: int) -> tuple[int, int]:
        """Return the place (start, end) that the character at `at` has in the text before the last replacement."""
        index = bisect_right(self.places, at) - 1
        source, size, length = self.pieces[index]
        if size != length:  # a character that stood for several
            return source, source + length
        source += at - self.places[index]
        return source, source + 1


def _unescape(found: re.Match[str]) -> str:
    """Return the character that an escape stands for."""
    name = found.lastgroup or ""
    value = found.group(name)
    if name in {"percent", "quoted", "unicode"}:
        return chr(int(value, 16))
    if name == "entity":
        meant = unescape(value)
        return "" if re.fullmatch(f"[{_HIDDEN}]", meant) else meant
    return {"slash": "/", "folder": "/"}.get(name, "")


class WithoutTokens(logging.Filter):
    """Cut signed tokens out of every log record: whoever reads one could use it while it lasts (M16)."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the tokens out of the text of a log record, and always let the record pass."""
        text = record.getMessage()
        if (short := cut_links(_LONG_SEGMENT.sub("…", text))) != text:
            record.msg, record.args = short, ()
        return True
