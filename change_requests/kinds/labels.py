"""Say the fields and values of a request in Spanish: on pages, in mails and in documents alike."""

from collections.abc import Sequence

from change_requests.kinds.fields import find_row
from change_requests.kinds.values import Item


def label(code: str) -> str:
    """Return «Domicilio fiscal» for a field's code; an unknown code is returned as it is."""
    return find_row(code).label


def value(code: str, text: str) -> str:
    """Return a field's value in words: codes translated, a representative line by line, the rest as it is."""
    return find_row(code).show(text)


def enumerate_labels(items: Sequence[Item]) -> str:
    """Return the fields of the items as one phrase: «domicilio fiscal, teléfono y correo registrado»."""
    names = [_lower_first(label(item["field"])) for item in items] or ["información"]
    return " y ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _lower_first(name: str) -> str:
    """Return the name as it stands inside a sentence; an abbreviation such as RFC stays in capitals."""
    return name if name.isupper() else name[0].lower() + name[1:]
