"""Guard emergency accounts at rest, their causes, their sealed passwords and the delegations (M22, M23)."""

from change_requests.emergency.guards.tables import ACCOUNT, CAUSE, CREDENTIAL, DELEGATION, GRANT
from change_requests.guards.sql_terms import (
    changed,
    guards,
    is_active,
    make_control_staff_sql,
    make_office_sql,
    no_replace,
)
from factureya.core import triggers
from factureya.core.triggers import Guard

USER = "accounts_user"
_EMERGENCY_USER = f"EXISTS (SELECT 1 FROM {USER} u WHERE u.id = NEW.user_id AND u.is_emergency)"
_SUPERUSER = f"EXISTS (SELECT 1 FROM {USER} u WHERE u.id = {{}} AND u.is_active AND u.is_superuser)"


def is_written_once(columns: str) -> str:
    """Return SQL that is true if one of these columns ("a b c") already has a value and now gets another one."""
    rewritten = (f"(OLD.{name} IS NOT NULL AND NEW.{name} ≠ OLD.{name})" for name in columns.split())  # or gets NULL
    return "(" + " OR ".join(rewritten) + ")"


def _holds(user: str, office: str, at: str) -> str:
    """Return the SQL condition that an active person holds the office at an instant."""
    return f"({is_active(user)} AND {make_office_sql(user, office, at)})"


_ACCOUNTS = [
    *guards(
        ACCOUNT,
        "INSERT",
        ("emergency_account_has_its_user", f"NOT {_EMERGENCY_USER}", "la cuenta es de un usuario de emergencia"),
        ("emergency_account_born_in_use", "NEW.retired_at IS NOT NULL", "una cuenta no nace retirada"),
    ),
    *guards(
        ACCOUNT,
        "UPDATE",
        (
            "emergency_account_facts_stay",
            changed("id alias user_id purpose scope created_by_id created_at"),
            "los datos de la cuenta no cambian",
        ),
        (
            "emergency_account_retired_stays",
            is_written_once("retired_at retired_by_id"),
            "una cuenta retirada lo es para siempre",
        ),
        (
            "emergency_account_retires_at_rest",
            f"""NEW.retired_at IS NOT NULL AND (EXISTS (SELECT 1 FROM {GRANT} g
              WHERE g.account_id = NEW.id AND g.status IN ('requested', 'authorized', 'open'))
            OR EXISTS (SELECT 1 FROM {CREDENTIAL} c WHERE c.account_id = NEW.id AND c.retired_at IS NULL))""",
            "la cuenta tiene una emergencia en curso o un sello",
        ),
    ),
    *triggers.never_deleted(ACCOUNT, "id", "alias", "user_id", message="las cuentas de emergencia no se borran"),
    Guard(
        "user_emergency_is_final",
        USER,
        "UPDATE",
        "NEW.is_emergency ≠ OLD.is_emergency",
        "una cuenta de emergencia lo es para siempre, y ninguna otra lo llega a ser",
    ),
    Guard(
        "office_not_of_emergency_account",
        "accounts_roleassignment",
        "INSERT",
        _EMERGENCY_USER,
        "una cuenta de emergencia no tiene cargos",
    ),
    Guard(
        "contact_not_of_emergency_account",
        "accounts_contact",
        "INSERT",
        _EMERGENCY_USER,
        "una cuenta de emergencia no es contacto de nadie",
    ),
    Guard(
        "customer_drill_is_final",
        "accounts_customer",
        "UPDATE",
        "NEW.is_drill ≠ OLD.is_drill",
        "un cliente es de simulacro desde que existe, o nunca",
    ),
]

_CAUSES = [
    *guards(
        CAUSE,
        "INSERT",
        (
            "cause_kept_by_security",
            f"NOT NEW.active OR NOT {_holds('NEW.kept_by_id', 'security_officer', 'NEW.created_at')}",
            "las causas las agrega Seguridad",
        ),
    ),
    *guards(
        CAUSE,
        "UPDATE",
        ("cause_facts_stay", changed("id code title procedure kept_by_id created_at"), "una causa no cambia"),
        (
            "cause_ended_stays",
            "(NOT OLD.active AND NEW.active) OR " + is_written_once("ended_at ended_by_id"),
            "una causa termina una vez",
        ),
        (
            "cause_ended_by_security",
            f"OLD.active AND NOT NEW.active AND NOT {_holds('NEW.ended_by_id', 'security_officer', 'NEW.ended_at')}",
            "las causas las termina Seguridad",
        ),
    ),
    *triggers.never_deleted(CAUSE, "id", "code", message="las causas no se borran"),
]

