"""Guard how acts are written down, and by whom and how an emergency is reviewed (M26, M27)."""

from change_requests.emergency.guards.tables import DELEGATION, DIFFERENCE, GRANT, RECORD, REVIEW, VERDICT
from change_requests.guards.sql_terms import changed, guards, is_active, make_control_staff_sql

_HEAD = "core_chainhead"


def _make_reviewer_sql(reviewer: str, at: str, operator: str) -> str:
    """Return SQL, true if `reviewer` is active and at the instant `at` is security officer, or stands in for one.

    The operator is none of the reviewer, the officer, and who named the alternate: he neither judges himself nor
    chooses his judge. The three arguments are SQL; T[…] makes an instant that both engines can compare.
    """
    delegation = f"""EXISTS (SELECT 1 FROM {DELEGATION} d WHERE d.absent_id = o.user_id AND d.office = o.office
        AND d.alternate_id = {reviewer} AND d.granted_by_id <> {operator}
        AND T[d.starts_at] <= T[{at}] AND T[d.ends_at] > T[{at}] AND (d.ended_at IS NULL OR T[d.ended_at] > T[{at}]))"""
    return f"""({is_active(reviewer)} AND {reviewer} <> {operator} AND EXISTS (
        SELECT 1 FROM accounts_roleassignment o WHERE o.office = 'security_officer' AND o.user_id <> {operator}
          AND o.ended_by_id IS NULL AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}])
          AND (o.user_id = {reviewer} OR ({make_control_staff_sql(reviewer, at)} AND {delegation}))))"""


_SIGNS = "OLD.signed_at IS NULL AND NEW.signed_at IS NOT NULL"
_RECORDS = guards(
    RECORD,
    "INSERT",
    (
        "record_inside_its_grant",
        f"""NOT EXISTS (SELECT 1 FROM {GRANT} g JOIN change_requests_emergencyaccount a ON a.id = g.account_id
        WHERE g.id = NEW.grant_id AND g.operator_id = NEW.operator_id AND a.user_id = NEW.account_user_id
          AND ((g.status = 'open' AND T[NEW.at] < T[g.ends_at])
            OR (g.status IN ('open', 'ended') AND NEW.kind <> 'intent' AND NEW.status IS NOT NULL)))""",
        "la emergencia no está abierta, o es de otra persona o cuenta",
    ),
    (
        "record_counts_on",
        f"NEW.seq <> (SELECT COALESCE(MAX(r.seq), 0) + 1 FROM {RECORD} r WHERE r.grant_id = NEW.grant_id)",
        "los actos se cuentan uno tras otro",
    ),
    (
        "record_outcome_of_an_intent",
        f"""NEW.pairs_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {RECORD} r
        WHERE r.id = NEW.pairs_id AND r.grant_id = NEW.grant_id AND r.kind = 'intent')""",
        "el resultado es de otra intención",
    ),
    (
        "record_outcome_before_its_verdict",
        f"EXISTS (SELECT 1 FROM {VERDICT} v WHERE v.record_id = NEW.pairs_id)",
        "un acto que ya tiene veredicto no recibe resultado",
    ),
    (
        "record_is_in_its_chain",
        f"""NOT EXISTS (SELECT 1 FROM core_event v JOIN {GRANT} g ON g.id = NEW.grant_id
        WHERE v.id = NEW.event_id AND v.chain = 'grant:' || g.folio AND TOLD(v) = NEW.sha256)""",
        "el acto no es el de su evento",
    ),
)
_DIFFERENCES = guards(
    DIFFERENCE,
    "INSERT",
    (
        "difference_by_its_emergency",
        "ACTING IS NULL OR ACTING ≠ NEW.grant_id",
        "solo se anota lo que escribe una emergencia",
    ),
)
_VERDICTS = guards(
    VERDICT,
    "INSERT",
    (
        "verdict_by_security",
        f"""NOT EXISTS (SELECT 1 FROM {RECORD} r JOIN {GRANT} g ON g.id = r.grant_id WHERE r.id = NEW.record_id
        AND g.status = 'ended' AND {_make_reviewer_sql("NEW.reviewer_id", "NEW.at", "g.operator_id")})""",
        "la revisa Seguridad, terminada, y nunca quien la usó",
    ),
    (
        "verdict_of_an_act",
        f"EXISTS (SELECT 1 FROM {RECORD} r WHERE r.id = NEW.record_id AND r.kind = 'outcome')",
        "se revisa la intención, junto con su resultado",
    ),
)
_REVIEWS = [
    *guards(
        REVIEW,
        "INSERT",
        (
            "review_born_unsigned",
            f"""NEW.signed_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM {GRANT} g
            WHERE g.id = NEW.grant_id AND g.status = 'ended')""",
            "la revisión se abre sin firma, al terminar",
        ),
    ),
    *guards(
        REVIEW,
        "UPDATE",
        ("review_facts_stay", changed("id grant_id opened_at due_at"), "el plazo de la revisión no cambia"),
        ("review_signed_stays", "OLD.signed_at IS NOT NULL", "una revisión firmada no cambia"),
        (
            "review_signed_by_security",
            f"""{_SIGNS} AND NOT EXISTS (SELECT 1 FROM {GRANT} g WHERE g.id = NEW.grant_id AND g.status = 'ended'
            AND {_make_reviewer_sql("NEW.reviewer_id", "NEW.signed_at", "g.operator_id")})""",
            "la firma Seguridad, terminada, y nunca quien la usó",
        ),
        (
            "review_signed_after_every_verdict",
            f"""{_SIGNS} AND EXISTS (SELECT 1 FROM {RECORD} r WHERE r.grant_id = NEW.grant_id AND r.kind <> 'outcome'
            AND NOT EXISTS (SELECT 1 FROM {VERDICT} v WHERE v.record_id = r.id))""",
            "faltan actos por revisar",
        ),
        (
            "review_seals_the_head",
            f"""{_SIGNS} AND NOT EXISTS (SELECT 1 FROM {_HEAD} h JOIN {GRANT} g ON h.chain = 'grant:' || g.folio
            WHERE g.id = NEW.grant_id AND h.seq = NEW.head_seq AND h.hash = NEW.head_hash)""",
            "la firma sella el último evento",
        ),
    ),
]
GUARDS = [*_RECORDS, *_DIFFERENCES, *_VERDICTS, *_REVIEWS]
