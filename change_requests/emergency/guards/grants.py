"""Guard who may be granted an emergency account, by whom, and that its window is never longer than granted (M23)."""

from change_requests.emergency.guards.accounts import is_written_once
from change_requests.emergency.guards.tables import ACCOUNT, AUTHORIZATION, CAUSE, CREDENTIAL, DELEGATION, GRANT, REVIEW
from change_requests.guards.sql_terms import (
    CUSTOMER,
    REQUEST,
    changed,
    guards,
    is_active,
    make_control_staff_sql,
    make_office_sql,
    no_replace,
)
from change_requests.kinds import fields
from factureya.core import triggers
from factureya.core.triggers import Guard

EDGES = {
    "requested": ("authorized", "refused", "lapsed"),
    "authorized": ("open", "refused", "lapsed"),
    "open": ("ended",),
    "ended": ("reviewed",),
}
HALVES_MINUTES = 60  # between the two halves, at most; the setting asks for less
START_MINUTES = 240  # between the authorization and the opening, at most; the setting asks for less
_EDGE = " OR ".join(
    f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(repr(status) for status in after)}))"
    for before, after in EDGES.items()
)
_COLUMNS = ", ".join(repr(code) for code in fields.COLUMNS)
# The items of the JSON list `fields` of the new row.
_EACH_FIELD = (
    "SELECT n.value FROM json_each(NEW.fields) AS n",
    "SELECT n.value FROM jsonb_array_elements_text(NEW.fields) AS n(value)",
)
_LIVE_CREDENTIAL = f"""(SELECT c.id FROM {CREDENTIAL} c
    WHERE c.account_id = NEW.account_id AND c.retired_at IS NULL AND c.renew_by IS NOT NULL)"""
_KEEPS_HALF = f"""EXISTS (SELECT 1 FROM {CREDENTIAL} c WHERE c.account_id = {{account}} AND c.retired_at IS NULL
    AND {{person}} IN (c.custodian_a_id, c.custodian_b_id))"""
_OPERATES = " OR ".join(
    make_office_sql("NEW.operator_id", office, "NEW.requested_at") for office in ("implementer", "supervisor")
)


def _make_longer_sql(later: str, earlier: str, minutes: str) -> tuple[str, str]:
    """Return SQL (SQLite, PostgreSQL), true if `later` is more than `minutes` after `earlier`; all arguments are SQL.

    SQLite's julianday rounds to a millisecond, so its comparison allows 0.0001 minutes more.
    """
    return (
        f"(julianday({later}) - julianday({earlier})) * 1440.0 > {minutes} + 0.0001",
        f"{later} > {earlier} + {minutes} * interval '1 minute'",
    )


def _make_wrong_fields_sql(engine: int) -> str:
    """Return SQL (0: SQLite, 1: PostgreSQL), true if a field is unknown, scope 'fix' has none, or 'read' has any."""
    fields_sql = _EACH_FIELD[engine]
    scope = f"(SELECT a.scope FROM {ACCOUNT} a WHERE a.id = NEW.account_id)"
    return f"""EXISTS (SELECT 1 FROM ({fields_sql}) AS f WHERE f.value NOT IN ({_COLUMNS}))
        OR ({scope} = 'fix' AND NOT EXISTS ({fields_sql})) OR ({scope} = 'read' AND EXISTS ({fields_sql}))"""


