"""The program's role of PostgreSQL owns nothing, works all the same, and can turn no guard off (M26; B11, H12)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from accounts import operations
from accounts.models import Office, RoleAssignment
from change_requests.models import AssetOwnership, FormalRequest
from factureya.core import audit, grants, guard_install
from factureya.core.models import Event
from factureya.core.record import state
from factureya.core.triggers import Guard, append_only
from factureya.testing.people import Cast, make_contact, make_staff, make_superuser, make_user
from factureya.testing.raw_sql import execute, postgres_only
from factureya.testing.request_histories import make
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = pytest.mark.clause("M26")
# Who makes the server of the tests makes this role too: CREATE ROLE factureya_program LOGIN PASSWORD 'factureya'.
PROGRAM = {"USER": "factureya_program", "PASSWORD": "factureya"}
REFUSALS = "permission denied|must be owner|must be able to"
FREE = Guard("free", "thing", "UPDATE", when="NEW.a <> OLD.a")


# -- What is granted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "guards", "verbs"),
    [
        ("thing", [], "SELECT INSERT UPDATE DELETE"),
        ("thing", [FREE], "SELECT INSERT UPDATE DELETE"),
        ("thing", append_only("thing"), "SELECT INSERT"),
        ("other", append_only("thing"), "SELECT INSERT UPDATE DELETE"),
        ("django_migrations", [], "SELECT"),
    ],
)
def test_the_grants_come_from_the_guards(table: str, guards: list[Guard], verbs: str):
    assert grants.list_privileges(table, guards) == verbs.split()


@pytest.mark.parametrize(
    ("table", "verbs"),
    [
        ("core_event", "SELECT INSERT"),
        ("core_chainhead", "SELECT INSERT UPDATE"),
        ("accounts_roleassignment", "SELECT INSERT UPDATE"),
        ("accounts_contact", "SELECT INSERT UPDATE"),
        ("change_requests_assetownership", "SELECT INSERT"),
        ("change_requests_decision", "SELECT INSERT"),
        ("django_session", "SELECT INSERT UPDATE DELETE"),
    ],
)
def test_what_the_program_may_do_to_our_tables(table: str, verbs: str):
    assert grants.list_privileges(table, guard_install.guards("postgresql")) == verbs.split()


@pytest.mark.django_db
def test_without_an_owner_nothing_is_granted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grants, "grant", lambda *_: pytest.fail("granted"))
    grants.grant_after_migrating(using="default")
    monkeypatch.setattr(settings, "DATABASE_OWNER", {"USER": settings.DATABASES["default"]["USER"]})
    grants.grant_after_migrating(using="default")
    before = connection.settings_dict
    monkeypatch.setattr(settings, "DATABASE_OWNER", {})
    with grants.as_owner(connection):
        assert connection.settings_dict is before


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "postgresql", reason="there the tests' own role owns the tables")
def test_sqlite_has_no_roles(settings: Any):
    settings.DATABASE_OWNER = {"USER": "factureya_owner"}
    assert grants.check_program_owns_nothing(databases=["default"]) == []
    grants.grant_after_migrating(using="default")
    with grants.as_owner(connection):
        pass


@pytest.mark.django_db
@postgres_only
def test_deploy_warns_of_a_program_that_owns_tables():
    assert grants.check_program_owns_nothing() == []
    (warning,) = grants.check_program_owns_nothing(databases=["default"])
    assert isinstance(warning, CheckMessage)
    assert (warning.id, "owns" in warning.msg) == ("core.W003", True)
    assert "may make temporary tables" in warning.msg


@pytest.mark.once
def test_b11_compose_gives_the_owners_address_to_migrate_alone():
    compose = (Path(settings.BASE_DIR) / "compose.yaml").read_text()
    roles = (Path(settings.BASE_DIR) / "docs/database-roles.sql").read_text()
    program, owner = "postgres://factureya:${PROGRAM_PASSWORD", "postgres://factureya_owner:${OWNER_PASSWORD"
    migrate = compose.partition("\n  migrate:\n")[2].partition("\n  web:\n")[0]
    assert (compose.count(program), compose.count(owner), migrate.count(owner)) == (1, 1, 1)
    assert 'OWNER_PASSWORD: ""' in compose.partition("services:")[0]  # .env holds it, and every service reads .env
    assert "POSTGRES_USER" not in compose
    assert "./docs/database-roles.sql:/docker-entrypoint-initdb.d/" in compose
    assert "CREATE ROLE factureya_owner LOGIN" in roles
    assert "CREATE DATABASE factureya OWNER factureya_owner" in roles


# -- The program, connected as its own role ----------------------------------------------------------


def can_connect() -> bool:
    address = connection.settings_dict
    try:
        psycopg.connect(
            host=address["HOST"],
            port=address["PORT"],
            user=PROGRAM["USER"],
            password=PROGRAM["PASSWORD"],
            dbname=address["NAME"],
            connect_timeout=3,
        ).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def program(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Migrate as the owner, whose address is in DATABASE_OWNER_URL, and connect as the program's role for the test."""
    if not can_connect():
        pytest.skip("the server of the tests has no role factureya_program")
    owner = dict(connection.settings_dict)  # a copy: it is the very dictionary of the settings
    monkeypatch.setattr(settings, "DATABASE_OWNER", {**owner, "OPTIONS": {}})
    monkeypatch.setitem(settings.DATABASES["default"], "USER", PROGRAM["USER"])
    grants.connect_as(connection, {**owner, **PROGRAM})
    try:
        call_command("migrate", verbosity=0, interactive=False)
        assert execute("SELECT current_user") == [(PROGRAM["USER"],)]
        yield
    finally:
        grants.connect_as(connection, owner)


