"""Name the tables of packages for the SQL of the guards, and the conditions that several guards share."""

from change_requests.guards.sql_terms import is_active, make_office_sql
from factureya.core.guard_terms import last_event_is

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

# The SQL condition that the last event of a package is that its original is in use again, by the change of this folio.
RETURNED = last_event_is("'package:' || {package}", "package.original_in_use", "DATA[folio] = {folio}")


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


def is_released_copy_of_older_version(copy: str, package: str) -> str:
    """Return the SQL condition that a copy was released, and is of a version that this package replaces.

    It may be the version before, or any one before that. Both arguments are SQL, such as columns of the new row.
    """
    return f"""EXISTS (WITH RECURSIVE older(id) AS (
        SELECT p.replaces_id FROM {PACKAGE} p WHERE p.id = {package}
        UNION SELECT p.replaces_id FROM {PACKAGE} p JOIN older ON p.id = older.id)
      SELECT 1 FROM {COPY} k JOIN older ON older.id = k.package_id JOIN {CHANGE} c ON c.id = k.change_id
      WHERE k.id = {copy} AND c.status IN ('released', 'reverted'))"""


def is_written_once(columns: str) -> str:
    """Return the SQL condition of the violation: one of these columns ("a b") has a value and gets another one."""
    rewritten = (f"(OLD.{name} IS NOT NULL AND NEW.{name} ≠ OLD.{name})" for name in columns.split())
    return "(" + " OR ".join(rewritten) + ")"


def is_text_written_once(columns: str) -> str:
    """Return the SQL condition of the violation: one of these texts ("a b") is not empty and gets another one."""
    return "(" + " OR ".join(f"(OLD.{name} <> '' AND NEW.{name} ≠ OLD.{name})" for name in columns.split()) + ")"
