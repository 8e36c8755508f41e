"""Guard who decided, on which version and for which asset (M21)."""

from change_requests.guards.sql_terms import (
    ASSET,
    DECISION,
    REQUEST,
    REQUESTED,
    REVISION,
    SLOT,
    WAIVER,
    changed,
    guards,
    make_decider_sql,
    no_replace,
    of_the_request,
)
from factureya.core import triggers
from factureya.core.triggers import Guard

_OFFICE = "CASE NEW.office WHEN 'owner' THEN 'information_owner' WHEN 'security' THEN 'security_officer' END"

GUARDS = [
    *triggers.append_only(DECISION, "request_id, revision_no, decider_id"),
    Guard(  # on PostgreSQL a composite foreign key of this name
        "decision_pins_its_revision",
        DECISION,
        "INSERT",
        engines=("sqlite",),
        when=f"""NOT EXISTS (SELECT 1 FROM {REVISION} r WHERE r.request_id = NEW.request_id
            AND r.no = NEW.revision_no AND r.requester_id = NEW.requester_id AND r.sha256 = NEW.sha256)""",
        message="la decisión es sobre otro contenido",
    ),
    *guards(
        DECISION,
        "INSERT",
        (
            "decision_on_the_current_revision",
            "NOT "
            + of_the_request("f.status = 'in_approval' AND f.revision_no = NEW.revision_no AND f.suspended_at IS NULL"),
            "solo se decide la versión vigente, en aprobación",
        ),
        (
            "decision_by_office_in_force",
            f"""NOT EXISTS (SELECT 1 FROM accounts_roleassignment o JOIN accounts_user u ON u.id = o.user_id
            WHERE o.id = NEW.assignment_id AND u.id = NEW.decider_id AND u.is_active AND o.office = {_OFFICE}
              AND o.ended_by_id IS NULL AND T[o.starts_at] <= T[NEW.decided_at]
              AND (o.ends_at IS NULL OR T[o.ends_at] > T[NEW.decided_at]))""",
            "quien decide no tiene el cargo",
        ),
        (
            "decision_after_its_version",
            f"""EXISTS (SELECT 1 FROM {REQUEST} f JOIN {REVISION} r ON r.request_id = f.id AND r.no = NEW.revision_no
            WHERE f.id = NEW.request_id AND (T[r.created_at] > T[NEW.decided_at]
              OR T[f.confirmed_at] > T[NEW.decided_at] OR T[f.verified_at] > T[NEW.decided_at]))""",
            "nadie decide antes de que exista lo que decide",
        ),
        (
            "decision_not_by_author",
            f"""EXISTS (SELECT 1 FROM {REVISION} r WHERE r.request_id = NEW.request_id
            AND r.author_id = NEW.decider_id)""",
            "quien la editó no la decide",
        ),
        (
            "decision_not_by_implementer",
            of_the_request("f.implementer_id = NEW.decider_id"),
            "quien la implementa no la decide",
        ),
        (
            "decision_not_by_checker",
            f"""EXISTS (SELECT 1 FROM {REQUEST} f JOIN {WAIVER} w ON w.id = f.waiver_id
            WHERE f.id = NEW.request_id AND w.checker_id = NEW.decider_id)""",
            "quien revisará la dispensa no decide",
        ),
        (
            "decision_of_security_not_by_owner",
            f"""NEW.office = 'security' AND EXISTS (SELECT 1 FROM {REQUESTED} q JOIN {ASSET} a ON a.id = q.asset_id
            WHERE q.request_id = NEW.request_id AND (a.owner_id = NEW.decider_id OR (a.alternate_id = NEW.decider_id
              AND T[a.alternate_from] <= T[NEW.decided_at] AND T[a.alternate_until] > T[NEW.decided_at])))""",
            "el propietario no decide por Seguridad",
        ),
    ),
    *guards(
        SLOT,
        "INSERT",
        (
            "slot_of_its_decision",
            "NEW.voided_at IS NOT NULL OR NOT "
            f"""EXISTS (SELECT 1 FROM {DECISION} d JOIN {REQUEST} f ON f.id = d.request_id
            WHERE d.id = NEW.decision_id AND d.request_id = NEW.request_id AND d.revision_no = NEW.revision_no
              AND d.office = NEW.office AND f.status = 'in_approval' AND f.revision_no = NEW.revision_no)""",
            "la aprobación es de otra decisión",
        ),
        (
            "slot_of_an_owned_asset",
            f"""NEW.office = 'owner' AND NOT EXISTS (SELECT 1 FROM {ASSET} a JOIN {DECISION} d ON d.id = NEW.decision_id
            JOIN {REQUESTED} q ON q.asset_id = a.id AND q.request_id = NEW.request_id
            WHERE a.id = NEW.asset_id AND (a.owner_id = d.decider_id OR (a.alternate_id = d.decider_id
              AND T[a.alternate_from] <= T[d.decided_at] AND T[a.alternate_until] > T[d.decided_at])))""",
            "no es propietario de ese activo",
        ),
    ),
    *guards(
        SLOT,
        "UPDATE",
        (
            "slot_is_only_voided",
            changed("id decision_id request_id revision_no office asset_id")
            + " OR OLD.voided_at IS NOT NULL OR NEW.voided_at IS NULL",
            "append-only",
        ),
        (
            "slot_voided_only_without_office",
            make_decider_sql("OLD.decision_id", "NEW.voided_at"),
            "quien decidió conserva el cargo",
        ),
    ),
    Guard("slot_no_delete", SLOT, "DELETE", message="append-only"),
    triggers.no_truncate(SLOT),
    triggers.no_replace(SLOT, "id"),
    *no_replace(
        SLOT,
        "slot_insert_replaces_none",
        f"""EXISTS (SELECT 1 FROM {SLOT} s WHERE s.request_id = NEW.request_id AND s.revision_no = NEW.revision_no
            AND s.office = NEW.office AND s.asset_id IS NEW.asset_id AND s.voided_at IS NULL)""",
        "INSERT",
    ),
]
