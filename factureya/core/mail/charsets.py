"""Decode the bytes of a mail by the superset of the charset that they claim. Nothing here raises or loses text."""

import codecs
import re
from contextlib import suppress

# What senders mean when they name a charset: the superset that contains it.
SUPERSETS = {
    **dict.fromkeys(("", "us-ascii", "ascii", "utf8", "unknown-8bit"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "x-user-defined"), "cp1252"),
    "iso-8859-9": "cp1254",
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
    "iso-8859-8-i": "iso-8859-8",
    **dict.fromkeys(("gb2312", "gbk", "x-gbk"), "gb18030"),
    "big5": "cp950",
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis"), "cp932"),
}
NOT_TEXT = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}  # codecs, no charsets
# PostgreSQL refuses NUL, people the rest; and no database takes half a character, which UTF-7 can write.
CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127]) | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
ESCAPE = re.compile(rb"\x1b(\$@|\$B|\(B|\(J|\(I)")


def decode(raw: bytes, charset: str = "") -> str:
    """Return bytes of a mail as text, decoded by the charset that the mail names.

    Senders that name a charset often mean a larger one (SUPERSETS): that is used. If the charset is unknown or wrong,
    UTF-8 or Windows-1252 is tried. Control characters other than tabs and line ends are left out.
    """
    claimed = charset.strip().strip("\"'").lower()
    if claimed.startswith("iso-2022-jp"):
        return _decode_japanese(raw).translate(CONTROLS)
    return _decode_bytes(raw, SUPERSETS.get(claimed, claimed)).translate(CONTROLS)


def _decode_bytes(raw: bytes, charset: str) -> str:
    """Return bytes of a mail as text: by its charset if all bytes fit it, else as UTF-8 if all bytes fit that.

    If they fit neither, a mark (U+FFFD) stands for each byte that cannot be read. The mail's charset is used, unless it
    is unknown, UTF-8 or Windows-1252. Then it is UTF-8, or Windows-1252 if UTF-8 reads less than half of its non-ASCII.
    """
    codec = _find_codec(charset)
    for name in filter(None, (codec, "utf-8")):
        with suppress(UnicodeError, ValueError):
            return raw.decode(name)
    if codec and codec not in {"utf-8", "cp1252"}:
        return raw.decode(codec, "replace")
    text = raw.decode("utf-8", "replace")
    non_ascii = len(text) - len(text.encode("ascii", "ignore"))
    is_mostly_read = text.count("\ufffd") * 2 <= non_ascii
    return text if is_mostly_read else raw.decode("cp1252", "replace")


def _find_codec(name: str) -> str:
    """Return Python's name for the charset that a mail names; "" if it has none or that is no charset (like `idna`)."""
    try:
        codec = codecs.lookup(name[:60])
    except (LookupError, ValueError, UnicodeError):
        return ""
    is_text = getattr(codec, "_is_text_encoding", True) and codec.name.replace("-", "_") not in NOT_TEXT
    return codec.name if is_text else ""


def _decode_japanese(raw: bytes) -> str:
    """Return ISO-2022-JP bytes as text, with the characters that Windows adds and Python's own codec refuses."""
    with suppress(UnicodeError):
        return raw.decode("iso2022_jp_ext")
    text: list[str] = []
    character_set = b"(B"  # ASCII, until an escape sequence chooses another
    for number, piece in enumerate(ESCAPE.split(raw)):
        if number % 2:  # every second piece is an escape sequence
            character_set = piece
        elif character_set in {b"$@", b"$B"}:  # JIS X 0208
            text.append(_convert_to_shift_jis(piece).decode("cp932", "replace"))
        elif character_set == b"(I":  # half-width katakana
            text.append(bytes(byte | 0x80 for byte in piece).decode("cp932", "replace"))
        else:
            text.append(piece.decode("cp932", "replace"))
    return "".join(text)


def _convert_to_shift_jis(jis: bytes) -> bytes:
    """Return two-byte JIS X 0208 characters as Shift JIS, of which Python can decode more; line ends stay."""
    shift_jis, position = bytearray(), 0
    while position < len(jis):
        pair = jis[position : position + 2]
        if pair[0] < 0x21 or len(pair) < 2:  # a line end, or half a character
            shift_jis += pair[:1]
            position += 1
            continue
        row, cell = pair  # of the table of characters JIS X 0208
        lead = ((row - 0x21) >> 1) + 0x81  # the standard formula: two rows share one lead byte
        trail = cell + ((0x1F if cell < 0x60 else 0x20) if row % 2 else 0x7E)
        shift_jis += bytes([(lead + 0x40 if lead > 0x9F else lead) & 0xFF, trail & 0xFF])
        position += 2
    return bytes(shift_jis)
