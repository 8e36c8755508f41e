"""Guard a request's steps, its implementer, and that no approval is missing (M8, M21, M24)."""

from change_requests.guards.sql_terms import (
    ASSET,
    CUSTOMER,
    DECISION,
    EXECUTION,
    REPRESENTATIVE,
    REQUEST,
    REQUESTED,
    REVISION,
    SLOT,
    WAIVER,
    changed,
    guards,
    is_active,
    make_office_sql,
)
from change_requests.kinds.fields import REGISTERED_EMAIL
from change_requests.models import FormalRequest
from factureya.core import triggers
from factureya.core.triggers import Guard

_EDGES = " OR ".join(
    f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(repr(str(s.value)) for s in after)}))"
    for before, after in FormalRequest.EDGES.items()
)
_APPROVED_SLOT = f"""EXISTS (SELECT 1 FROM {SLOT} s JOIN {DECISION} d ON d.id = s.decision_id
    WHERE s.request_id = NEW.id AND s.revision_no = NEW.revision_no AND s.voided_at IS NULL
      AND d.verdict = 'approve' AND d.revision_no = NEW.revision_no AND {{slot}})"""
_SECURITY_APPROVED = _APPROVED_SLOT.format(slot="s.office = 'security'")
_ITEM_WITHOUT_OWNER = f"""EXISTS (SELECT 1 FROM {REVISION} r, ITEMS(r)
    WHERE r.request_id = NEW.id AND r.no = NEW.revision_no
      AND NOT EXISTS (SELECT 1 FROM {ASSET} a JOIN {REQUESTED} q ON q.asset_id = a.id
        WHERE a.code = I.asset AND q.request_id = NEW.id AND q.open
          AND {_APPROVED_SLOT.format(slot="s.office = 'owner' AND s.asset_id = a.id")}))"""
_REFUSED = f"""EXISTS (SELECT 1 FROM {DECISION} d WHERE d.request_id = NEW.id
    AND d.revision_no = NEW.revision_no AND d.verdict = 'reject')"""
_TOUCHES_MAIL = f"""EXISTS (SELECT 1 FROM {REVISION} r, ITEMS(r) WHERE r.request_id = NEW.id
    AND r.no = NEW.revision_no AND I.field = '{REGISTERED_EMAIL.code}')"""
_DESIGNATED = f"NEW.implementer_id IS NOT NULL AND {changed('implementer_id designated_at waiver_id')}"
_WAIVED = f"""EXISTS (SELECT 1 FROM {WAIVER} w WHERE w.id = NEW.waiver_id AND w.request_id = NEW.id
    AND w.implementer_id = NEW.implementer_id)"""

# A reversal is confirmed from the mail of before (`links.find_confirming_mail`).
_FROM_ITS_MAILBOX = f"""(NEW.confirmed_mailbox <> '' AND (NEW.revert_of_id IS NOT NULL
    OR EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.id = NEW.customer_id
      AND c.registered_email = NEW.confirmed_mailbox)))"""
SLACK_DAYS = 10  # `operations.ending.WINDOW_SLACK`


def _make_officer_act_sql(stem: str, since: str) -> str:
    """Return an SQL condition: this update records that an active security officer acted, not before `since`.

    The names of the columns «…_at» and «…_by» that record the act begin with `stem`. `since` is the column, such as
    `alarmed_at`, that says since when the officer had to act.
    """
    officer = make_office_sql(f"NEW.{stem}_by_id", "security_officer", f"NEW.{stem}_at")
    return f"""(NEW.{stem}_at IS NOT NULL AND NEW.{stem}_at ≠ OLD.{stem}_at AND T[NEW.{stem}_at] >= T[OLD.{since}]
        AND {is_active(f"NEW.{stem}_by_id")} AND {officer})"""


