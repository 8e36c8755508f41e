"""Core's triggers: events never change, and the head of a chain only moves one step forward (M26)."""

from typing import Any

from factureya.core import triggers

GUARDS = [
    *triggers.append_only("core_event", "hash", "chain, seq"),
    triggers.Guard(
        "core_chainhead_forward", "core_chainhead", "UPDATE",
        when="NEW.seq <> OLD.seq + 1 OR NEW.chain <> OLD.chain", message="a chain moves one step forward",
    ),
    triggers.Guard("core_chainhead_no_delete", "core_chainhead", "DELETE", message="a chain has an end for ever"),
    triggers.no_truncate("core_chainhead"),
    triggers.no_replace("core_chainhead", "chain"),
]  # fmt: skip


def install(_apps: Any, schema_editor: Any) -> None:
    """Create core's triggers; the last operation of a migration that touches a guarded table."""
    triggers.install(schema_editor, GUARDS)


def lift(_apps: Any, schema_editor: Any) -> None:
    """Drop core's triggers; the first operation of a migration that touches a guarded table."""
    triggers.lift(schema_editor, GUARDS)