@pytest.mark.postgres
@pytest.mark.usefixtures("program")
def test_all_works_as_the_programs_role():
    assert grants.check_program_owns_nothing(databases=["default"]) == []
    assert guard_install.differences(connection) == []
    assert guard_install.why_not_ready(connection) == ""
    ticket = make_ticket(Ticket.Status.CLOSED)
    assert ticket.events().count() > 1
    cast = Cast()
    make(cast, FormalRequest.Status.CLOSED)
    make(cast, FormalRequest.Status.CLOSED, FormalRequest.Form.ACCESS, FormalRequest.Kind.ALTA)
    person, root = make_user(), make_superuser()
    held = operations.grant_office(person.pk, office=Office.AUDITOR, actor=root)
    operations.end_office(held.pk, actor=root)
    assert list(audit.find_flaws()) == []
    state.record_missing()
    assert list(state.find_flaws()) == []


RAW = [
    "ALTER TABLE accounts_customer DISABLE TRIGGER USER",
    "ALTER TABLE accounts_roleassignment DISABLE TRIGGER office_never_changes",
    "ALTER TABLE core_event DISABLE TRIGGER ALL",
    "ALTER TABLE accounts_roleassignment ADD COLUMN more text",
    "ALTER TABLE accounts_roleassignment DROP CONSTRAINT office_granted_by_another",
    "ALTER TABLE accounts_roleassignment OWNER TO factureya_program",
    "DROP TRIGGER core_event_no_delete ON core_event",
    "DROP FUNCTION office_never_changes_fn() CASCADE",
    "DROP TABLE core_event CASCADE",
    "DROP INDEX core_event_hash_key",
    "CREATE OR REPLACE FUNCTION office_never_changes_fn() RETURNS trigger AS $$ BEGIN RETURN NEW; END $$ "
    "LANGUAGE plpgsql",
    "CREATE TRIGGER mine BEFORE UPDATE ON core_event FOR EACH ROW EXECUTE FUNCTION office_never_changes_fn()",
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE core_event (id int)",
    "CREATE SCHEMA mine",
    "CREATE RULE mine AS ON UPDATE TO accounts_contact DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "SET ROLE factureya",
    "DELETE FROM core_event",
    "UPDATE core_event SET verb = 'x'",
    "DELETE FROM core_chainhead",
    "TRUNCATE core_event",
    "TRUNCATE accounts_roleassignment CASCADE",
    "DELETE FROM accounts_roleassignment",
    "UPDATE accounts_roleassignment SET office = 'implementer'",
    "UPDATE accounts_roleassignment SET starts_at = starts_at - interval '90 days'",
    "UPDATE accounts_roleassignment SET ends_at = NULL, ended_by_id = NULL WHERE ended_by_id IS NOT NULL",
    "UPDATE accounts_roleassignment SET ends_at = now()",
    "INSERT INTO accounts_roleassignment (user_id, office, starts_at, granted_at, granted_by_id) "
    "SELECT user_id, 'security_officer', now(), now(), granted_by_id FROM accounts_roleassignment LIMIT 1",
    "UPDATE change_requests_informationasset SET owner_id = (SELECT max(id) FROM accounts_user)",
    "INSERT INTO change_requests_assetownership (asset_id, owner_id, at) "
    "SELECT asset_id, NULL, now() FROM change_requests_assetownership LIMIT 1",
    "UPDATE change_requests_assetownership SET owner_id = NULL",
    "UPDATE accounts_contact SET customer_id = (SELECT max(id) FROM accounts_customer) "
    "WHERE customer_id <> (SELECT max(id) FROM accounts_customer)",
    "DELETE FROM accounts_contact",
    "UPDATE accounts_customer SET registered_email = 'thief@ejemplo.mx'",
    "UPDATE accounts_representative SET valid_until = '2039-01-01'",
    "DELETE FROM accounts_representative",
    "UPDATE accounts_user SET is_superuser = true WHERE NOT is_superuser",
    "UPDATE django_migrations SET name = 'x'",
]
NAMED = {guard.name for guard in guard_install.guards("postgresql")}


