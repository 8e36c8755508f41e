"""Guard who executes a request, when, and the waiver of segregation (M24, M25)."""

from change_requests.guards.sql_terms import (
    DECISION,
    EXECUTION,
    REPRESENTATIVE,
    REQUEST,
    REVISION,
    SLOT,
    WAIVER,
    changed,
    guards,
    is_active,
    make_decider_sql,
    make_office_sql,
    no_replace,
    of_the_request,
)
from factureya.core import triggers
from factureya.core.triggers import Guard

MAX_CHECK_DAYS = 20  # between an execution and the day by which its waiver is checked: one business day, and holidays

_APPROVED_CONTENT = f"""EXISTS (SELECT 1 FROM {REQUEST} f
    JOIN {REVISION} r ON r.request_id = f.id AND r.no = f.revision_no
    WHERE f.id = NEW.request_id AND f.status = 'approved' AND f.suspended_at IS NULL
      AND r.no = NEW.revision_no AND r.sha256 = NEW.sha256)"""
_EXECUTOR_WAIVED = f"""EXISTS (SELECT 1 FROM {REQUEST} f JOIN {WAIVER} w ON w.id = f.waiver_id
    WHERE f.id = NEW.request_id AND w.request_id = f.id AND w.implementer_id = NEW.executor_id
      AND T[w.approved_at] <= T[NEW.at])"""
# A hundredth of a second less than one, because SQLite compares in milliseconds.
_CHECKED_LATER = f"""EXISTS (SELECT 1 FROM {EXECUTION} e WHERE e.request_id = NEW.request_id AND e.result = 'ok'
    AND SEC[NEW.checked_at] - SEC[e.at] > 0.99)"""
_DUE_AFTER = f"""EXISTS (SELECT 1 FROM {EXECUTION} e WHERE e.request_id = NEW.request_id AND e.result = 'ok'
    AND T[NEW.check_due] > T[e.at] AND SEC[NEW.check_due] - SEC[e.at] < {MAX_CHECK_DAYS} * 86400)"""
_VALID_THAT_DAY = "ISO[p.valid_from] <= DAY[NEW.at] AND (p.valid_until IS NULL OR ISO[p.valid_until] >= DAY[NEW.at])"
_REPRESENTED = f"""NEW.result = 'ok' AND NOT EXISTS (SELECT 1 FROM {REQUEST} f
    JOIN {REPRESENTATIVE} p ON p.id = f.representative_id JOIN accounts_user u ON u.id = f.requester_id
    WHERE f.id = NEW.request_id AND u.is_active AND {_VALID_THAT_DAY}
      AND (p.revoked_at IS NULL OR T[p.revoked_at] > T[NEW.at]))"""

