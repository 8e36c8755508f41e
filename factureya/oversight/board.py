"""Build the board «Cumplimiento del manual»: each clause with today's evidence and the tests that prove it (M1–M33).

The evidence is counted once a minute for everybody. `clauses.json` holds the tests; `manage.py manual` writes it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.core.cache import cache as shared_cache

from accounts.models import User
from change_requests.policy import SEES_ALL
from factureya.core import clock
from factureya.oversight import policy
from factureya.oversight.evidence import changes, emergencies, packages, portal, tickets
from factureya.oversight.evidence.facts import Evidence, Finder, Item, State, read_facts

CACHE_KEY, CACHE_SECONDS = "oversight:board", 60
EVIDENCE: dict[str, Finder] = {
    **portal.EVIDENCE,
    **tickets.EVIDENCE,
    **changes.EVIDENCE,
    **emergencies.EVIDENCE,
    **packages.EVIDENCE,
}
LOOKS = {State.OK: "ok", State.ATTEND: "waiting", State.LATE: "bad", State.NOT_BUILT: ""}  # no mark: nothing to tick
# Each group with its clauses and what the manual promises in each.
GROUPS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "Portal y servicio",
        {
            "M1": "Los datos registrados solo cambian por una solicitud aprobada",
            "M2": "Portal con teléfonos, correos y horario",
            "M3": "En línea o por teléfono, propio o de tercero",
            "M4": "También ventas",
            "M5": "Se escribe desde el correo registrado",
            "M6": "soporte@, gratuito y por tickets",
            "M7": "Alta, baja y cambio de clave con su formato",
            "M8": "Solo el representante, desde el correo registrado",
            "M9": "Internet y equipo quedan fuera",
        },
    ),
    (
        "Tickets",
        {
            "M10": "Número de seguimiento a cualquier hora",
            "M11": "Un problema por ticket",
            "M12": "Cerrado es final",
            "M13": "Abierto: nos toca",
            "M14": "En espera: con respuesta y motivo",
            "M15": "Cerrado por confirmación o más de 3 días",
            "M16": "Estado y acciones con el número",
            "M17": "Descripción, imágenes y pasos",
            "M18": "Con cobro solo si lo acepta",
        },
    ),
    (
        "Cambios de información sensible y emergencias",
        {
            "M19": "Solicitud con motivo",
            "M20": "Formato en el sitio y por correo",
            "M21": "Aprueban Propietario y Seguridad",
            "M22": "Cuentas de emergencia selladas",
            "M23": "Solo mientras dura",
            "M24": "Implementa alguien ajeno a Desarrollo",
            "M25": "Si no, controles adicionales",
            "M26": "Todo lo que hacen se registra",
            "M27": "Y lo revisa Seguridad",
        },
    ),
    (
        "Paquetes e imagen",
        {
            "M28": "Cambio de paquete con autorización",
            "M29": "Licencia revisada",
            "M30": "Quién modifica, con las tres razones",
            "M31": "Impacto del mantenimiento propio",
            "M32": "Original intacto, copia identificada",
            "M33": "Personaliza tu imagen",
        },
    ),
)


@dataclass(frozen=True)
class Row:
    """Hold a clause as the board shows it; `items` are those that its reader may open."""

    clause: str
    promise: str
    text: str
    items: Sequence[Item]
    tests: int
    state: State

    @property
    def look(self) -> str:
        """Return the look of the state's mark (`core.templatetags.fy.state_class`)."""
        return LOOKS[self.state]

    @property
    def is_late(self) -> bool:
        """Return True if something of the clause is overdue."""
        return self.state == State.LATE

    @property
    def is_pending(self) -> bool:
        """Return True if somebody has to do something about the clause."""
        return self.state in {State.ATTEND, State.LATE}


@dataclass(frozen=True)
class Group:
    """Hold a heading of the board with its rows."""

    key: str
    title: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Board:
    """Hold the board as it is shown; `only_pending` says that the clauses without a task are left out."""

    read_at: datetime
    groups: Sequence[Group]
    all_rows: Sequence[Row]
    tests: int
    only_pending: bool

    def list_clauses(self, state: State) -> list[str]:
        """Return the clauses in this state."""
        return [row.clause for row in self.all_rows if row.state == state]

    @property
    def total(self) -> int:
        return len(self.all_rows)

    @property
    def ok(self) -> list[str]:
        return self.list_clauses(State.OK)

    @property
    def attend(self) -> list[str]:
        return self.list_clauses(State.ATTEND)

    @property
    def late(self) -> list[str]:
        return self.list_clauses(State.LATE)

    @property
    def not_built(self) -> list[str]:
        return self.list_clauses(State.NOT_BUILT)

    @property
    def pending_count(self) -> int:
        return len(self.attend) + len(self.late)


@dataclass(frozen=True)
class Proof:
    """Hold the tests of one clause: files with the names of their tests."""

    clause: str
    count: int
    files: Sequence[tuple[str, Sequence[str]]]


def read_board(reader: User, *, only_pending: bool = False) -> Board:
    """Return the board as this reader sees it; `only_pending` leaves out clauses and groups with nothing pending."""
    read_at, evidence = read_evidence()
    groups = [
        Group(
            f"g{index}",
            title,
            [_make_row(reader, clause, promise, evidence[clause]) for clause, promise in promises.items()],
        )
        for index, (title, promises) in enumerate(GROUPS)
    ]
    all_rows = [row for group in groups for row in group.rows]
    if only_pending:
        groups = [Group(group.key, group.title, [row for row in group.rows if row.is_pending]) for group in groups]
        groups = [group for group in groups if group.rows]
    return Board(read_at, groups, all_rows, count_tests(), only_pending)


def read_evidence() -> tuple[datetime, dict[str, Evidence]]:
    """Return when the evidence was counted, and the evidence of each clause; it is counted again after a minute."""
    cached: tuple[datetime, dict[str, Evidence]] | None = shared_cache.get(CACHE_KEY)
    if cached is None:
        facts = read_facts()
        cached = clock.now(), {clause: find(facts) for clause, find in EVIDENCE.items()}
        shared_cache.set(CACHE_KEY, cached, CACHE_SECONDS)
    return cached


@cache
def load_tests() -> dict[str, dict[str, list[str]]]:
    """Return the names of each clause's tests, grouped by file; `manage.py manual` collected them from the tests."""
    tests: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "clauses.json").read_text("utf-8"))
    return tests


def count_tests() -> int:
    """Return how many different tests prove a clause."""
    return len({(file, name) for files in load_tests().values() for file, names in files.items() for name in names})


def find_proof(clause: str) -> Proof | None:
    """Return the tests of a clause, with their number, or None for a text that is no clause."""
    if clause not in EVIDENCE:
        return None
    files = load_tests().get(clause, {})
    return Proof(clause, sum(map(len, files.values())), sorted(files.items()))


def _make_row(reader: User, clause: str, promise: str, evidence: Evidence) -> Row:
    """Return a clause as a row of the board, without the items whose page this reader may not open."""
    items = [item for item in evidence.items if _may_open(reader, item.url)]
    test_count = sum(map(len, load_tests().get(clause, {}).values()))
    return Row(clause, promise, evidence.text, items, test_count, evidence.state)


def _may_open(reader: User, url: str) -> bool:
    """Return True if the reader may open an item's page; the board shows no link that would be refused."""
    if url.startswith("/admin/"):
        return bool(reader.works_in_admin)
    if url.startswith("/control/bitacora/"):
        return policy.may_read_log(reader)
    return reader.holds(*SEES_ALL)
