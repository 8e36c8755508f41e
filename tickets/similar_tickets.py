"""Find open tickets of the customer that look like what is about to be reported (M11); a mere suggestion.

Bounded: the latest MAX_CANDIDATES open tickets, four columns each, compared word by word in Python.
"""

import re
from collections.abc import Iterable

from accounts.models import User
from tickets.models import Ticket, searchable

MAX_CANDIDATES = 200
MAX_SHOWN = 3
MIN_LIKENESS = 0.5  # share of the shorter subject's words that both have
# Words that say nothing about a problem.
_EMPTY = frozenset(
    "a al ante aparece aqui asi aun ayer ayuda como con cual cuando de del desde donde e el ella en error es esta "
    "este esto favor fue ha hace hacer hay hoy la las le les lo los marca me mi mis muestra muy ni no nos o otra "
    "otro para pero poder por porque problema pude puede puedo que quiero se ser si sigue sin sobre su sus tengo "
    "tiene todo tras un una uno urgente usted y ya".split()
)


def find_similar(user: User, subject: str) -> list[Ticket]:
    """Return the tickets with the most similar subjects, the best first, of the latest MAX_CANDIDATES not Cerrado."""
    if not read_words(subject):
        return []
    visible = Ticket.objects.visible_to(user).unmerged().exclude(status=Ticket.Status.CLOSED)
    latest = visible.order_by("-touched_at", "-id").only("number", "subject", "search_words", "status", "touched_at")
    return select_alike(subject, latest[:MAX_CANDIDATES])


def select_alike(subject: str, candidates: Iterable[Ticket]) -> list[Ticket]:
    """Return those of the tickets with the most similar subjects, the best first; at most MAX_SHOWN."""
    words = read_words(subject)
    likeness = {ticket: measure_likeness(words, _split_words(ticket.search_words)) for ticket in candidates}
    alike = [ticket for ticket in likeness if likeness[ticket] >= MIN_LIKENESS]
    return sorted(alike, key=lambda ticket: likeness[ticket], reverse=True)[:MAX_SHOWN]


def read_words(text: str) -> frozenset[str]:
    """Return the words of a subject that tell problems apart, without accents, articles and plurals."""
    return _split_words(searchable(text))


def measure_likeness(words: frozenset[str], other_words: frozenset[str]) -> float:
    """Return from 0 to 1 how alike two subjects are: the shared words, divided by the words of the shorter subject.

    A shared error code alone gives 1. Any other single shared word gives 0, unless the shorter subject is one word.
    """
    shared = words & other_words
    if not shared:
        return 0.0
    if any(len(word) >= 5 and not word.isalpha() and not word.isdigit() for word in shared):
        return 1.0  # an error code such as cfdi40147
    shorter_length = min(len(words), len(other_words))
    if len(shared) == 1 and shorter_length > 1:
        return 0.0
    return len(shared) / shorter_length


def _split_words(plain: str) -> frozenset[str]:
    """Return the telling words of a text, without plurals. The text is in the form that `searchable` returns."""
    return frozenset(_drop_plural(word) for word in re.findall(r"\w+", plain) if word not in _EMPTY)


def _drop_plural(word: str) -> str:
    """Return a word without a Spanish plural ending («errores» is «error»); a short one whole: «mes» is no plural."""
    if len(word) > 5 and word.endswith("es"):
        return word[:-2]
    return word[:-1] if len(word) > 4 and word.endswith("s") else word
