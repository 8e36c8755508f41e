"""Guard what an emergency writes: its one change of its one customer, and nothing else; record each row (M1, M23, M26).

While an emergency has the mark (ACTING), triggers write down every row of a person or company that changes.
"""

from change_requests.emergency.guards.tables import CHANGE, DIFFERENCE, GRANT
from change_requests.guards.sql_terms import (
    ASSET,
    CLARIFICATION,
    CONTACT,
    CUSTOMER,
    DECISION,
    EVIDENCE,
    EXECUTION,
    IN_ITS_WINDOW,
    REPRESENTATIVE,
    REQUEST,
    REQUESTED,
    REVISION,
    SLOT,
    USER,
    WAIVER,
    guards,
    translate,
)
from change_requests.kinds import fields
from factureya.core.triggers import Guard, Recorder

_TODAY = " ".join(f"WHEN '{name}' THEN c.{name}" for name in fields.COLUMNS)
# No emergency writes here: offices, approvals, executions, seals, grants, reviews and packages.
UNTOUCHED = (
    *("accounts_roleassignment", "accounts_factorreset", "accounts_invitation", ASSET, REQUEST, REVISION, REQUESTED),
    *(EVIDENCE, CLARIFICATION, DECISION, SLOT, WAIVER, EXECUTION, GRANT),
    *(
        f"change_requests_{name}"
        for name in (
            *("emergencyaccount", "emergencycause", "criticalcredential", "delegation", "grantauthorization"),
            *("activityverdict", "grantreview"),
            *("packagefile", "supplierpackage", "packagechange", "licenceverdict", "maintenanceoption"),
            *("impactestimate", "identifiedcopy", "packageport"),
        )
    ),
)
# What of a row is written down. Never a password.
COLUMNS = {
    CUSTOMER: (
        *("rfc", "legal_name", "fiscal_address", "phone", "registered_email", "status", "suspended_at"),
        *("verified_at", "refused_at", "joined_to_id"),
    ),
    CONTACT: ("user_id", "customer_id", "role", "own_tickets_only"),
    REPRESENTATIVE: (
        *("customer_id", "user_id", "name", "rfc", "email", "power_kind", "instrument"),
        *("valid_from", "valid_until", "revoked_at"),
    ),
    USER: ("email", "full_name", "is_active", "is_staff", "is_superuser", "is_emergency", "session_epoch"),
}
_ROWS = {"INSERT": (None, "NEW"), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD", None)}


def _make_json(row: str | None, columns: tuple[str, ...]) -> tuple[str, str]:
    """Return SQL for both engines: these columns of `row` (OLD or NEW) as JSON; NULL if the event has no such row."""
    if row is None:
        return "NULL", "NULL"
    pairs = ", ".join(f"'{column}', {row}.{column}" for column in columns)
    return f"json_object({pairs})", f"jsonb_build_object({pairs})"


def _make_recorder(table: str, event: str) -> Recorder:
    """Return the trigger that records a row of this table before and after `event`, if an emergency is writing."""
    old_row, new_row = _ROWS[event]
    old_json, new_json = (_make_json(row, COLUMNS[table]) for row in (old_row, new_row))
    marked_grant = translate(Guard("", "", "", when="ACTING")).when  # SQL: the marked emergency's key
    now_sql = ("strftime('%Y-%m-%d %H:%M:%f', 'now')", "clock_timestamp()")
    statements = [
        f"INSERT INTO {DIFFERENCE} (grant_id, table_name, row_pk, old, new, at) "
        f"VALUES ({marked_grant[engine]}, '{table}', CAST({new_row or old_row}.id AS varchar), "
        f"{old_json[engine]}, {new_json[engine]}, {now_sql[engine]})"
        for engine in (0, 1)  # SQLite, PostgreSQL
    ]
    name = f"emergency_records_{table.removeprefix('accounts_')}_{event.lower()}"
    conditions = (f"{marked_grant[0]} IS NOT NULL", f"{marked_grant[1]} IS NOT NULL")
    return Recorder(name, table, event, conditions, (statements[0], statements[1]))


def _forbid_write(table: str, event: str) -> Guard:
    """Return the guard that refuses this event (as "INSERT") on this table if an emergency is marked as writing."""
    name = f"emergency_touches_no_{table.split('_', 1)[1].removeprefix('requests_')}_{event.lower()}"
    return Guard(name, table, event, "ACTING IS NOT NULL", "una emergencia no toca nada más")


GUARDS = [
    *guards(
        CHANGE,
        "INSERT",
        (
            "emergency_change_of_an_open_grant",
            f"""NOT EXISTS (SELECT 1 FROM {GRANT} g WHERE g.id = NEW.grant_id AND g.status = 'open'
            AND g.customer_id = NEW.customer_id AND g.operator_id = NEW.operator_id AND NAMED_BY(g)
            AND T[NEW.at] >= T[g.opened_at] AND T[NEW.at] < T[g.ends_at] AND {IN_ITS_WINDOW})""",
            "la emergencia no está abierta, o es para otro cliente, dato o persona",
        ),
        (
            "emergency_change_from_today",
            f"""NOT EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.id = NEW.customer_id
            AND CASE NEW.field {_TODAY} END = NEW.old)""",
            "el valor de antes no es el de hoy",
        ),
    ),
    Guard(
        "emergency_touches_one_customer",
        CUSTOMER,
        "UPDATE",
        f"ACTING IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {GRANT} g WHERE g.id = ACTING AND g.customer_id = OLD.id)",
        "una emergencia es para un cliente",
    ),
    *(_forbid_write(table, event) for table in UNTOUCHED for event in ("INSERT", "UPDATE", "DELETE")),
]
RECORDERS = [_make_recorder(table, event) for table in COLUMNS for event in _ROWS]
