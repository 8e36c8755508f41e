"""Give the program's role of PostgreSQL what it needs and no more: it owns no table and can change none (M26).

With `DATABASE_OWNER_URL` set, `migrate` works as the owner of the tables and ends with these grants. A table whose
guards refuse every UPDATE or DELETE is not granted it either, and TRUNCATE is never granted. The role makes no table
of its own, also no temporary one: PostgreSQL would read it in place of a table of ours that has the same name.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from factureya.core import guard_install
from factureya.core.triggers import Guard

MIGRATIONS = "django_migrations"
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_OWNED = """SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    AND pg_has_role(current_user, relowner, 'USAGE')"""
_MAY_MAKE = """SELECT has_database_privilege(current_database(), 'TEMPORARY'),
    has_schema_privilege(current_schema(), 'CREATE'), has_database_privilege(current_database(), 'CREATE')"""


def list_privileges(table: str, guards: Iterable[Guard]) -> list[str]:
    """Return the program's privileges on a table: all but those that a guard always refuses; on migrations, SELECT."""
    if table == MIGRATIONS:
        return ["SELECT"]
    on_the_table = [guard for guard in guards if guard.table == table]
    refused = {guard.event for guard in on_the_table if not guard.condition("postgresql")}  # "": it refuses every row
    return [name for name in _PRIVILEGES if name not in refused]


def grant(connection: BaseDatabaseWrapper, role: str) -> None:
    """Take every privilege on tables and sequences from `role`, and give it what the program needs: one transaction."""
    quote = connection.ops.quote_name
    guards = [guard for guard in guard_install.guards("postgresql") if isinstance(guard, Guard)]
    tables = [*connection.introspection.django_table_names(only_existing=True), MIGRATIONS]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        schema = guard_install.read_schema(connection)
        database = quote(connection.settings_dict["NAME"])
        for whom in ("PUBLIC", quote(role)):  # who does not own the database gets a warning, and `check` says so too
            cursor.execute(f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM {whom}")
            cursor.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM {whom}")
        for kind in ("TABLES", "SEQUENCES"):
            cursor.execute(f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} FROM {quote(role)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {quote(role)}")
        for table in sorted(tables):
            privileges = ", ".join(list_privileges(table, guards))
            cursor.execute(f"GRANT {privileges} ON {quote(table)} TO {quote(role)}")


def grant_after_migrating(*, using: str, **_options: Any) -> None:
    """Grant the program's role its privileges (`post_migrate`), if another role owns the tables."""
    connection = connections[using]
    program = settings.DATABASES[using]["USER"]
    has_other_owner = bool(settings.DATABASE_OWNER) and settings.DATABASE_OWNER["USER"] != program
    if connection.vendor == "postgresql" and has_other_owner:
        grant(connection, program)


@contextmanager
def as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Run a block as the owner of the tables, if `DATABASE_OWNER_URL` names one; then connect as the program again."""
    owner = settings.DATABASE_OWNER
    if not owner or connection.vendor != "postgresql":
        yield
        return
    program = connection.settings_dict
    login = {key: owner[key] for key in ("USER", "PASSWORD", "HOST", "PORT")}
    connect_as(connection, {**program, **login, "OPTIONS": owner.get("OPTIONS", {})})
    try:
        yield
    finally:
        connect_as(connection, program)


def connect_as(connection: BaseDatabaseWrapper, settings_dict: dict[str, Any]) -> None:
    """Close the connection and its pool; the next statement connects with these settings."""
    connection.close()
    wrapper: Any = connection  # called for PostgreSQL only, whose connection has a pool
    wrapper.close_pool()
    connection.settings_dict = settings_dict


@register(Tags.database, deploy=True)
def check_program_owns_nothing(databases: Any = None, **_options: Any) -> list[CheckMessage]:
    """Return a warning if the program's role of PostgreSQL could get round the guards (triggers).

    It could turn off those of a table that it owns, and hide a table behind one that it makes.
    """
    warnings: list[CheckMessage] = []
    for connection in (connections[alias] for alias in databases or ()):
        if connection.vendor == "postgresql" and (powers := _list_powers(connection)):
            text = f"The program's role «{connection.settings_dict['USER']}» {' and '.join(powers)}."
            hint = "Let another role own them: DATABASE_OWNER_URL (docs/operations.md, Two roles)."
            warnings.append(Warning(text, hint=hint, id="core.W003"))
    return warnings


def _list_powers(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what the role of this connection can do and the program's must not, each as the end of a sentence."""
    with connection.cursor() as cursor:
        cursor.execute(_OWNED)
        (owned,) = cursor.fetchone()
        cursor.execute(_MAY_MAKE)
        makes_temporary, makes_tables, makes_schemas = cursor.fetchone()
    powers = {
        f"owns {owned} tables, so it may alter them": owned,
        "may make temporary tables": makes_temporary,
        "may make tables": makes_tables,
        "may make schemas": makes_schemas,
    }
    return [power for power, is_held in powers.items() if is_held]
