"""Make and read tracking numbers and folios: 7 random Crockford base-32 characters and a check character (M10).

A number such as `FY-7K3M-9QX1` discloses no count, and can be dictated by phone, because upper and lower case, hyphens
and the pairs O/0 and I/L/1 count as the same. The check character is Luhn mod 32, so one mistyped character is found
without a query.
"""

import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Hyphens and blanks of every sort: mail programs and word processors put their own.
_FORGIVEN = str.maketrans({"O": "0", "I": "1", "L": "1"} | dict.fromkeys("-‐‑‒–—―−_. \u00a0\t"))
RANDOM_CHARACTERS = 7
_FISCAL_FOLIO = re.compile(r"[0-9A-F]{8}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{4}-?[0-9A-F]{12}", re.IGNORECASE)


class InvalidNumber(ValueError):
    """Say that a text is not a number of this kind, or that a character of it is mistyped."""


def make_number(prefix: str) -> str:
    """Return a new random number: `make_number("FY")` gives for example `FY-7K3M-9QX1`.

    It may be taken: the column of the database is unique and refuses it then.
    """
    return complete_number(prefix, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS)))


def complete_number(prefix: str, characters: str) -> str:
    """Return the tracking number made of 7 base-32 characters: with prefix, hyphens and check character."""
    whole = characters + _compute_check_character(characters)
    return f"{prefix}-{whole[:4]}-{whole[4:]}"


def parse_fiscal_folio(text: str) -> str:
    """Return a fiscal folio that a person typed, with or without hyphens, as it is stored; "" for any other text."""
    return format_fiscal_folio(text) if _FISCAL_FOLIO.fullmatch(text.strip()) else ""


def format_fiscal_folio(text: str) -> str:
    """Return a fiscal folio (UUID) as it is stored: upper case, with its hyphens."""
    digits = text.strip().upper().replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse_number(prefix: str, text: str) -> str:
    """Return the tracking number or folio that a person typed, in the form in which it is stored (M10).

    Case, hyphens, blanks and the pairs O/0 and I/L/1 do not matter. Raises InvalidNumber for anything else.
    """
    compact = text.strip().upper().translate(_FORGIVEN)
    # The prefix may be missing, as people leave it out on the phone: «siete K tres M…».
    body = compact.removeprefix(prefix) if len(compact) > RANDOM_CHARACTERS + 1 else compact
    if len(body) != RANDOM_CHARACTERS + 1 or any(c not in ALPHABET for c in body):  # + 1: the check character
        raise InvalidNumber(text)
    if _compute_check_character(body[:-1]) != body[-1]:
        raise InvalidNumber(text)
    return f"{prefix}-{body[:4]}-{body[4:]}"


def _compute_check_character(characters: str) -> str:
    """Return the check character of a tracking number's base-32 characters, by the Luhn algorithm mod 32."""
    factor, total = 2, 0
    for character in reversed(characters):
        addend = factor * ALPHABET.index(character)
        total += addend // 32 + addend % 32
        factor = 3 - factor  # 2, 1, 2, 1…
    return ALPHABET[-total % 32]
