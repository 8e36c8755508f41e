"""Write a guard's condition once for both engines, in SQL with a few terms of our own, and share its parts.

A condition that is unknown (NULL) lets a row pass: hence every «NOT EXISTS (…)».
"""

from accounts.models import CONTROL_OFFICES
from factureya.core import guard_terms
from factureya.core.guard_terms import changed, guards
from factureya.core.triggers import Guard

__all__ = ["changed", "guards"]  # of core's, for the modules beside this one

REQUEST = "change_requests_formalrequest"
REVISION = "change_requests_requestrevision"
ASSET = "change_requests_informationasset"
OWNERSHIP = "change_requests_assetownership"
REQUESTED = "change_requests_requestedasset"
EVIDENCE = "change_requests_evidence"
DECISION = "change_requests_decision"
SLOT = "change_requests_decisionslot"
CLARIFICATION = "change_requests_clarification"
MAIL_TEXT = "change_requests_mailtext"
MAIL_FILE = "change_requests_mailtextfile"
RECEIVED_FORM = "change_requests_receivedform"
WAIVER = "change_requests_waiver"
EXECUTION = "change_requests_execution"
CUSTOMER = "accounts_customer"
CONTACT = "accounts_contact"
USER = "accounts_user"
REPRESENTATIVE = "accounts_representative"
EMERGENCY_GRANT = "change_requests_emergencygrant"
EMERGENCY_CHANGE = "change_requests_emergencychange"

# The same thing on SQLite and on PostgreSQL. `i` is an item of the payload of the revision `r` (or of NEW).
_TERMS = {
    **{
        f"ITEMS({row})": (
            f"json_each({row}.payload, '$.items') AS i",
            f"jsonb_array_elements({row}.payload::jsonb -> 'items') AS i(value)",
        )
        for row in ("r", "NEW")
    },
    **{
        f"I.{key}": (f"json_extract(i.value, '$.{key}')", f"(i.value ->> '{key}')")
        for key in ("asset", "field", "old", "new")
    },
    "FIELD_IN(a)": (
        "EXISTS (SELECT 1 FROM json_each(a.fields) AS n WHERE n.value = json_extract(i.value, '$.field'))",
        "a.fields @> to_jsonb(i.value ->> 'field')",
    ),
    "EXECUTING": (
        "(SELECT request_id FROM change_requests_executioncontext)",
        "NULLIF(current_setting('factureya.execution', true), '')::bigint",
    ),
    "ACTING": (
        "(SELECT grant_id FROM change_requests_emergencycontext)",
        "NULLIF(current_setting('factureya.emergency', true), '')::bigint",
    ),
    "DATABASE_NOW": ("julianday('now')", "clock_timestamp()"),  # to be compared with T[…]
    "TOLD(v)": ("json_extract(v.data, '$.sha256')", "(v.data ->> 'sha256')"),
    "NAMED_BY(g)": (
        "EXISTS (SELECT 1 FROM json_each(g.fields) AS n WHERE n.value = NEW.field)",
        "g.fields @> to_jsonb(NEW.field::text)",
    ),
    "HASH(NEW.payload)": (  # the first is Django's; any other shell has none and is refused
        "SHA256(NEW.payload)",
        "encode(sha256(convert_to(NEW.payload, 'UTF8')), 'hex')",
    ),
    **{
        f"CONTENT({key})": (f"json_extract(NEW.payload, '$.{key}')", f"(NEW.payload::jsonb ->> '{key}')")
        for key in ("folio", "form", "kind")
    },
    "EFFECTIVE(r)": ("json_extract(r.payload, '$.effective_date')", "(r.payload::jsonb ->> 'effective_date')"),
}

# The window of the emergency `g` is not over, whatever instant the program says. Tests and the demo move its clock, so
# the database's is asked for the end alone, and not of a drill: the demo's are of the past, on an invented company.
IN_ITS_WINDOW = "(g.drill OR DATABASE_NOW < T[g.ends_at])"


def translate(guard: Guard) -> Guard:
    """Return the guard with our terms, such as ITEMS(r), replaced: one condition for SQLite and one for PostgreSQL."""
    return guard_terms.translate(guard, _TERMS)


def no_replace(table: str, name: str, when: str, events: str = "INSERT UPDATE") -> list[Guard]:
    """Return SQLite's guards against OR REPLACE, which would delete another row that has the same unique key.

    The key is unique only among some rows. `when` is an SQL condition, true if one of these rows already has the new
    row's key. `name` contains `{}`, which is replaced by the event.
    """
    return [
        Guard(name.format(event.lower()), table, event, when=when, message="row exists", engines=("sqlite",))
        for event in events.split()
    ]


def make_office_sql(user: str, office: str, at: str) -> str:
    """Return the SQL condition that a person holds the office at an instant and nobody ended the assignment.

    `user` and `at` are SQL, such as columns of the new row.
    """
    return f"""EXISTS (SELECT 1 FROM accounts_roleassignment o WHERE o.user_id = {user} AND o.office = '{office}'
        AND o.ended_by_id IS NULL AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))"""


def make_control_staff_sql(user: str, at: str) -> str:
    """Return the SQL condition that a person is active staff of mesa de control at an instant, and not of Desarrollo.

    Only such people keep one of the two halves of a critical password, or replace an officer (M22, M23). Auditoría is
    not among them, because it has no other office. `user` and `at` are SQL, such as columns of the new row.
    """
    offices = ", ".join(f"'{office}'" for office in sorted(CONTROL_OFFICES))
    return f"""(EXISTS (SELECT 1 FROM accounts_user u JOIN accounts_roleassignment o ON o.user_id = u.id
        WHERE u.id = {user} AND u.is_active AND u.is_staff AND o.office IN ({offices}) AND o.ended_by_id IS NULL
          AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))
        AND NOT {make_office_sql(user, "developer", at)})"""


def is_active(user: str) -> str:
    """Return the SQL condition that the person's account is active."""
    return f"EXISTS (SELECT 1 FROM accounts_user u WHERE u.id = {user} AND u.is_active)"


def of_the_request(condition: str) -> str:
    """Return SQL that is true if the request of the new row, called `f`, meets this condition."""
    return f"EXISTS (SELECT 1 FROM {REQUEST} f WHERE f.id = NEW.request_id AND {condition})"


def make_decider_sql(decision: str, at: str) -> str:
    """Return the SQL condition that the person who took a decision is active and holds the decision's office.

    `decision` is SQL for the decision's key, `at` for when he must hold the office. `guard_terms` makes T[…] into SQL.
    """
    return f"""EXISTS (SELECT 1 FROM {DECISION} d JOIN accounts_user u ON u.id = d.decider_id
        JOIN accounts_roleassignment o ON o.user_id = u.id
        WHERE d.id = {decision} AND u.is_active AND o.ended_by_id IS NULL
          AND o.office = CASE d.office WHEN 'owner' THEN 'information_owner' ELSE 'security_officer' END
          AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))"""