_INSERTS = [
    *guards(
        GRANT,
        "INSERT",
        (
            "grant_born_requested",
            """NEW.status <> 'requested' OR NEW.minutes IS NOT NULL OR NEW.half_a_at IS NOT NULL
            OR NEW.half_b_at IS NOT NULL OR NEW.last_seen_at IS NOT NULL""",
            "una emergencia nace por autorizar",
        ),
        (
            "grant_operator_is_fit",
            f"""NOT ({is_active("NEW.operator_id")} AND ({_OPERATES}))
            OR {make_office_sql("NEW.operator_id", "developer", "NEW.requested_at")}""",
            "la usa un Implementador o un Supervisor que no sea de Desarrollo",
        ),
        (
            "grant_operator_keeps_no_half",
            _KEEPS_HALF.format(account="NEW.account_id", person="NEW.operator_id"),
            "quien guarda una mitad no la usa",
        ),
        (
            "grant_of_a_sealed_account",
            f"""NOT EXISTS {_LIVE_CREDENTIAL}
            OR EXISTS (SELECT 1 FROM {ACCOUNT} a WHERE a.id = NEW.account_id AND a.retired_at IS NOT NULL)""",
            "la cuenta está por sellar o retirada",
        ),
        (
            "grant_after_its_review",
            f"EXISTS (SELECT 1 FROM {GRANT} g WHERE g.account_id = NEW.account_id AND g.status = 'ended')",
            "falta la revisión de la emergencia anterior",
        ),
        (
            "grant_cause_is_on_the_list",
            f"NOT EXISTS (SELECT 1 FROM {CAUSE} c WHERE c.id = NEW.cause_id AND c.active)",
            "la causa no está en la lista",
        ),
        (
            "grant_customer_fits",
            f"""NOT EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.id = NEW.customer_id AND c.verified_at IS NOT NULL
            AND c.is_drill = NEW.drill)""",
            "la empresa no está verificada, o un simulacro es en otra",
        ),
        (
            "grant_incident_is_of_its_customer",
            f"""NEW.incident_kind <> 'drill' AND NOT EXISTS (SELECT 1 FROM tickets_ticket t
              WHERE NEW.incident_kind = 'ticket' AND t.number = NEW.incident AND t.customer_id = NEW.customer_id)
            AND NOT EXISTS (SELECT 1 FROM {REQUEST} f
              WHERE NEW.incident_kind = 'request' AND f.folio = NEW.incident AND f.customer_id = NEW.customer_id)""",
            "el incidente es de otra empresa",
        ),
    )
]

_UPDATES = [
    *guards(
        GRANT,
        "UPDATE",
        (
            "grant_facts_stay",
            changed(
                "id folio account_id operator_id operator_name incident_kind incident cause_id customer_id fields"
                " reason minutes_asked requested_at decide_before drill form_key"
            ),
            "lo que se pidió no cambia",
        ),
        ("grant_moves_step_by_step", f"NEW.status <> OLD.status AND NOT ({_EDGE})", "ese paso no existe"),
        (
            "grant_written_once",
            is_written_once(
                "minutes authorized_at start_before credential_id opened_at ends_at entered_at ended_at ended_by_id"
            )
            + " OR (OLD.end_reason <> '' AND NEW.end_reason <> OLD.end_reason)"
            " OR (OLD.ended_at IS NOT NULL AND "
            + changed("end_reason end_note session_key_hash last_seen_at half_a_at half_b_at")
            + ")",
            "la ventana no se alarga ni se cambia",
        ),
        (
            "grant_seen_forward",
            "OLD.last_seen_at IS NOT NULL AND (NEW.last_seen_at IS NULL OR T[NEW.last_seen_at] < T[OLD.last_seen_at])",
            "el último uso no retrocede",
        ),
        (
            "grant_authorized_by_two",
            f"""OLD.status = 'requested' AND NEW.status = 'authorized' AND ((SELECT COUNT(*) FROM {AUTHORIZATION} z
              WHERE z.grant_id = NEW.id AND z.verdict IN ('authorize', 'less')) <> 2
            OR NEW.minutes > (SELECT MIN(z.minutes) FROM {AUTHORIZATION} z WHERE z.grant_id = NEW.id))""",
            "la autorizan dos, por el menor de sus tiempos",
        ),
        (
            "grant_reviewed_by_its_review",
            f"""NEW.status = 'reviewed' AND NOT EXISTS (SELECT 1 FROM {REVIEW} r
            WHERE r.grant_id = NEW.id AND r.signed_at IS NOT NULL)""",
            "falta la firma de la revisión",
        ),
        (
            "grant_halves_apart",
            "NEW.half_a_at ≠ OLD.half_a_at AND NEW.half_b_at ≠ OLD.half_b_at",
            "cada mitad se pone por su lado",
        ),
        (
            "grant_half_by_its_custodian",
            f"""(NEW.half_a_by_id ≠ OLD.half_a_by_id AND NOT EXISTS (SELECT 1 FROM {CREDENTIAL} c
              WHERE c.id = {_LIVE_CREDENTIAL} AND c.custodian_a_id = NEW.half_a_by_id))
            OR (NEW.half_b_by_id ≠ OLD.half_b_by_id AND NOT EXISTS (SELECT 1 FROM {CREDENTIAL} c
              WHERE c.id = {_LIVE_CREDENTIAL} AND c.custodian_b_id = NEW.half_b_by_id))""",
            "cada mitad la pone su custodio",
        ),
        (
            "grant_half_by_control_staff",
            " OR ".join(
                f"""(NEW.half_{half}_by_id IS NOT NULL
                AND (NEW.half_{half}_by_id ≠ OLD.half_{half}_by_id OR T[NEW.half_{half}_at] > T[OLD.half_{half}_at])
                AND NOT {make_control_staff_sql(f"NEW.half_{half}_by_id", f"NEW.half_{half}_at")})"""
                for half in "ab"
            ),
            "cada mitad la pone quien todavía puede guardarla",
        ),
        (
            "grant_halves_while_authorized",
            changed("half_a_at half_b_at half_a_by_id half_b_by_id") + " AND OLD.status <> 'authorized'",
            "las mitades se ponen cuando está autorizada",
        ),
        (
            "grant_opens_with_its_seal",
            f"""OLD.status = 'authorized' AND NEW.status = 'open' AND NOT EXISTS (SELECT 1 FROM {CREDENTIAL} c
            WHERE c.id = NEW.credential_id AND c.id = {_LIVE_CREDENTIAL} AND c.used_at IS NOT NULL
              AND c.custodian_a_id = NEW.half_a_by_id AND c.custodian_b_id = NEW.half_b_by_id
              AND T[NEW.half_a_at] >= T[c.started_at] AND T[NEW.half_b_at] >= T[c.started_at]
              AND NEW.operator_id NOT IN (c.custodian_a_id, c.custodian_b_id)
              AND NOT EXISTS (SELECT 1 FROM {AUTHORIZATION} z WHERE z.grant_id = NEW.id
                AND z.authorizer_id IN (c.custodian_a_id, c.custodian_b_id)))""",
            "se abre con las dos mitades del sello de la cuenta, de quienes ni la usan ni la autorizan",
        ),
        (
            "grant_opened_when_both_halves_were",
            """OLD.status = 'authorized' AND NEW.status = 'open'
            AND (T[NEW.opened_at] < T[NEW.half_a_at] OR T[NEW.opened_at] < T[NEW.half_b_at])""",
            "se abre cuando están las dos mitades",
        ),
    )
]
_OPENS = "OLD.status = 'authorized' AND NEW.status = 'open'"
_IS_AUTHORIZED = "OLD.status = 'requested' AND NEW.status = 'authorized'"


