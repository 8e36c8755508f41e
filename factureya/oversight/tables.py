"""Write tables as CSV files that a spreadsheet opens safely, with their SHA-256, row by row (M26)."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from factureya.core.spreadsheets import BOM, write_line


@dataclass(frozen=True)
class WrittenFile:
    """Hold what was written: how many rows besides the heading, how many bytes, and the SHA-256 of all of them."""

    rows: int
    bytes: int
    sha256: str


def write_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> WrittenFile:
    """Write a CSV file into the folder of exports, and return its number of rows, its size and its SHA-256.

    The SHA-256 is the name of the file, so the same content is kept once. Memory does not grow with the rows.
    """
    folder = find_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, count, size = hashlib.sha256(), 0, 0
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:  # made for its owner alone
        for number, line in enumerate(_make_lines(heading, rows)):
            digest.update(line)
            size += file.write(line)
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


def _make_lines(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[bytes]:
    """Yield the lines of a CSV file as bytes; the heading comes first, after the mark of UTF-8 (BOM)."""
    yield (BOM + write_line(heading)).encode()
    for row in rows:
        yield write_line(row).encode()