GUARDS = [
    *guards(
        WAIVER,
        "INSERT",
        (
            "waiver_by_security",
            f"""NEW.checked_at IS NOT NULL OR NOT {is_active("NEW.approved_by_id")}
            OR NOT {make_office_sql("NEW.approved_by_id", "security_officer", "NEW.approved_at")}
            OR NOT {of_the_request("f.status IN ('in_approval', 'approved')")}""",
            "la dispensa la aprueba Seguridad Informática",
        ),
        (
            "waiver_granted_in_its_time",
            f"""NEW.check_due IS NOT NULL OR NOT {of_the_request("T[f.verified_at] <= T[NEW.approved_at]")}""",
            "la dispensa se aprueba después de verificar",
        ),
        (
            "waiver_checked_by_an_outsider",
            f"""NEW.checker_id = NEW.approved_by_id
            OR {of_the_request("NEW.checker_id IN (f.requester_id, f.verified_by_id, f.designated_by_id)")}
            OR EXISTS (SELECT 1 FROM {REVISION} r WHERE r.request_id = NEW.request_id
              AND NEW.checker_id IN (r.author_id, r.requester_id))
            OR EXISTS (SELECT 1 FROM {DECISION} d WHERE d.request_id = NEW.request_id
              AND d.decider_id = NEW.checker_id)
            OR EXISTS (SELECT 1 FROM {WAIVER} w WHERE w.request_id = NEW.request_id
              AND w.approved_by_id = NEW.checker_id)""",
            "quien revisa la dispensa no tomó parte en la solicitud",
        ),
    ),
    Guard(
        "waiver_never_changes",
        WAIVER,
        "UPDATE",
        (
            changed("id request_id implementer_id reason controls approved_by_id approved_at checker_id")
            + " OR (OLD.check_due IS NOT NULL AND NEW.check_due ≠ OLD.check_due) OR OLD.checked_at IS NOT NULL"
        ),
        "la dispensa no cambia; se revisa una vez",
    ),
    Guard(
        "waiver_checked_after_the_execution",
        WAIVER,
        "UPDATE",
        f"{changed('checked_at')} AND NOT {_CHECKED_LATER}",
        "la dispensa se revisa después de ejecutar",
    ),
    Guard(
        "waiver_due_after_the_execution",
        WAIVER,
        "UPDATE",
        f"{changed('check_due')} AND NOT {_DUE_AFTER}",
        "la revisión vence poco después de ejecutar",
    ),
    Guard("waiver_no_delete", WAIVER, "DELETE", message="append-only"),
    triggers.no_truncate(WAIVER),
    triggers.no_replace(WAIVER, "id"),
    *triggers.append_only(EXECUTION),
    *no_replace(
        EXECUTION,
        "execution_replaces_none",
        f"""NEW.result = 'ok' AND EXISTS (SELECT 1 FROM {EXECUTION} e WHERE e.request_id = NEW.request_id
            AND e.result = 'ok')""",
        "INSERT",
    ),
    *guards(
        EXECUTION,
        "INSERT",
        ("execution_of_the_approved_content", f"NOT {_APPROVED_CONTENT}", "solo se ejecuta lo aprobado"),
        (
            "execution_by_its_implementer",
            "NOT " + of_the_request("f.implementer_id = NEW.executor_id"),
            "la ejecuta quien fue designado",
        ),
        (
            "execution_inside_its_window",
            "NOT " + of_the_request("T[f.execute_after] <= T[NEW.at] AND T[f.execute_before] > T[NEW.at]"),
            "fuera de su plazo de ejecución",
        ),
        (
            "execution_after_the_resume",
            of_the_request("T[f.resumed_at] > T[NEW.at]"),
            "se ejecuta después de reanudarla",
        ),
        (
            "execution_not_by_decider",
            f"""EXISTS (SELECT 1 FROM {DECISION} d WHERE d.request_id = NEW.request_id
            AND d.decider_id = NEW.executor_id)""",
            "quien decide no implementa",
        ),
        (
            "execution_by_office_in_force",
            f"""NOT ({is_active("NEW.executor_id")}
            AND ({make_office_sql("NEW.executor_id", "implementer", "NEW.at")} OR {_EXECUTOR_WAIVED}))""",
            "el implementador no tiene el cargo",
        ),
        (
            "execution_not_by_developer",
            f"""{make_office_sql("NEW.executor_id", "developer", "NEW.at")} AND NOT {_EXECUTOR_WAIVED}""",
            "el implementador no es de Desarrollo",
        ),
        (
            "execution_with_deciders_in_office",
            f"""NEW.result = 'ok' AND EXISTS (SELECT 1 FROM {SLOT} s WHERE s.request_id = NEW.request_id
            AND s.revision_no = NEW.revision_no AND s.voided_at IS NULL
            AND NOT {make_decider_sql("s.decision_id", "NEW.at")})""",
            "quien aprobó ya no tiene el cargo",
        ),
        ("execution_with_powers_in_force", _REPRESENTED, "el representante ya no tiene poderes"),
    ),
]
