"""Clean the values that people write, and refuse the wrong ones in Spanish (M7, M19)."""

import unicodedata
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts import mail_sender, rfc
from factureya.core.calendar import MONTHS_LONG
from factureya.core.mail import own_links

Item = dict[str, str]  # one change of a payload: asset, field, old and new
Errors = dict[str, str]  # what is wrong, by the field's code
MAX_REASON = 2000
MAX_EMAIL = 254


class WrongValue(ValueError):
    """The value cannot be taken; the text says in Spanish what to do."""


def clean_line(text: object) -> str:
    """Return the text as one line with single spaces, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", " ".join(str(text or "").split()))


def clean_lines(text: object) -> str:
    """Return a person's text in NFC, without needless spaces or secret links of our mails (M16). Lines are kept."""
    written = own_links.cut_links(str(text or ""))
    lines = [" ".join(line.split()) for line in written.strip().splitlines()]
    return unicodedata.normalize("NFC", "\n".join(lines).strip())


def keep(text: str) -> str:
    """Return the text as it is: the check of a field that takes any text."""
    return text


def clean_rfc(text: str) -> str:
    """Return the RFC as we store it. Raise WrongValue if it cannot be an RFC."""
    try:
        return rfc.parse_rfc(text).value
    except rfc.BadRFC as problem:
        raise WrongValue(str(problem)) from None


def clean_mail(text: str) -> str:
    """Return the mail address in lower case. Raise WrongValue if it is no address, too long, or one of ours."""
    address = text.lower()
    try:
        validate_email(address)
    except ValidationError:
        raise WrongValue("Escriba un correo como nombre@empresa.com.") from None
    if len(address) > MAX_EMAIL:
        raise WrongValue(f"Un correo tiene hasta {MAX_EMAIL} caracteres.")
    if mail_sender.is_own_address(address):
        raise WrongValue("Ese correo no se puede usar.")
    return address


def parse_day(text: str) -> date:
    """Return the date of a YYYY-MM-DD text. Raise WrongValue when there is no such day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongValue("Escriba una fecha que exista.") from None


def show_day(iso: str) -> str:
    """Return a YYYY-MM-DD date in Spanish words, «1 de diciembre de 2026»; an empty text for an empty one."""
    if not iso:
        return ""
    day = date.fromisoformat(iso)
    return f"{day.day} de {MONTHS_LONG[day.month - 1]} de {day.year}"


def find_first_instant(day: str) -> datetime | None:
    """Return the first instant, in local time, of a YYYY-MM-DD day; None for an empty text."""
    return datetime.combine(date.fromisoformat(day), time(), ZoneInfo(settings.TIME_ZONE)) if day else None


def make_item(asset: str, field: str, old: str, new: str) -> dict[str, str]:
    """Return one item of a payload: the field of an asset, its value today and the value asked for."""
    return {"asset": asset, "field": field, "old": str(old), "new": str(new)}
