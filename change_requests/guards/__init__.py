"""What a CHECK cannot hold about formal requests, because it compares rows or tables (M1, M8, M19, M21, M24, M25).

They guard this app's tables, and those of companies, contacts and representatives: a migration of accounts that
rebuilds one of these is wrapped in this module's `lift` and `install`.
"""

from typing import Any

from change_requests.guards import companies, content, decisions, executions, requests
from change_requests.guards.notation import DECISION, REVISION
from factureya.core import triggers

GUARDS = [
    *requests.GUARDS,
    *content.GUARDS,
    *decisions.GUARDS,
    *executions.GUARDS,
    *companies.GUARDS,
]

# PostgreSQL's own way to say `decision_pins_its_revision`.
PIN = f"""ALTER TABLE {DECISION} ADD CONSTRAINT decision_pins_its_revision
    FOREIGN KEY (request_id, revision_no, requester_id, sha256)
    REFERENCES {REVISION} (request_id, no, requester_id, sha256)"""
UNPIN = f"ALTER TABLE {DECISION} DROP CONSTRAINT IF EXISTS decision_pins_its_revision"


def install(_apps: Any, schema_editor: Any) -> None:
    """Create the triggers; the last operation of a migration that touches a guarded or read table."""
    triggers.install(schema_editor, GUARDS)


def lift(_apps: Any, schema_editor: Any) -> None:
    """Drop the triggers; the first operation of a migration that touches a guarded or read table."""
    triggers.lift(schema_editor, GUARDS)


def pin(_apps: Any, schema_editor: Any) -> None:
    """Add the composite key of a decision into its revision; on SQLite a trigger holds it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(PIN, params=None)


def unpin(_apps: Any, schema_editor: Any) -> None:
    """Drop it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(UNPIN, params=None)
