"""Write tables as CSV files that a spreadsheet opens safely, with their SHA-256, row by row (M26)."""

import csv
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

BOM = "\ufeff"  # so that spreadsheets read the accents
_STARTS = "=+\\-@＝＋－＠﹢﹣﹦﹫"  # a spreadsheet takes the wide signs for the narrow ones
# Blanks, and what shows nothing, besides the separators \t, \r and \n: so each character is read once.
_UNSEEN = r"[\x00-\x08\x0b\x0c\x0e-\x20\x85\xa0\u00ad\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff]*+"
_FORMULA = re.compile(rf"[\t\r\n]|{_UNSEEN}[{_STARTS}]")
_SPLIT_FORMULA = re.compile(rf"([;|\t\r\n]{_UNSEEN})(?=[{_STARTS}])")  # what follows a separator of another country


@dataclass(frozen=True)
class WrittenFile:
    """Hold what was written: how many rows besides the heading, how many bytes, and the SHA-256 of all of them."""

    rows: int
    bytes: int
    sha256: str


def write_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> WrittenFile:
    """Write a CSV file into the folder of exports, and return its count of rows, its size and its SHA-256.

    The SHA-256 names the file, so the same content is kept once. Memory does not grow with the number of rows.
    """
    folder = find_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, count, size = hashlib.sha256(), 0, 0
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:  # made for its owner alone
        for number, row in enumerate(_make_lines(heading, rows)):
            digest.update(row)
            size += file.write(row)
            count = number  # the heading has number 0 and is not counted
        file.flush()
        os.fsync(file.fileno())
    path = find_path(digest.hexdigest())
    Path(file.name).replace(path)
    return WrittenFile(count, size, digest.hexdigest())


def find_folder() -> Path:
    """Return the folder that holds the exported files, beside the attachments; nothing there is served by its name."""
    return Path(settings.MEDIA_ROOT) / "exports"


def find_path(sha256: str) -> Path:
    """Return the path of an exported file by its SHA-256."""
    return find_folder() / f"{sha256}.csv"


def make_safe(value: object) -> str:
    """Return a value as a cell's text, with an apostrophe before each formula that a spreadsheet would run.

    A formula begins the cell, or follows a separator at which a spreadsheet of another country may split the cell.
    """
    text = "" if value is None else str(value).replace("\0", "")
    text = _SPLIT_FORMULA.sub(r"\1'", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _make_lines(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[bytes]:
    """Yield the lines of a CSV file as bytes; the heading comes first, after the mark of UTF-8 (BOM)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    yield (BOM + _write_line(writer, buffer, heading)).encode()
    for row in rows:
        yield _write_line(writer, buffer, row).encode()


def _write_line(writer: "csv._writer", buffer: io.StringIO, row: Sequence[object]) -> str:  # type: ignore[name-defined]
    """Return one row as a line of CSV, and empty the buffer for the next row."""
    writer.writerow([make_safe(value) for value in row])
    line = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return line
