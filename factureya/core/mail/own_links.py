"""List our signed links, make the digests in them, and cut their tokens out of every text that comes back to us.

Whoever holds such a link may act with it (M3, M8, M15, M16), and bounces, replies and forwards bring them to soporte@.
`cut_links` finds a token in every form that mail programs give it: wrapped, quoted, percent-encoded, as entities,
quoted-printable or base64, inside another link. Each step is linear in the length of the text.
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
_CODE_ANNOUNCEMENT = re.compile(
    r"(?:escriba|d(?:[ée\ufffd\udce9]|Ã©|=C3=A9|&eacute;|&#233;))[\s>|]{1,20}este[\s>|]{1,20}"
    r"c(?:[óo\ufffd\udcf3]|Ã³|=C3=B3|&oacute;|&#243;)digo",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![A-Za-z0-9-])(?:[A-Z]{4}-?[A-Z]{4}|\d{3} ?\d{3})(?![A-Za-z0-9-])")
_LONG_ADDRESS_PART = re.compile(r"(?<=/)[\w\-:.=~%]{40,}")  # of an address: longer than our folios, numbers and names
MAX_CHECKS = 2000  # signatures of one mail that are computed; what looks like one after them is cut unseen
CODE_WITHIN = 400  # characters after the words that announce a code


class Checks:
    """Count how many more signatures are computed for one mail: each costs as much as a page of text (M6)."""

    def __init__(self) -> None:
        self.left = MAX_CHECKS

    def is_signed(self, token: str) -> bool:
        """Return True if we signed this token of a link.

        After MAX_CHECKS checks none is computed: a token whose signature is as long as ours counts as signed.
        """
        if len(token) - token.rfind(":") - 1 != SIGNATURE:  # the signature is what follows the last colon
            return False
        self.left -= 1  # the number of signatures that may still be computed
        return self.left < 0 or _is_signed(token)


def make_url(kind: Kind, token: str) -> str:
    """Return the absolute address of a signed link, for a mail that is rendered without a request."""
    return f"{settings.SITE_URL}/{kind.path}/{token}/"


def make_digest(salt: str, value: str, secret: str | None = None) -> str:
    """Return a short digest of `value` that only we can make: under SECRET_KEY, or under `secret`."""
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()[:DIGEST]


def matches_digest(salt: str, value: str, claimed: str) -> bool:
    """Return True if a link's digest `claimed` is the one that we make of `value` with today's or an earlier key."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(make_digest(salt, value, secret), claimed) for secret in secrets)


def cut_links(text: str, checks: Checks | None = None) -> str:
    """Return the text with a placeholder for each token of our links and each code that our mails announce (M16).

    `checks` limits how many signatures are computed: give the same object with all texts of one mail.
    """
    # The parts to cut, each with the placeholder that stands there instead.
    cuts = [(start, end, MARK) for start, end in _find_links(text, checks or Checks())]
    cuts += [(start, end, CODE_MARK) for start, end in _find_codes(text)]
    pieces, at = [], 0
    for start, end, placeholder in sorted(cuts):
        if start >= at:  # else it overlaps a part that is cut already
            pieces += [text[at:start], placeholder]
        at = max(at, end)
    return "".join([*pieces, text[at:]])


def _find_codes(text: str) -> Iterator[tuple[int, int]]:
    """Yield the place (start, end) of each code that follows soon after «escriba este código», words of our mails."""
    for announcement in _CODE_ANNOUNCEMENT.finditer(text):
        if code := _CODE.search(text, announcement.end(), announcement.end() + CODE_WITHIN):  # «123 456», «ABCD-EFGH»
            yield code.span()


def _find_links(text: str, checks: Checks) -> list[tuple[int, int]]:
    """Return the places (start, end) of our links' tokens in a text; escapes and HTML tags may interrupt a token."""
    unescaped = _Reading.read_whole(text)
    variants = [unescaped]
    if "<" in unescaped.text:
        variants.append(unescaped.replace(_TAG))  # the text without HTML tags
    if "-3a" in unescaped.text.lower():  # links that urldefense rewrote
        variants.append(unescaped.replace(_DEFENSE))
    places: list[tuple[int, int]] = []
    for variant in variants:
        in_variant = [*_find_tokens(variant.text, variant.places, checks), *_find_base64_runs(variant.text, checks)]
        places += [variant.find_original_place(start, end) for start, end in in_variant]
    return places


def _find_tokens(text: str, breaks: list[int], checks: Checks) -> Iterator[tuple[int, int]]:
    """Yield the places (start, end) of our links' tokens in a text.

    `breaks` are the sorted places of the text where an escape or a line break was replaced.
    """
    last_end = 0  # where the last token of ours ended
    colon = text.find(":")
    while colon >= 0:
        signature = _SIGNED.match(text, colon)  # «:» and what may be a signature
        if signature is None:
            colon = text.find(":", colon + 1)
            continue
        before = _TOKEN_END.match(text[max(last_end, colon - MAX_TOKEN) : colon][::-1])  # read backwards from «:»
        start, end = colon - (before.end() if before else 0), signature.end()
        begin = _find_token_start(text, start, end, colon, breaks, checks)
        if begin is not None:
            yield begin, end
            last_end = end
        colon = text.find(":", end)


def _find_token_start(text: str, start: int, end: int, colon: int, breaks: list[int], checks: Checks) -> int | None:
    """Return where the token of a link that ends at `end` begins, or None if the token is not ours.

    After the address of one of our pages, the token is ours and begins at `start`. Elsewhere it is ours only if we
    signed it. Then it begins at `start`, or at one of the last four `breaks` (see `_find_tokens`) before `colon`,
    because what stands before a line break may look like its beginning.
    """
    if text[max(0, start - 20) : start].lower().endswith(_LAST_FOLDERS):  # «enlace/»
        return start
    first, last = bisect_right(breaks, start), bisect_right(breaks, colon)
    starts = [start, *breaks[first:last][-4:]]
    return next((begin for begin in starts if checks.is_signed(text[begin:end])), None)