GUARDS = [
    *guards(
        REQUEST,
        "INSERT",
        (
            "request_born_draft",
            """NEW.status <> 'draft' OR NEW.revision_no <> 0 OR NEW.implementer_id IS NOT NULL
            OR NEW.confirmed_at IS NOT NULL""",
            "una solicitud nace como borrador",
        ),
        (
            "request_names_its_representative",
            f"""NOT EXISTS (SELECT 1 FROM {REPRESENTATIVE} p WHERE p.id = NEW.representative_id
            AND p.customer_id = NEW.customer_id AND p.user_id = NEW.requester_id)""",
            "la pide un representante de la empresa",
        ),
    ),
    *guards(
        REQUEST,
        "UPDATE",
        (
            "request_identity_never_changes",
            changed("id folio form kind customer_id requester_id representative_id form_key created_at revert_of_id"),
            "la solicitud no cambia de folio, empresa ni solicitante",
        ),
        ("request_status_edges", f"NEW.status <> OLD.status AND NOT ({_EDGES})", "ese paso de la solicitud no existe"),
        (
            "request_revision_steps",
            f"""NEW.revision_no <> OLD.revision_no AND NOT (NEW.revision_no = OLD.revision_no + 1
            AND OLD.status IN ('draft', 'returned') AND EXISTS (SELECT 1 FROM {REVISION} r
              WHERE r.request_id = NEW.id AND r.no = NEW.revision_no))""",
            "una versión nueva nace de una edición",
        ),
        (
            "request_confirmed_anew",
            "(NEW.status = 'submitted' AND OLD.status <> 'submitted' AND NEW.confirmed_at IS NOT NULL) OR "
            "(NEW.confirmed_at IS NOT NULL AND NEW.confirmed_at ≠ OLD.confirmed_at AND OLD.status <> 'submitted')",
            "cada envío se confirma desde el correo registrado",
        ),
        (
            "request_confirmed_from_its_mailbox",
            f"""NEW.confirmed_at IS NOT NULL AND {changed("confirmed_at confirmed_mailbox")}
            AND (NOT {changed("confirmed_at")} OR NOT {_FROM_ITS_MAILBOX})""",
            "la confirma el correo registrado",
        ),
        (
            "request_approved_by_every_slot",
            f"""NEW.status = 'approved' AND OLD.status <> 'approved' AND (NOT {_SECURITY_APPROVED} OR {_REFUSED}
            OR (NEW.form = 'change' AND {_ITEM_WITHOUT_OWNER}))""",
            "falta una aprobación de la versión vigente",
        ),
        (
            "request_new_mail_confirmed",
            f"""NEW.status = 'approved' AND OLD.status <> 'approved' AND NEW.new_mail_revision ≠ NEW.revision_no
            AND {_TOUCHES_MAIL}""",
            "el correo nuevo se comprueba antes de aprobar",
        ),
        (
            "request_verified_by_supervisor",
            f"""NEW.status = 'in_approval' AND OLD.status = 'verifying'
            AND NOT {make_office_sql("NEW.verified_by_id", "supervisor", "NEW.verified_at")}""",
            "la verifica la mesa de control",
        ),
        (  # only who resumes a suspended request gives back the time that was left
            "request_window_is_fixed",
            f"""OLD.status = 'approved' AND NEW.status IN ('approved', 'executed', 'failed')
            AND ({changed("approved_at execute_after")} OR ({changed("execute_before")}
              AND (OLD.suspended_at IS NULL OR NEW.suspended_at IS NOT NULL)))""",
            "el plazo de ejecución se fija al aprobar",
        ),
        (
            "request_window_grows_by_the_stop",
            f"""OLD.status = 'approved' AND NEW.status = 'approved' AND {changed("execute_before")}
            AND OLD.suspended_at IS NOT NULL AND SEC[NEW.execute_before] - SEC[OLD.execute_before]
              > SEC[NEW.resumed_at] - SEC[OLD.suspended_at] + {SLACK_DAYS} * 86400""",
            "el plazo de ejecución crece lo que duró la suspensión",
        ),
        (
            "request_freeze_holds",
            f"""NEW.status = 'approved' AND OLD.status <> 'approved' AND EXISTS (SELECT 1 FROM {REVISION} r
            WHERE r.request_id = NEW.id AND r.no = NEW.revision_no
              AND SEC[NEW.execute_after] < SEC[NEW.approved_at] + r.freeze_hours * 3600 - 0.01)""",
            "falta el plazo de espera antes de ejecutar",
        ),
        (
            "request_approved_after_its_decisions",
            f"""NEW.status = 'approved' AND OLD.status <> 'approved' AND EXISTS (SELECT 1 FROM {DECISION} d
            WHERE d.request_id = NEW.id AND d.revision_no = NEW.revision_no
              AND T[d.decided_at] > T[NEW.approved_at])""",
            "se aprueba con la última decisión, no antes",
        ),
        (
            "request_resumed_by_security",
            f"""OLD.suspended_at IS NOT NULL AND {changed("suspended_at")}
            AND (NEW.suspended_at IS NOT NULL OR NOT {_make_officer_act_sql("resumed", "suspended_at")})""",
            "la reanuda Seguridad Informática",
        ),
        (
            "request_resumed_with_its_stop",
            f"{changed('resumed_at resumed_by_id')} AND (OLD.suspended_at IS NULL OR NEW.suspended_at IS NOT NULL)",
            "solo se reanuda lo suspendido",
        ),
        (
            "request_alarm_seen_by_security",
            f"""OLD.alarmed_at IS NOT NULL AND {changed("alarmed_at")}
            AND (NEW.alarmed_at IS NOT NULL OR NOT {_make_officer_act_sql("alarm_seen", "alarmed_at")})""",
            "el aviso lo revisa Seguridad Informática",
        ),
        (
            "request_alarm_seen_with_its_alarm",
            f"{changed('alarm_seen_at alarm_seen_by_id')} AND (OLD.alarmed_at IS NULL OR NEW.alarmed_at IS NOT NULL)",
            "solo se revisa un aviso que hubo",
        ),
        (
            "request_suspended_stands_still",
            """OLD.suspended_at IS NOT NULL AND NEW.status <> OLD.status
            AND NEW.status IN ('verifying', 'in_approval', 'approved', 'executed', 'failed')""",
            "la solicitud está suspendida",
        ),
        (
            "request_implementer_in_time",
            f"{_DESIGNATED} AND NEW.status NOT IN ('in_approval', 'approved')",
            "el implementador se designa antes de ejecutar",
        ),
        (
            "request_implementer_by_security",
            f"{_DESIGNATED} AND NOT {make_office_sql('NEW.designated_by_id', 'security_officer', 'NEW.designated_at')}",
            "lo designa Seguridad Informática",
        ),
        (
            "request_implementer_is_no_decider",
            f"""{_DESIGNATED} AND EXISTS (SELECT 1 FROM {DECISION} d WHERE d.request_id = NEW.id
            AND d.decider_id = NEW.implementer_id)""",
            "quien decide no implementa",
        ),
        (
            "request_implementer_is_no_author",
            f"""{_DESIGNATED} AND NEW.implementer_id <> NEW.requester_id AND EXISTS (SELECT 1 FROM {REVISION} r
            WHERE r.request_id = NEW.id AND r.author_id = NEW.implementer_id)""",
            "quien la preparó no implementa",
        ),
        (
            "request_implementer_holds_office",
            f"""{_DESIGNATED} AND NOT ({is_active("NEW.implementer_id")}
            AND ({make_office_sql("NEW.implementer_id", "implementer", "NEW.designated_at")} OR {_WAIVED}))""",
            "el implementador no tiene el cargo",
        ),
        (
            "request_implementer_is_no_developer",
            f"""{_DESIGNATED} AND {make_office_sql("NEW.implementer_id", "developer", "NEW.designated_at")}
            AND NOT {_WAIVED}""",
            "el implementador no es de Desarrollo",
        ),
        (
            "request_without_its_checker",
            f"""{changed("waiver_id implementer_id designated_by_id verified_by_id")}
            AND EXISTS (SELECT 1 FROM {WAIVER} w WHERE w.id = NEW.waiver_id
              AND (w.checker_id IN (NEW.implementer_id, NEW.designated_by_id, NEW.verified_by_id, NEW.requester_id)
                OR EXISTS (SELECT 1 FROM {DECISION} d WHERE d.request_id = NEW.id AND d.decider_id = w.checker_id)
                OR EXISTS (SELECT 1 FROM {REVISION} r WHERE r.request_id = NEW.id AND r.author_id = w.checker_id)
                OR EXISTS (SELECT 1 FROM {WAIVER} o WHERE o.request_id = NEW.id
                  AND o.approved_by_id = w.checker_id)))""",
            "quien revisará la dispensa no toma parte en la solicitud",
        ),
        (
            "request_executed_by_execution",
            f"""(NEW.status = 'executed' AND OLD.status <> 'executed' AND NOT EXISTS (SELECT 1 FROM {EXECUTION} e
              WHERE e.request_id = NEW.id AND e.result = 'ok' AND e.executor_id = NEW.implementer_id
                AND e.revision_no = NEW.revision_no))
            OR (NEW.status = 'failed' AND OLD.status <> 'failed' AND NOT EXISTS (SELECT 1 FROM {EXECUTION} e
              WHERE e.request_id = NEW.id AND e.result = 'drift' AND e.revision_no = NEW.revision_no))""",
            "falta la ejecución",
        ),
    ),
    Guard("request_no_delete", REQUEST, "DELETE", message="las solicitudes no se borran"),
    triggers.no_truncate(REQUEST),
    triggers.no_replace(REQUEST, "id", "folio", "form_key"),
]
