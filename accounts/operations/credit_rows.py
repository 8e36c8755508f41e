"""Read a CSV file of credits: bytes become rows, each with its line and, if it is bad, with what is wrong with it.

It asks no database. A file that is no such table raises Refused; a bad row does not stop the reading.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from django.conf import settings

from accounts.models.credits import MAX_CREDITS, MAX_PACKAGE
from accounts.rfc import BadRFC, parse_rfc
from factureya.core.refusals import Refused

COLUMNS = ("RFC", "Paquete", "Créditos", "Quedan", "Vence")
_MAX_LINE = 2_000  # characters
_MAX_SHOWN = 40  # characters of a wrong value that a message quotes
_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y")
_WHOLE_NUMBER = re.compile(r"\d{1,3}([, ]\d{3}){1,3}|\d{1,8}", re.ASCII)


@dataclass(frozen=True)
class CreditRow:
    """Hold a row of the file. With a `problem` the row is bad, and only its line and its RFC are of use."""

    line: int
    rfc: str = ""
    package: str = ""
    total: int = 0
    remaining: int = 0
    valid_until: date | None = None
    problem: str = ""


class _BadValue(ValueError):
    """Say what is wrong with a value of a row, in Spanish."""


def read_rows(content: bytes) -> Iterator[CreditRow]:
    """Yield the rows of a CSV file, good and bad, in their order; empty lines are left out.

    Raises Refused, before the first row or at the row too many, for a file that cannot be such a table.
    """
    text = _decode(content)
    reader = csv.reader(_bounded_lines(text), delimiter=_find_delimiter(text))
    try:
        positions = _read_header(next(reader, []))
        first_lines: dict[str, int] = {}  # by RFC
        count = 0
        previous_line = reader.line_num
        for cells in reader:
            line, previous_line = previous_line + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            _require_count(count)
            yield _read_row(line, cells, positions, first_lines)
    except csv.Error as error:
        raise Refused(f"El archivo no se puede leer como CSV después de la línea {reader.line_num}: {error}.") from None


def count_lines(content: bytes) -> int:
    """Return the number of lines after the header, for the progress; empty lines count too."""
    return max(content.count(b"\n") - content.startswith(b"\n") - content.endswith(b"\n"), 0)


def _decode(content: bytes) -> str:
    """Return the text of the file, in UTF-8 (with or without a mark) or else in the code page of Windows."""
    if b"\0" in content:
        raise Refused("El archivo no es un CSV: guárdelo desde su hoja de cálculo como «CSV» (no como XLSX).")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _find_delimiter(text: str) -> str:
    """Return the character between the columns: the one that the header has most of."""
    header = text[:_MAX_LINE].partition("\n")[0]
    return max(",;\t", key=header.count)


def _bounded_lines(text: str) -> Iterator[str]:
    """Yield the lines of the file. Raises Refused for a line that is too long to be a row."""
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if len(line) > _MAX_LINE:
            raise Refused(f"La línea {number} tiene más de {_MAX_LINE:,} caracteres. Revise el archivo.")
        yield line


def _read_header(cells: list[str]) -> dict[str, int]:
    """Return the position of each column by its name. Raises Refused if one is missing or stands there twice."""
    names = [_simplify(cell) for cell in cells]
    wanted = {column: _simplify(column) for column in COLUMNS}
    missing = [column for column, name in wanted.items() if names.count(name) != 1]
    if missing:
        columns = ", ".join(COLUMNS)
        raise Refused(
            f"La primera línea debe nombrar una vez cada columna: {columns}. Falta o se repite: {', '.join(missing)}."
        )
    return {column: names.index(name) for column, name in wanted.items()}


def _simplify(text: str) -> str:
    """Return a column's name without accents, in lower case, so that «creditos» is «Créditos»."""
    letters = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _require_count(count: int) -> None:
    """Raise Refused for more rows than one file may have."""
    most: int = settings.CREDITS_IMPORT_MAX_ROWS
    if count > most:
        raise Refused(f"El archivo tiene más de {most:,} filas. Divídalo en varios.")


def _read_row(line: int, cells: list[str], positions: Mapping[str, int], first_lines: dict[str, int]) -> CreditRow:
    """Return the row of these cells. `first_lines` says in which line each RFC came, and learns this one."""
    values = {name: cells[index].strip() if index < len(cells) else "" for name, index in positions.items()}
    rfc = values["RFC"][:20]
    try:
        rfc = _read_rfc(values["RFC"])
        if (first := first_lines.setdefault(rfc, line)) != line:
            raise _BadValue(f"El RFC ya está en la línea {first}.")
        total = _read_number(values["Créditos"], "Créditos", lowest=1)
        remaining = _read_number(values["Quedan"], "Quedan", lowest=0)
        if remaining > total:
            raise _BadValue(f"Quedan {remaining:,} y el paquete es de {total:,}.")
        return CreditRow(line, rfc, _read_package(values["Paquete"]), total, remaining, _read_date(values["Vence"]))
    except _BadValue as problem:
        return CreditRow(line, rfc, problem=str(problem))


def _read_rfc(text: str) -> str:
    """Return the RFC of a row. Raises _BadValue if it is none."""
    if not text:
        raise _BadValue("Falta el RFC.")
    try:
        return parse_rfc(text[:_MAX_SHOWN]).value
    except BadRFC as problem:
        raise _BadValue(str(problem)) from None


def _read_package(text: str) -> str:
    """Return the name of a package with single spaces. Raises _BadValue if it is missing or too long."""
    name = " ".join(text.split())
    if not name:
        raise _BadValue("Falta el nombre del paquete.")
    if len(name) > MAX_PACKAGE:
        raise _BadValue(f"El nombre del paquete tiene {len(name)} caracteres; son hasta {MAX_PACKAGE}.")
    return name


def _read_number(text: str, column: str, *, lowest: int) -> int:
    """Return a whole number such as «1,000», «1 000» or «1000». Raises _BadValue for anything else, naming the column.

    A comma or a blank stands between thousands only: «34,5» is no 345.
    """
    digits = text.replace(",", "").replace(" ", "")
    if not _WHOLE_NUMBER.fullmatch(text) or not lowest <= int(digits) <= MAX_CREDITS:
        shown = f"«{text[:_MAX_SHOWN]}»" if text else "nada"
        raise _BadValue(f"{column}: escriba un número entero de {lowest} a {MAX_CREDITS:,}; dice {shown}.")
    return int(digits)


def _read_date(text: str) -> date | None:
    """Return the last day of the credits, or None if it is empty. Raises _BadValue for what is no day."""
    if not text:
        return None
    for form in _DATE_FORMATS:
        try:
            day = datetime.strptime(text[:_MAX_SHOWN], form).date()  # noqa: DTZ007 (a day, no instant)
        except ValueError:
            continue
        if 2000 <= day.year <= 2100:
            return day
    raise _BadValue(f"Vence: escriba AAAA-MM-DD o DD/MM/AAAA; dice «{text[:_MAX_SHOWN]}».")


def take_chunks(rows: Iterator[CreditRow], size: int) -> Iterator[list[CreditRow]]:
    """Yield the rows in lists of `size`; the last one may be shorter."""
    while chunk := list(islice(rows, size)):
        yield chunk
