"""Describe triggers as data: one `Guard` is one refusal, one `Recorder` one row written, for SQLite and PostgreSQL.

Every app keeps its guards in `guards.py` (`settings.GUARDS` lists them); `core.guard_install` writes them into the
database after the last migration and compares them with what the database holds.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """Describe one trigger: `when` is the SQL condition under which a row is refused, `message` is the refusal's text.

    `when` is one text for both engines, or a (sqlite, postgresql) pair where they differ.
    """

    name: str
    table: str
    event: str  # INSERT, UPDATE, DELETE, or (PostgreSQL only) TRUNCATE
    when: str | tuple[str, str] = ""
    message: str = ""
    engines: tuple[str, ...] = ("sqlite", "postgresql")

    def condition(self, vendor: str) -> str:
        """Return the SQL condition under which the guard refuses a row on this engine; empty means always."""
        if isinstance(self.when, tuple):
            return self.when[0] if vendor == "sqlite" else self.when[1]
        return self.when

    def trigger(self, vendor: str) -> str:
        """Return the CREATE TRIGGER statement exactly as this engine stores it, so that we can compare the texts."""
        head = f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH"
        if vendor == "postgresql":
            level = "STATEMENT" if self.event == "TRUNCATE" else "ROW"
            return f"{head} {level} EXECUTE FUNCTION {self.name}_fn()"
        condition = self.condition(vendor)
        when = f"WHEN {condition} " if condition else ""
        return f"{head} ROW {when}BEGIN SELECT RAISE(ABORT, '{self._refusal}'); END"

    def function_body(self) -> str:
        """Return the body of the PostgreSQL function: it refuses a row, or returns it so that the statement goes on."""
        condition = self.condition("postgresql")
        row = "NEW" if self.event.startswith(("INSERT", "UPDATE")) else "OLD"
        refusal = f"RAISE EXCEPTION '{self._refusal.replace('%', '%%')}' USING ERRCODE = 'check_violation';"
        return f" BEGIN {f'IF {condition} THEN {refusal} END IF;' if condition else refusal} RETURN {row}; END "

    def statements(self, vendor: str, schema: str = "public") -> list[str]:
        """Return the SQL statements that create the guard (trigger) on this engine; `schema` is PostgreSQL's."""
        return _create(self, vendor, schema)

    @property
    def _refusal(self) -> str:
        """Return the text of the refusal, with its name, quoted for SQL."""
        return f"{self.name}: {self.message}".replace("'", "''")


@dataclass(frozen=True)
class Recorder:
    """Describe one trigger that refuses nothing: it runs `statement` after a row was written, if `when` is true.

    Both are SQL, as (sqlite, postgresql) pairs; the statement may read OLD and NEW as the event has them.
    """

    name: str
    table: str
    event: str  # INSERT, UPDATE or DELETE
    when: tuple[str, str]
    statement: tuple[str, str]
    engines: tuple[str, ...] = ("sqlite", "postgresql")

    def condition(self, vendor: str) -> str:
        """Return the SQL condition under which the trigger writes on this engine."""
        return self.when[0] if vendor == "sqlite" else self.when[1]

    def trigger(self, vendor: str) -> str:
        """Return the CREATE TRIGGER statement exactly as this engine stores it, so that we can compare the texts."""
        head = f"CREATE TRIGGER {self.name} AFTER {self.event} ON {self.table} FOR EACH ROW"
        if vendor == "postgresql":
            return f"{head} EXECUTE FUNCTION {self.name}_fn()"
        return f"{head} WHEN {self.condition(vendor)} BEGIN {self.statement[0]}; END"  # [0] is for SQLite

    def function_body(self) -> str:
        """Return the body of the PostgreSQL function: it writes, if the condition is true."""
        return f" BEGIN IF {self.condition('postgresql')} THEN {self.statement[1]}; END IF; RETURN NULL; END "

    def statements(self, vendor: str, schema: str = "public") -> list[str]:
        """Return the SQL statements that create the trigger on this engine; `schema` is PostgreSQL's."""
        return _create(self, vendor, schema)


def append_only(
    table: str, *unique: str, key: str = "id", update: str = "append-only", delete: str = "append-only"
) -> list[Guard]:
    """Return the guards of a table whose rows never change: no UPDATE, DELETE, TRUNCATE or INSERT OR REPLACE.

    `unique` lists the unique keys besides `key`, each as comma-separated columns ("chain, seq"). `update` and `delete`
    are the texts of the refusals.
    """
    no_update = Guard(f"{table}_no_update", table, "UPDATE", message=update)
    return [no_update, *never_deleted(table, key, *unique, message=delete)]


def never_deleted(table: str, *keys: str, message: str) -> list[Guard]:
    """Return the guards of a table whose rows stay: no DELETE, TRUNCATE or INSERT OR REPLACE over one of the `keys`."""
    no_delete = Guard(f"{table}_no_delete", table, "DELETE", message=message)
    return [no_delete, no_truncate(table), no_replace(table, *keys)]


def no_truncate(table: str) -> Guard:
    """Return the guard that refuses TRUNCATE, which row triggers of PostgreSQL do not see. SQLite has no TRUNCATE."""
    return Guard(f"{table}_no_truncate", table, "TRUNCATE", message="append-only", engines=("postgresql",))


def no_replace(table: str, *unique: str) -> Guard:
    """Return the guard that makes SQLite refuse an INSERT if a row has the same value in one of the `unique` keys.

    SQLite's INSERT OR REPLACE would delete that row without running its DELETE triggers. PostgreSQL needs no guard for
    this, because its ON CONFLICT runs the UPDATE triggers.
    """
    # One EXISTS for each key: with one OR over all keys SQLite may scan the table at each insert.
    taken = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {_match_key(key)})" for key in unique)
    return Guard(f"{table}_no_replace", table, "INSERT", when=taken, message="row exists", engines=("sqlite",))


def _match_key(key: str) -> str:
    """Return the SQL condition that a row has the same key as the new one; `key` is its columns ("chain, seq")."""
    return " AND ".join(f"{column.strip()} = NEW.{column.strip()}" for column in key.split(","))


def _create(trigger: Guard | Recorder, vendor: str, schema: str) -> list[str]:
    """Return the SQL statements that create a trigger, and on PostgreSQL its function.

    The function names its own search path with the temporary tables last: otherwise PostgreSQL searches them first, and
    a guard would read a temporary table of the same name in place of ours.
    """
    if vendor == "sqlite":
        return [trigger.trigger(vendor)]
    function = f"CREATE OR REPLACE FUNCTION {trigger.name}_fn() RETURNS trigger AS $${trigger.function_body()}$$"
    return [f"{function} LANGUAGE plpgsql SET search_path = {schema}, pg_temp", trigger.trigger(vendor)]
