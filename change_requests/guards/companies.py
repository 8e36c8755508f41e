"""Guard what only an execution, or the one change of an open emergency, writes: data of verified companies (M1)."""

from change_requests.guards.sql_terms import (
    CONTACT,
    CUSTOMER,
    EMERGENCY_CHANGE,
    EMERGENCY_GRANT,
    EXECUTION,
    IN_ITS_WINDOW,
    REPRESENTATIVE,
    REQUEST,
    REVISION,
    USER,
    changed,
    no_replace,
)
from change_requests.kinds import fields
from factureya.core import triggers
from factureya.core.triggers import Guard


def _make_approval_sql(customer: str, item_condition: str) -> str:
    """Return an SQL condition for a trigger: the request being executed is an approved change of this customer.

    `customer` is SQL for the customer's key. `item_condition` is SQL that one item (change) of the request must meet.
    The row of the execution must exist already. Three terms stand for SQL that `translate` puts in: ITEMS(r) for all
    items of the version `r`, I for one item, and EXECUTING for the key of the request being executed.
    """
    return f"""EXISTS (SELECT 1 FROM {REQUEST} f JOIN {REVISION} r ON r.request_id = f.id AND r.no = f.revision_no
        JOIN {EXECUTION} e ON e.request_id = f.id AND e.result = 'ok' AND e.sha256 = r.sha256, ITEMS(r)
        WHERE f.id = EXECUTING AND f.status = 'approved' AND f.form = 'change' AND f.suspended_at IS NULL
          AND f.customer_id = {customer} AND {item_condition})"""


def _make_emergency_sql(field: str) -> str:
    """Return an SQL condition for a trigger: the emergency that writes now is open, and its last change is this one.

    "This one" is the change of the column `field` from OLD to NEW; its row must exist already, with none after it.
    ACTING stands for the key of the emergency that is marked as the one that writes now.
    """
    return f"""EXISTS (SELECT 1 FROM {EMERGENCY_CHANGE} x JOIN {EMERGENCY_GRANT} g ON g.id = x.grant_id
        WHERE g.id = ACTING AND g.status = 'open' AND {IN_ITS_WINDOW}
          AND g.customer_id = OLD.id AND x.customer_id = OLD.id
          AND x.field = '{field}' AND x.old = OLD.{field} AND x.new = NEW.{field}
          AND NOT EXISTS (SELECT 1 FROM {EMERGENCY_CHANGE} y WHERE y.grant_id = g.id AND y.id > x.id))"""


def _make_line_sql(alias: str) -> str:
    """Return SQL for the representative in the row `alias` as one text, like `compose_line`; ISO[…] writes a date."""
    texts = " || ' | ' || ".join(f"{alias}.{name}" for name in ("name", "rfc", "email", "power_kind", "instrument"))
    return f"{texts} || ' | ' || ISO[{alias}.valid_from] || ' | ' || COALESCE(ISO[{alias}.valid_until], '')"


_VERIFIED = f"EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.id = {{customer}} AND c.verified_at IS NOT NULL)"
_UNAPPROVED = " OR ".join(
    f"""(NEW.{name} ≠ OLD.{name} AND NOT {
        _make_approval_sql("OLD.id", f"I.field = '{name}' AND I.old = OLD.{name} AND I.new = NEW.{name}")
    } AND NOT {_make_emergency_sql(name)})"""
    for name in fields.COLUMNS
)
_EARLY = f"""OLD.verified_at IS NOT NULL AND NEW.suspended_at IS NOT NULL AND {changed("suspended_at")}
    AND NOT {_make_approval_sql("OLD.id", "NEW.status <> OLD.status AND DAY[NEW.suspended_at] >= EFFECTIVE(r)")}
    AND NOT {_make_emergency_sql("status")}"""
_REPRESENTATIVE_FACTS = (
    "id customer_id name rfc email power_kind instrument valid_from valid_until document_id verified_by_id verified_at"
)
_OPEN_REPRESENTATIVE = f"""EXISTS (SELECT 1 FROM {REPRESENTATIVE} p WHERE p.customer_id = NEW.customer_id
    AND p.user_id = NEW.user_id AND p.revoked_at IS NULL)"""
_OTHERS_MAIL = """NEW.user_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accounts_user u
    WHERE u.id = NEW.user_id AND lower(u.email) = lower(NEW.email))"""
_BY_EXECUTION = "los datos de una empresa verificada solo cambian al ejecutar una solicitud aprobada"

