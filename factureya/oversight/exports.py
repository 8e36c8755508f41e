"""Take the requests or the events of a period out as CSV files, recorded with the SHA-256 of each file (M26)."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Event
from factureya.core.refusals import NotAllowed, Refused
from factureya.oversight import policy, population, search, tables, verbs
from factureya.oversight.reading import record_in_log
from factureya.oversight.tables import WrittenFile

REQUESTS, EVENTS = "solicitudes", "renglones"
KINDS = {REQUESTS: "Todas las solicitudes del periodo", EVENTS: "Todos los renglones de la bitácora del periodo"}
EXPORTED = "log.exported"
MOST_DAYS = 366
SAME_EXPORT = timedelta(minutes=1)  # a second click on the button is the same export
SHOWN = 10  # the last exports, on the page and in the search for the same one
_EVENTS_AT_A_TIME = 2000
_EVENT_HEADING = (
    *("instante", "cadena", "renglón", "verbo", "qué", "quién", "clave de quién", "datos"),
    *("huella anterior", "huella"),
)


@dataclass(frozen=True)
class Export:
    """Hold an export as its page shows it: the recorded event, the files with their hashes, and the months' counts."""

    event: Event
    what: str
    first_day: str
    last_day: str
    files: Sequence[dict[str, Any]]
    months: Sequence[dict[str, Any]]
    gaps: Sequence[str]

    @classmethod
    def read(cls, event: Event) -> "Export":
        """Return the export that an event recorded; an export of events has no months and no gaps."""
        data = event.data
        months, gaps = data.get("months", []), data.get("gaps", [])
        return cls(event, KINDS.get(data["what"], data["what"]), data["de"], data["a"], data["files"], months, gaps)

    @property
    def is_whole(self) -> bool:
        """Return True if the three counts of every month agreed and no request lacked its first event."""
        return all(month["whole"] for month in self.months) and not self.gaps


def export_period(what: str, first_day: date, last_day: date, *, actor: User) -> Event:
    """Write the files of a period, record them with their SHA-256, and return the event (M26).

    `what` is one of KINDS. Raises NotAllowed if `actor` may not export, Refused for another `what` or a wrong period.
    If `actor` asks for the same again within SAME_EXPORT, nothing is written, and the earlier event is returned.
    """
    if not policy.may_export(actor):
        raise NotAllowed("Exporta el Responsable de Seguridad Informática o Auditoría.")
    if what not in KINDS:
        raise Refused("Elija qué exportar.")
    if last_day < first_day:
        raise Refused("El periodo termina después de empezar.")
    if last_day - first_day > timedelta(days=MOST_DAYS):
        raise Refused(f"Exporte {MOST_DAYS} días como máximo cada vez.")
    asked = {"what": what, "de": first_day.isoformat(), "a": last_day.isoformat()}
    if earlier := _find_same(actor, asked):
        return earlier
    return record_in_log(EXPORTED, actor, **asked, **_WRITERS[what](first_day, last_day))


def list_exports() -> list[Export]:
    """Return the last exports, the newest first, whoever made them."""
    return [Export.read(event) for event in Event.objects.filter(verb=EXPORTED).order_by("-at", "-id")[:SHOWN]]


def find_export(pk: int) -> Export | None:
    """Return the export that the event with this key recorded, or None."""
    event = Event.objects.filter(pk=pk, verb=EXPORTED).first()
    return Export.read(event) if event else None


def _find_same(actor: User, asked: dict[str, str]) -> Event | None:
    """Return the event of this person's last export of the same kind and days (`asked`) in SAME_EXPORT, or None."""
    recent = Event.objects.filter(actor=actor, verb=EXPORTED, at__gt=clock.now() - SAME_EXPORT)
    return next((event for event in recent.order_by("-at")[:SHOWN] if asked.items() <= event.data.items()), None)


def _write_requests(first_day: date, last_day: date) -> dict[str, Any]:
    """Write the file of the requests and the proof that none is missing; return what the event shall say of both."""
    rows = tables.write_table(population.HEADING, population.list_rows(first_day, last_day))
    months = population.count_months(first_day, last_day)
    proof = tables.write_table(population.PROOF_HEADING, population.make_proof_rows(months))
    return {
        "files": [_describe_file("solicitudes", rows), _describe_file("prueba", proof)],
        "months": [
            {
                "month": month.month,
                "requests": month.requests,
                "created": month.created,
                "heads": month.heads,
                "sealed": month.sealed.data["requests"] if month.sealed else None,
                "whole": month.is_whole,
            }
            for month in months
        ],
        "gaps": population.find_gaps(),
    }


def _write_events(first_day: date, last_day: date) -> dict[str, Any]:
    """Write the file of the period's events, and return what the event of the export shall say of it."""
    return {
        "files": [_describe_file("renglones", tables.write_table(_EVENT_HEADING, _list_events(first_day, last_day)))]
    }


def _list_events(first_day: date, last_day: date) -> Iterator[Sequence[object]]:
    """Yield a row for each event of these local days, the oldest first; its data is JSON in one cell."""
    events = search.select_period(first_day, last_day).order_by("at", "id")
    for event in events.iterator(chunk_size=_EVENTS_AT_A_TIME):
        yield (
            *(event.at.isoformat(), event.chain, event.seq, event.verb, verbs.describe(event.verb, event.data)),
            *(
                event.actor_name or "Sistema",
                event.actor_id,
                json.dumps(event.data, ensure_ascii=False, sort_keys=True),
            ),
            *(event.prev, event.hash),
        )


def _describe_file(name: str, written: WrittenFile) -> dict[str, Any]:
    """Return a written file as the event holds it: its name, rows, bytes and SHA-256."""
    return {"name": name, **asdict(written)}


_WRITERS: dict[str, Callable[[date, date], dict[str, Any]]] = {REQUESTS: _write_requests, EVENTS: _write_events}
