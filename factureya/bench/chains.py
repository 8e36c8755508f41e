"""The chains of events: how many are recorded in a second beside a bare insert, and how many are verified."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from factureya.bench.engines import Place

EVENTS = 50_000  # that are verified
BATCH = 200  # events of a round, by all threads together
THREADS = 8  # on PostgreSQL; SQLite has one writer at a time
BARE, ONE, MANY, VERIFY = "bare insert", "one subject", f"{THREADS} subjects", "verify"
TARGET = 20_000  # events verified in a second


@dataclass
class ChainFindings:
    """Hold the events in a second by engine and what was measured, one for each round."""

    rounds: int
    rates: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def middle(self, engine: str, what: str) -> float:
        """Return the median of what was measured on an engine, in events a second."""
        return median(self.rates[engine, what])

    def ratio(self, engine: str, what: str) -> float:
        """Return the median of each round's own ratio to its bare inserts."""
        pairs = zip(self.rates[engine, what], self.rates[engine, BARE], strict=True)
        return median(rate / bare for rate, bare in pairs)


def measure(places: Sequence[Place], rounds: int, say: Callable[..., None]) -> ChainFindings:
    """Record events on one subject and over many, beside bare inserts, and verify all, in turns, round by round."""
    found = ChainFindings(rounds)
    for number in range(rounds):
        say(f"bitácora, vuelta {number + 1} de {rounds}", every=10, number=number)
        for place in places:
            for what, rate in _measure_round(place).items():
                found.rates.setdefault((place.engine, what), []).append(rate)
    return found


def _measure_round(place: Place) -> dict[str, float]:
    """Return the events in a second of one round at a place."""
    threads = THREADS if place.engine == "postgresql" else 1
    rates = {BARE: float(place.ask("insert_bare", threads)), ONE: float(place.ask("record_events", threads, 1))}
    if threads > 1:
        rates[MANY] = float(place.ask("record_events", threads, threads))
    return {**rates, VERIFY: float(place.ask("verify_events"))}
