"""Write a guard's condition once for both engines, and share the parts of which conditions are made.

A condition that is unknown (NULL) lets a row pass: hence every «NOT EXISTS (…)».
"""

from factureya.core.triggers import Guard

REQUEST = "change_requests_formalrequest"
REVISION = "change_requests_requestrevision"
ASSET = "change_requests_informationasset"
REQUESTED = "change_requests_requestedasset"
EVIDENCE = "change_requests_evidence"
DECISION = "change_requests_decision"
SLOT = "change_requests_decisionslot"
CLARIFICATION = "change_requests_clarification"
MAIL_TEXT = "change_requests_mailtext"
MAIL_FILE = "change_requests_mailtextfile"
WAIVER = "change_requests_waiver"
EXECUTION = "change_requests_execution"
CUSTOMER = "accounts_customer"
CONTACT = "accounts_contact"
USER = "accounts_user"
REPRESENTATIVE = "accounts_representative"

# The same thing on SQLite and on PostgreSQL. `i` is an item of the payload of the revision `r` (or of NEW).
_NOTATION = {
    "≠": ("IS NOT", "IS DISTINCT FROM"),
    "ITEMS(r)": (
        "json_each(r.payload, '$.items') AS i",
        "jsonb_array_elements(r.payload::jsonb -> 'items') AS i(value)",
    ),
    "ITEMS(NEW)": (
        "json_each(NEW.payload, '$.items') AS i",
        "jsonb_array_elements(NEW.payload::jsonb -> 'items') AS i(value)",
    ),
    "I.asset": ("json_extract(i.value, '$.asset')", "(i.value ->> 'asset')"),
    "I.field": ("json_extract(i.value, '$.field')", "(i.value ->> 'field')"),
    "I.old": ("json_extract(i.value, '$.old')", "(i.value ->> 'old')"),
    "I.new": ("json_extract(i.value, '$.new')", "(i.value ->> 'new')"),
    "FIELD_IN(a)": (
        "EXISTS (SELECT 1 FROM json_each(a.fields) AS n WHERE n.value = json_extract(i.value, '$.field'))",
        "a.fields @> to_jsonb(i.value ->> 'field')",
    ),
    "EXECUTING": (
        "(SELECT request_id FROM change_requests_executioncontext)",
        "NULLIF(current_setting('factureya.execution', true), '')::bigint",
    ),
    "HASH(NEW.payload)": (  # the first is Django's; any other shell has none and is refused
        "SHA256(NEW.payload)",
        "encode(sha256(convert_to(NEW.payload, 'UTF8')), 'hex')",
    ),
    "CONTENT(folio)": ("json_extract(NEW.payload, '$.folio')", "(NEW.payload::jsonb ->> 'folio')"),
    "CONTENT(form)": ("json_extract(NEW.payload, '$.form')", "(NEW.payload::jsonb ->> 'form')"),
    "CONTENT(kind)": ("json_extract(NEW.payload, '$.kind')", "(NEW.payload::jsonb ->> 'kind')"),
    "EFFECTIVE(r)": ("json_extract(r.payload, '$.effective_date')", "(r.payload::jsonb ->> 'effective_date')"),
}


def both(condition: str) -> tuple[str, str]:
    """Return the condition for SQLite and for PostgreSQL, with each term of _NOTATION replaced."""
    sqlite = postgresql = condition
    for word, (first, second) in _NOTATION.items():
        sqlite, postgresql = sqlite.replace(word, first), postgresql.replace(word, second)
    return _instants(sqlite, "julianday({})"), _instants(postgresql, "{}")


def _instants(condition: str, form: str) -> str:
    """Replace T[x] by `form` of x: an instant to compare, on SQLite a number, because its text has several forms."""
    while "T[" in condition:
        before, _, rest = condition.partition("T[")
        name, _, after = rest.partition("]")
        condition = before + form.format(name) + after
    return condition


def changed(*columns: str) -> str:
    """Return a condition: true if any of these columns changes, to or from NULL included."""
    return "(" + " OR ".join(f"NEW.{column} ≠ OLD.{column}" for column in columns) + ")"


def guard(name: str, table: str, event: str, when: str, message: str) -> Guard:
    """Return a guard for both engines."""
    return Guard(name, table, event, when=both(when), message=message)


def no_replace(table: str, name: str, event: str, when: str) -> Guard:
    """Return a guard for SQLite against INSERT OR REPLACE and UPDATE OR REPLACE over a conditional unique key."""
    return Guard(name, table, event, when=both(when)[0], message="row exists", engines=("sqlite",))


def holds(user: str, office: str, at: str) -> str:
    """Return a condition: true if the person holds the office at that instant; an ended assignment never counts."""
    return f"""EXISTS (SELECT 1 FROM accounts_roleassignment o WHERE o.user_id = {user} AND o.office = '{office}'
        AND o.ended_by_id IS NULL AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))"""


def is_active(user: str) -> str:
    """Return a condition: true if the person's account is active."""
    return f"EXISTS (SELECT 1 FROM accounts_user u WHERE u.id = {user} AND u.is_active)"


def local_day(instant: str) -> tuple[str, str]:
    """Return SQL for the day of an instant in Mexico City, per engine, as YYYY-MM-DD text.

    SQLite subtracts six hours: the country has had no summer time since 2022.
    """
    return (f"date({instant}, '-6 hours')", f"to_char({instant} AT TIME ZONE 'America/Mexico_City', 'YYYY-MM-DD')")


def by_engine(pair: tuple[str, str], **parts: tuple[str, str]) -> tuple[str, str]:
    """Return the condition of each engine with every `<part>` replaced by that engine's own text."""
    sqlite, postgresql = pair
    for name, (first, second) in parts.items():
        sqlite = sqlite.replace(f"<{name}>", first)
        postgresql = postgresql.replace(f"<{name}>", second)
    return sqlite, postgresql


def of_the_request(that: str) -> str:
    """Return a condition: true if the request `f` of the new row meets `that`."""
    return f"EXISTS (SELECT 1 FROM {REQUEST} f WHERE f.id = NEW.request_id AND {that})"


def decider_in_office(decision: str, at: str) -> str:
    """Return a condition: true if whoever took the decision is active and holds its office at that instant."""
    return f"""EXISTS (SELECT 1 FROM {DECISION} d JOIN accounts_user u ON u.id = d.decider_id
        JOIN accounts_roleassignment o ON o.user_id = u.id
        WHERE d.id = {decision} AND u.is_active AND o.ended_by_id IS NULL
          AND o.office = CASE d.office WHEN 'owner' THEN 'information_owner' ELSE 'security_officer' END
          AND T[o.starts_at] <= T[{at}] AND (o.ends_at IS NULL OR T[o.ends_at] > T[{at}]))"""