GUARDS = [
    Guard(
        "customer_sensitive_by_execution",
        CUSTOMER,
        "UPDATE",
        f"OLD.verified_at IS NOT NULL AND ({_UNAPPROVED})",
        _BY_EXECUTION,
    ),
    Guard("customer_suspended_from_its_day", CUSTOMER, "UPDATE", when=_EARLY, message=_BY_EXECUTION),
    Guard(
        "customer_verified_is_final",
        CUSTOMER,
        "UPDATE",
        f"""NEW.id <> OLD.id OR (OLD.verified_at IS NOT NULL AND {changed("verified_at verified_by_id")})""",
        "una empresa verificada lo es para siempre",
    ),
    Guard("customer_no_delete", CUSTOMER, "DELETE", message="las empresas no se borran"),
    triggers.no_truncate(CUSTOMER),
    triggers.no_replace(CUSTOMER, "id", "form_key"),
    *no_replace(
        CUSTOMER,
        "customer_{}_replaces_none",
        f"""EXISTS (SELECT 1 FROM {CUSTOMER} c WHERE c.form_key = NEW.form_key AND c.id ≠ NEW.id)
                OR (NEW.verified_at IS NOT NULL AND EXISTS (SELECT 1 FROM {CUSTOMER} c
                  WHERE c.rfc = NEW.rfc AND c.verified_at IS NOT NULL AND c.id ≠ NEW.id))""",
    ),
    Guard(
        "representative_by_execution",
        REPRESENTATIVE,
        "INSERT",
        (
            f"{_VERIFIED.format(customer='NEW.customer_id')} AND NOT "
            + _make_approval_sql(
                "NEW.customer_id", f"I.field = '{fields.REPRESENTATIVE.code}' AND I.new = {_make_line_sql('NEW')}"
            )
        ),
        _BY_EXECUTION,
    ),
    Guard(
        "representative_revoked_by_execution",
        REPRESENTATIVE,
        "UPDATE",
        (
            f"{changed('revoked_at revoked_by_id')} AND {_VERIFIED.format(customer='OLD.customer_id')} AND NOT "
            + _make_approval_sql(
                "OLD.customer_id", f"I.field = '{fields.REPRESENTATIVE.code}' AND I.old = {_make_line_sql('OLD')}"
            )
        ),
        _BY_EXECUTION,
    ),
    Guard(
        "representative_is_only_revoked",
        REPRESENTATIVE,
        "UPDATE",
        (
            changed(_REPRESENTATIVE_FACTS)
            + " OR (OLD.user_id IS NOT NULL AND NEW.user_id ≠ OLD.user_id)"
            + " OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at ≠ OLD.revoked_at)"
        ),
        "un representante se revoca, y nada más",
    ),
    Guard("representative_insert_has_its_mail", REPRESENTATIVE, "INSERT", _OTHERS_MAIL, "la cuenta es de otro correo"),
    Guard("representative_update_has_its_mail", REPRESENTATIVE, "UPDATE", _OTHERS_MAIL, "la cuenta es de otro correo"),
    Guard("representative_no_delete", REPRESENTATIVE, "DELETE", message="los representantes no se borran"),
    triggers.no_truncate(REPRESENTATIVE),
    triggers.no_replace(REPRESENTATIVE, "id"),
    *no_replace(
        REPRESENTATIVE,
        "representative_{}_replaces_none",
        f"""NEW.revoked_at IS NULL AND EXISTS (SELECT 1 FROM {REPRESENTATIVE} p
                WHERE p.customer_id = NEW.customer_id AND p.revoked_at IS NULL AND p.id ≠ NEW.id
                  AND (p.email = NEW.email OR p.user_id = NEW.user_id))""",
    ),
    Guard(  # who is shown, and mailed, as the representative is one
        "contact_represents_with_powers",
        CONTACT,
        "UPDATE",
        f"""NEW.role = 'representative' AND {changed("role user_id customer_id")}
            AND {_VERIFIED.format(customer="NEW.customer_id")} AND NOT {_OPEN_REPRESENTATIVE}""",
        _BY_EXECUTION,
    ),
    Guard(  # a verified company has one from its first day; only tests make some that never had any
        "contact_comes_with_powers",
        CONTACT,
        "INSERT",
        f"""NEW.role = 'representative' AND {_VERIFIED.format(customer="NEW.customer_id")}
            AND EXISTS (SELECT 1 FROM {REPRESENTATIVE} p WHERE p.customer_id = NEW.customer_id)
            AND NOT {_OPEN_REPRESENTATIVE}""",
        _BY_EXECUTION,
    ),
    triggers.no_replace(CONTACT, "id", "user_id"),
    Guard(  # with it go the password's reset and the word of a mail
        "contact_keeps_the_mail",
        USER,
        "UPDATE",
        f"NEW.email ≠ OLD.email AND EXISTS (SELECT 1 FROM {CONTACT} c WHERE c.user_id = OLD.id)",
        "el correo de un contacto cambia por baja y alta",
    ),
    triggers.no_replace(USER, "id", "email"),
]