def _add_condition(condition: str, comparison: tuple[str, str]) -> tuple[str, str]:
    """Return SQL (SQLite, PostgreSQL) that is true if both this condition and this comparison are true."""
    sqlite, postgresql = (f"{condition} AND ({sql})" for sql in comparison)
    return sqlite, postgresql


_TIMES = [
    Guard(
        "grant_window_as_authorized",
        GRANT,
        "UPDATE",
        _make_longer_sql("NEW.ends_at", "NEW.opened_at", "NEW.minutes"),
        "la ventana es más larga que lo autorizado",
    ),
    Guard(
        "grant_half_a_is_fresh",
        GRANT,
        "UPDATE",
        _add_condition(_OPENS, _make_longer_sql("NEW.opened_at", "NEW.half_a_at", str(HALVES_MINUTES))),
        "la mitad A es de hace mucho",
    ),
    Guard(
        "grant_half_b_is_fresh",
        GRANT,
        "UPDATE",
        _add_condition(_OPENS, _make_longer_sql("NEW.opened_at", "NEW.half_b_at", str(HALVES_MINUTES))),
        "la mitad B es de hace mucho",
    ),
    Guard(
        "grant_starts_soon",
        GRANT,
        "UPDATE",
        _add_condition(_IS_AUTHORIZED, _make_longer_sql("NEW.start_before", "NEW.authorized_at", str(START_MINUTES))),
        "se abre poco después de autorizarse",
    ),
    Guard(
        "grant_names_its_fields",
        GRANT,
        "INSERT",
        (_make_wrong_fields_sql(0), _make_wrong_fields_sql(1)),
        "los datos no son de la lista o del alcance de la cuenta",
    ),
]

