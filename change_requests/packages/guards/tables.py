"""Name the tables of packages for the SQL of the guards, and the conditions that several guards share."""

from change_requests.guards.sql_terms import is_active, make_office_sql

FILE = "change_requests_packagefile"
CHECK = "change_requests_packagefilecheck"
UPLOAD = "change_requests_packageupload"
PACKAGE = "change_requests_supplierpackage"
CHANGE = "change_requests_packagechange"
VERDICT = "change_requests_licenceverdict"
OPTION = "change_requests_maintenanceoption"
IMPACT = "change_requests_impactestimate"
COPY = "change_requests_identifiedcopy"
PORT = "change_requests_packageport"


def make_holder_sql(user: str, at: str, *offices: str) -> str:
    """Return the SQL condition that an active person holds one of the offices at an instant, and is no developer.

    `user` and `at` are SQL, such as columns of the new row.
    """
    held = " OR ".join(make_office_sql(user, office, at) for office in offices)
    return f"({is_active(user)} AND ({held}) AND NOT {make_office_sql(user, 'developer', at)})"


def of_its_change(condition: str) -> str:
    """Return the SQL condition that the change of the new row, called `c`, meets a condition."""
    return f"EXISTS (SELECT 1 FROM {CHANGE} c WHERE c.id = NEW.change_id AND {condition})"


def is_file_of(column: str, kind: str) -> str:
    """Return the SQL condition that a column of the new row names a file of this kind."""
    return f"EXISTS (SELECT 1 FROM {FILE} f WHERE f.id = NEW.{column} AND f.kind = '{kind}')"


def is_written_once(columns: str) -> str:
    """Return the SQL condition of the violation: one of these columns ("a b") has a value and gets another one."""
    rewritten = (f"(OLD.{name} IS NOT NULL AND NEW.{name} ≠ OLD.{name})" for name in columns.split())
    return "(" + " OR ".join(rewritten) + ")"


def is_text_written_once(columns: str) -> str:
    """Return the SQL condition of the violation: one of these texts ("a b") is not empty and gets another one."""
    return "(" + " OR ".join(f"(OLD.{name} <> '' AND NEW.{name} ≠ OLD.{name})" for name in columns.split()) + ")"