def _is_signed(token: str) -> bool:
    """Return True if we signed the token of a link, with today's key or an earlier one that is still valid."""
    for kind in KINDS:
        with suppress(signing.BadSignature):
            signing.Signer(salt=kind.salt).unsign(token)  # only a check here: raises BadSignature
            return True
    return False


def _find_base64_runs(text: str, checks: Checks) -> Iterator[tuple[int, int]]:
    """Yield the places of the pieces of base64 in a text that hold one of our links when they are decoded."""
    for run in _BASE64.finditer(text):
        is_long = run.end() - run.start() >= BASE64_RUN
        if is_long and any(_has_token(decoded, checks) for decoded in _decode_base64(run.group())):
            yield run.span()


def _decode_base64(encoded: str) -> Iterator[str]:
    """Yield the readable text in a piece of base64. Try four beginnings: we do not know where its groups of 4 begin."""
    standard = encoded.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})  # addresses have «-» and «_» instead
    for skipped in range(4):
        whole_groups = (len(standard) - skipped) // 4
        content = binascii.a2b_base64(standard[skipped : skipped + 4 * whole_groups]).replace(b"\0", b"")
        unprintable = content.translate(None, _PRINTED)  # many bytes, if it is a picture or the beginning is wrong
        if len(unprintable) < len(content) / 4:
            yield content.decode("latin-1")


def _has_token(text: str, checks: Checks) -> bool:
    """Return True if the text, or what its escapes stand for, holds a token of one of our links."""
    unescaped = _Reading.read_whole(text)
    return next(_find_tokens(unescaped.text, unescaped.places, checks), None) is not None


class _Reading:
    """Hold a text whose escapes and line breaks were replaced, and where each of its characters stood before."""

    def __init__(self, text: str, before: "_Reading | None" = None) -> None:
        self.text, self.before = text, before
        self.places: list[int] = []  # where each piece begins in `text`: plain text, or the character for an escape
        self.pieces: list[tuple[int, int, int]] = []  # its start in the text before; its length now, and before

    @classmethod
    def read_whole(cls, text: str) -> "_Reading":
        """Decode the escapes of a mail's text (`&#58;`, `%3A`) up to MAX_ROUNDS times, as a link may hide in them."""
        reading = cls(text)
        for _ in range(MAX_ROUNDS):
            unescaped = reading.replace(_ESCAPED)
            if unescaped is reading:
                break
            reading = unescaped
        return reading

    def replace(self, pattern: re.Pattern[str]) -> "_Reading":
        """Return a new text with a character in place of each escape that the pattern finds; `self` if it finds none.

        The new text knows where its pieces stood in the old one: a link found in the new text is cut out of the old.
        """
        changed = _Reading("", before=self)
        new_pieces: list[str] = []
        size, at = 0, 0
        for escape in pattern.finditer(self.text):
            literal = self.text[at : escape.start()]
            if escape.lastgroup == "wrap":  # blanks before a line break do not belong to the text
                literal = literal.rstrip(" \t")
            # The text before the escape stays; the escape gives way to the character that it stands for.
            for piece, old_start, old_length in (
                (literal, at, len(literal)),
                (_unescape(escape), escape.start(), escape.end() - escape.start()),
            ):
                if piece:
                    new_pieces.append(piece)
                    changed.places.append(size)
                    changed.pieces.append((old_start, len(piece), old_length))
                    size += len(piece)
            at = escape.end()
        if not at:  # the pattern found nothing
            return self
        rest = self.text[at:]
        changed.places.append(size)
        changed.pieces.append((at, len(rest), len(rest)))
        changed.text = "".join([*new_pieces, rest])
        return changed

    def find_original_place(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from `start` to `end` stood in the original text, before all replacements."""
        reading: _Reading = self
        while reading.before is not None:
            start, _ = reading._find_source(start)
            _, end = reading._find_source(end - 1)
            reading = reading.before
        return start, end

    def _find_source(self, at: int) -> tuple[int, int]:
        """Return the place (start, end) in the old text of the character at `at`, or of the escape that it replaced."""
        index = bisect_right(self.places, at) - 1  # `places`: where each piece begins in this text, in order
        old_start, size, old_length = self.pieces[index]  # its start in the old text; its new and its old length
        if size != old_length:  # one character that replaced an escape: the place of the whole escape
            return old_start, old_start + old_length
        old_start += at - self.places[index]
        return old_start, old_start + 1


def _unescape(escape: re.Match[str]) -> str:
    """Return the character that an `escape` in a mail stands for: «:» for «%3A».

    Return "" for a line break, an HTML tag or an invisible character: these only interrupt a link.
    """
    name = escape.lastgroup or ""
    value = escape.group(name)
    if name in {"percent", "quoted", "unicode"}:  # %3A, =3A, \u003A: the group holds the two digits
        return chr(int(value, 16))
    if name == "entity":  # &amp; or &#58;
        character = unescape(value)
        return "" if re.fullmatch(f"[{_HIDDEN}]", character) else character
    return {"slash": "/", "folder": "/"}.get(name, "")  # slash: «\/» in JSON; folder: «_» in a link of urldefense


class WithoutTokens(logging.Filter):
    """Cut signed tokens out of every log record: whoever reads one could use it while it lasts (M16)."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut our links' tokens and every long part of an address out of a log record; return True: log it."""
        text = record.getMessage()
        if (short := cut_links(_LONG_ADDRESS_PART.sub("…", text))) != text:
            record.msg, record.args = short, ()
        return True
