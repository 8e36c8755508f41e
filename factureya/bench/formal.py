"""Formal requests beside the bare view: sending, approving, executing, and the officers' pages over few and many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from factureya.bench.engines import Place

SIZES = "3,300"  # requests that wait for the security officer
AUTH, AUTH_OFFICER = "auth", "auth (officer)"
SUBMIT, APPROVE, EXECUTE = "submit", "approve", "execute"
APPROVAL, INBOX, CURRENT = "approval page", "inbox", "inbox, under way"
# Page -> the bare view of the same person, which it is compared with.
PAGES = {
    SUBMIT: AUTH,
    APPROVE: AUTH_OFFICER,
    EXECUTE: AUTH_OFFICER,
    APPROVAL: AUTH_OFFICER,
    INBOX: AUTH_OFFICER,
    CURRENT: AUTH_OFFICER,
}
TARGETS = {APPROVAL: 12, INBOX: 8, CURRENT: 8}  # statements, whatever waits
Key = tuple[str, int]  # engine and how many requests wait


@dataclass
class FormalFindings:
    """Hold milliseconds by place and page, one for each round, and how many statements each page sends."""

    rounds: int
    times: dict[tuple[Key, str], list[float]] = field(default_factory=dict)
    statements: dict[tuple[Key, str], int] = field(default_factory=dict)

    @property
    def keys(self) -> list[Key]:
        """Return the places that were measured."""
        return list(dict.fromkeys(key for key, _ in self.statements))

    def ratio(self, key: Key, page: str) -> float:
        """Return the median of each round's own ratio to its bare view; 1 for a bare view."""
        pairs = zip(self.times[key, page], self.times[key, PAGES.get(page, page)], strict=True)
        return median(taken / bare for taken, bare in pairs)


def measure(places: Sequence[Place], rounds: int, say: Callable[..., None]) -> FormalFindings:
    """Ask for every page once to count its statements and load templates; then measure in turns, round by round."""
    found = FormalFindings(rounds)
    names = (AUTH, AUTH_OFFICER, *PAGES)
    for place in places:
        for name in names:
            place.ask("page", name)
            found.statements[_key(place), name] = place.ask("statements", name)
    for number in range(rounds):
        say(f"solicitudes, vuelta {number + 1} de {rounds}", every=10, number=number)
        for name in names:
            for place in places:
                taken = place.ask("page", name)
                found.times.setdefault((_key(place), name), []).append(taken)
    return found


def _key(place: Place) -> Key:
    return place.engine, place.size