_CREDENTIALS = [
    *guards(
        CREDENTIAL,
        "INSERT",
        (
            "credential_born_empty",
            """NEW.half_a_hash <> '' OR NEW.half_b_hash <> '' OR NEW.revealed_a_at IS NOT NULL
            OR NEW.revealed_b_at IS NOT NULL OR NEW.sealed_a_at IS NOT NULL OR NEW.sealed_b_at IS NOT NULL
            OR NEW.renew_by IS NOT NULL OR NEW.used_at IS NOT NULL OR NEW.retired_at IS NOT NULL OR NEW.tries <> 0""",
            "un sello nace sin mitades",
        ),
        (
            "credential_counts_its_generation",
            f"""NEW.generation <> (SELECT COALESCE(MAX(c.generation), 0) + 1 FROM {CREDENTIAL} c
            WHERE c.account_id = NEW.account_id)""",
            "los sellos se cuentan uno tras otro",
        ),
        (
            "credential_custodians_are_staff",
            f"""NOT {make_control_staff_sql("NEW.custodian_a_id", "NEW.started_at")}
            OR NOT {make_control_staff_sql("NEW.custodian_b_id", "NEW.started_at")}""",
            "los custodios son del personal de mesa de control, activos y no de Desarrollo",
        ),
        (
            "credential_of_an_account_in_use",
            f"EXISTS (SELECT 1 FROM {ACCOUNT} a WHERE a.id = NEW.account_id AND a.retired_at IS NOT NULL)",
            "la cuenta está retirada",
        ),
    ),
    *guards(
        CREDENTIAL,
        "UPDATE",
        (
            "credential_facts_stay",
            changed("id account_id generation custodian_a_id custodian_b_id started_by_id started_at"),
            "un sello no cambia de cuenta ni de custodios",
        ),
        ("credential_retired_stays", "OLD.retired_at IS NOT NULL", "un sello retirado ya no cambia"),
        (
            "credential_halves_written_once",
            "(OLD.half_a_hash <> '' AND NEW.half_a_hash ≠ OLD.half_a_hash)"
            " OR (OLD.half_b_hash <> '' AND NEW.half_b_hash ≠ OLD.half_b_hash) OR "
            + is_written_once("revealed_a_at revealed_b_at sealed_a_at sealed_b_at renew_by"),
            "cada mitad se escribe una vez",
        ),
        (
            "credential_halves_apart",
            "(NEW.half_a_hash ≠ OLD.half_a_hash AND NEW.half_b_hash ≠ OLD.half_b_hash)"
            " OR (NEW.sealed_a_at ≠ OLD.sealed_a_at AND NEW.sealed_b_at ≠ OLD.sealed_b_at)"
            " OR (NEW.half_a_hash <> '' AND NEW.half_a_hash = NEW.half_b_hash)",
            "nadie pone las dos mitades",
        ),
        (
            "credential_used_once",
            is_written_once("used_at") + " OR (OLD.used_at IS NULL AND NEW.used_at IS NOT NULL"
            " AND NEW.retired_at IS NOT NULL)",
            "un sello sirve una vez",
        ),
        (
            "credential_half_by_control_staff",
            " OR ".join(
                f"""(OLD.{step}_{half}_at IS NULL AND NEW.{step}_{half}_at IS NOT NULL
                AND NOT {make_control_staff_sql(f"NEW.custodian_{half}_id", f"NEW.{step}_{half}_at")})"""
                for half in "ab"
                for step in ("revealed", "sealed")
            ),
            "cada mitad la ve y la sella quien todavía puede guardarla",
        ),
        ("credential_tries_go_up", "NEW.tries NOT IN (OLD.tries, OLD.tries + 1)", "los intentos solo se suman"),
        (
            "credential_open_until_its_end",
            f"""OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL AND EXISTS (SELECT 1 FROM {GRANT} g
            WHERE g.credential_id = NEW.id AND g.status = 'open')""",
            "el sello de una emergencia abierta se retira al terminarla",
        ),
    ),
    *triggers.never_deleted(CREDENTIAL, "id", "account_id, generation", message="los sellos no se borran"),
    *no_replace(
        CREDENTIAL,
        "credential_{}_replaces_none",
        f"""NEW.retired_at IS NULL AND EXISTS (SELECT 1 FROM {CREDENTIAL} c
        WHERE c.account_id = NEW.account_id AND c.retired_at IS NULL AND c.id ≠ NEW.id)""",
        "INSERT",
    ),
]

_DELEGATIONS = [
    *guards(
        DELEGATION,
        "INSERT",
        (
            "delegation_of_a_held_office",
            f"""NOT EXISTS (SELECT 1 FROM accounts_roleassignment o WHERE o.user_id = NEW.absent_id
            AND o.office = NEW.office AND o.ended_by_id IS NULL AND T[o.starts_at] <= T[NEW.granted_at]
            AND (o.ends_at IS NULL OR T[o.ends_at] > T[NEW.granted_at]))
            OR NOT {make_control_staff_sql("NEW.alternate_id", "NEW.granted_at")}""",
            "el titular no tiene el cargo, o el suplente no es de mesa de control",
        ),
        (
            "delegation_granted_by_who_may",
            f"""NEW.granted_by_id <> NEW.absent_id AND NOT {_SUPERUSER.format("NEW.granted_by_id")}
            AND NOT {_holds("NEW.granted_by_id", "security_officer", "NEW.granted_at")}""",
            "la otorga el titular, Seguridad o un superusuario",
        ),
        ("delegation_born_whole", "NEW.ended_at IS NOT NULL", "una suplencia no nace terminada"),
    ),
    *guards(
        DELEGATION,
        "UPDATE",
        (
            "delegation_facts_stay",
            changed("id office absent_id alternate_id starts_at ends_at granted_by_id granted_at reason"),
            "una suplencia no cambia",
        ),
        ("delegation_ends_once", is_written_once("ended_at ended_by_id"), "una suplencia termina una vez"),
    ),
    *triggers.never_deleted(DELEGATION, "id", message="las suplencias no se borran"),
]

GUARDS = [*_ACCOUNTS, *_CAUSES, *_CREDENTIALS, *_DELEGATIONS]