_HOLDER = "(SELECT o.user_id FROM accounts_roleassignment o WHERE o.id = NEW.assignment_id)"
# Who named the alternate that acts; NULL if it is the officer himself.
_GRANTER = f"(SELECT d.granted_by_id FROM {DELEGATION} d WHERE d.id = NEW.delegation_id)"
_PEOPLE = f"(NEW.authorizer_id, {_HOLDER}, {_GRANTER})"
_OF_GRANT = f"EXISTS (SELECT 1 FROM {GRANT} g WHERE g.id = NEW.grant_id AND {{}})"
_AUTHORIZATIONS = [
    *guards(
        AUTHORIZATION,
        "INSERT",
        (
            "authorization_of_an_open_question",
            "NOT "
            + _OF_GRANT.format(
                """g.status = 'requested' AND T[NEW.decided_at] >= T[g.requested_at]
            AND T[NEW.decided_at] < T[g.decide_before]"""
            ),
            "solo se autoriza lo que se está pidiendo",
        ),
        (
            "authorization_by_office_in_force",
            f"""NOT {is_active("NEW.authorizer_id")} OR NOT EXISTS (SELECT 1 FROM accounts_roleassignment o
            WHERE o.id = NEW.assignment_id AND o.office = NEW.office AND o.ended_by_id IS NULL
              AND T[o.starts_at] <= T[NEW.decided_at] AND (o.ends_at IS NULL OR T[o.ends_at] > T[NEW.decided_at])
              AND ((NEW.delegation_id IS NULL AND o.user_id = NEW.authorizer_id)
                OR EXISTS (SELECT 1 FROM {DELEGATION} d WHERE d.id = NEW.delegation_id
                  AND {make_control_staff_sql("NEW.authorizer_id", "NEW.decided_at")}
                  AND d.alternate_id = NEW.authorizer_id AND d.absent_id = o.user_id AND d.office = NEW.office
                  AND T[d.starts_at] <= T[NEW.decided_at] AND T[d.ends_at] > T[NEW.decided_at]
                  AND (d.ended_at IS NULL OR T[d.ended_at] > T[NEW.decided_at]))))""",
            "quien autoriza no tiene el cargo ni la suplencia",
        ),
        (
            "authorization_not_by_operator",
            _OF_GRANT.format(f"g.operator_id IN {_PEOPLE}"),
            "quien la usa no la autoriza, ni elige quién lo hace",
        ),
        (
            "authorization_not_by_custodian",
            f"""EXISTS (SELECT 1 FROM {GRANT} g JOIN {CREDENTIAL} c ON c.account_id = g.account_id
            WHERE g.id = NEW.grant_id AND c.retired_at IS NULL
              AND NEW.authorizer_id IN (c.custodian_a_id, c.custodian_b_id))""",
            "quien guarda una mitad no la autoriza",
        ),
        (
            "authorization_by_two_people",
            f"""EXISTS (SELECT 1 FROM {AUTHORIZATION} z JOIN accounts_roleassignment p ON p.id = z.assignment_id
            LEFT JOIN {DELEGATION} y ON y.id = z.delegation_id
            WHERE z.grant_id = NEW.grant_id AND (z.authorizer_id IN {_PEOPLE} OR p.user_id IN {_PEOPLE}
              OR y.granted_by_id IN {_PEOPLE}))""",
            "la autorizan dos personas, por dos titulares, y ninguna elige a la otra",
        ),
        (
            "authorization_within_what_was_asked",
            _OF_GRANT.format(
                """(NEW.minutes > g.minutes_asked OR (NEW.verdict = 'authorize' AND NEW.minutes <> g.minutes_asked)
            OR (NEW.verdict = 'less' AND NEW.minutes = g.minutes_asked))"""
            ),
            "se autoriza lo que se pidió, o menos",
        ),
    ),
    *triggers.append_only(AUTHORIZATION, "grant_id, slot", "grant_id, authorizer_id"),
]
GUARDS = [
    *_INSERTS,
    *_UPDATES,
    *_TIMES,
    *triggers.never_deleted(GRANT, "id", "folio", "form_key", "credential_id", message="las emergencias no se borran"),
    *no_replace(
        GRANT,
        "grant_{}_replaces_none",
        f"""EXISTS (SELECT 1 FROM {GRANT} g WHERE g.id ≠ NEW.id AND (g.credential_id = NEW.credential_id
        OR (NEW.status IN ('requested', 'authorized', 'open') AND g.account_id = NEW.account_id
          AND g.status IN ('requested', 'authorized', 'open'))))""",
    ),
    *_AUTHORIZATIONS,
]
