"""Draw the QR code of a printed invoice: as the path of an SVG, and as squares for the PDF."""

from collections.abc import Iterator

import qrcode


def list_squares(text: str) -> tuple[int, list[tuple[int, int]]]:
    """Return how many squares wide the QR code of this text is, and column and row of each dark one."""
    code = qrcode.QRCode(border=0, error_correction=qrcode.constants.ERROR_CORRECT_M)
    code.add_data(text)
    matrix = code.get_matrix()
    return len(matrix), list(_find_dark(matrix))


def write_path(text: str) -> tuple[int, str]:
    """Return the width of the QR code of this text in squares, and the path that an SVG draws of it."""
    width, squares = list_squares(text)
    return width, "".join(f"M{column} {row}h1v1h-1z" for column, row in squares)


def _find_dark(matrix: list[list[bool]]) -> Iterator[tuple[int, int]]:
    """Yield column and row of each dark square of a QR code, from the top down."""
    for row, line in enumerate(matrix):
        for column, is_dark in enumerate(line):
            if is_dark:
                yield column, row