@pytest.mark.postgres
@pytest.mark.usefixtures("program")
def test_b11_and_h12_every_raw_statement_is_refused():
    cast, jorge = Cast(), make_staff(Office.IT_HEAD)
    operations.end_office(RoleAssignment.objects.get(user=jorge).pk, actor=make_superuser())
    cast.colleague()
    make_contact()  # of another company
    make_staff(Office.DEVELOPER)
    for model in (Event, AssetOwnership):
        assert model.objects.exists()
    before = read_tables()
    for statement in RAW:
        text = find_refusal(statement)
        by_permission = any(words in text for words in REFUSALS.split("|"))
        assert by_permission or any(text.startswith(f"{name}:") for name in NAMED), (statement, text)
    assert read_tables() == before
    assert guard_install.differences(connection) == []


@pytest.mark.postgres
@pytest.mark.usefixtures("program")
def test_deploy_warns_of_a_program_that_may_make_temporary_tables():
    with grants.as_owner(connection):
        execute(f"GRANT TEMPORARY ON DATABASE {connection.settings_dict['NAME']} TO PUBLIC")
    (warning,) = grants.check_program_owns_nothing(databases=["default"])
    assert (warning.id, warning.msg) == (
        "core.W003",
        "The program's role «factureya_program» may make temporary tables.",
    )
    with grants.as_owner(connection):
        grants.grant(connection, PROGRAM["USER"])
    assert grants.check_program_owns_nothing(databases=["default"]) == []


def find_refusal(statement: str) -> str:
    """Return the database's refusal of a raw statement, or an empty text if it was carried out."""
    try:
        with transaction.atomic():
            execute(statement)
    except DatabaseError as refusal:
        return str(refusal)
    return ""


def read_tables() -> list[Any]:
    tables = "core_event accounts_roleassignment accounts_contact accounts_customer change_requests_informationasset"
    return [execute(f"SELECT * FROM {table} ORDER BY 1") for table in tables.split()]
