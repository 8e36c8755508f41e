"""Write rows as lines of CSV that a spreadsheet opens safely: no cell becomes a formula (M18, M26)."""

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal

BOM = "\ufeff"  # so that spreadsheets read the accents
_STARTS = "=+\\-@＝＋－＠﹢﹣﹦﹫"  # a spreadsheet takes the wide signs for the narrow ones
# Blanks, and what shows nothing, besides the separators \t, \r and \n: so each character is read once.
_UNSEEN = r"[\x00-\x08\x0b\x0c\x0e-\x20\x85\xa0\u00ad\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff]*+"
_FORMULA = re.compile(rf"[\t\r\n]|{_UNSEEN}[{_STARTS}]")
_SPLIT_FORMULA = re.compile(rf"([;|\t\r\n]{_UNSEEN})(?=[{_STARTS}])")  # what follows a separator of another country


def make_safe(value: object) -> str:
    """Return a value as a cell's text, with an apostrophe before each formula that a spreadsheet would run.

    A formula begins the cell, or follows a separator at which a spreadsheet of another country may split the cell.
    """
    text = "" if value is None else str(value).replace("\0", "")
    text = _SPLIT_FORMULA.sub(r"\1'", text)
    return f"'{text}" if _FORMULA.match(text) else text


def write_line(row: Sequence[object]) -> str:
    """Return one row as a line of CSV; a Decimal stays a number, also a negative one."""
    buffer = io.StringIO()
    cells = [str(value) if isinstance(value, Decimal) else make_safe(value) for value in row]
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
