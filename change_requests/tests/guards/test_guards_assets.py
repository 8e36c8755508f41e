"""What raw SQL may not do to the owners of information, and who owned one at an instant (M21, M26; H12)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from accounts.models import Office, User
from change_requests import operations
from change_requests.models import AssetOwnership, InformationAsset, owner_at
from change_requests.record import state
from factureya.core import audit
from factureya.core.clock import now
from factureya.testing.people import make_staff, make_superuser, make_user, name_owner, own_assets
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    insert,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M21", "M26")]
TABLE = "change_requests_assetownership"


@pytest.fixture(autouse=True)
def fabian() -> User:
    return own_assets()


def asset() -> InformationAsset:
    return InformationAsset.objects.get(code="identity")


def history() -> AssetOwnership:
    return AssetOwnership.objects.filter(asset__code="identity").latest("pk")


def test_h12_an_owner_is_not_changed_past_the_history(fabian: User):
    thief = make_staff(Office.INFORMATION_OWNER)
    for columns in (
        {"owner_id": thief.pk},
        {"owner_id": None},
        {"alternate_id": thief.pk, "alternate_from": now(), "alternate_until": now() + timedelta(days=9)},
    ):
        with refused_by("asset_owner_by_history"):
            update(asset(), **columns)
    assert asset().owner == fabian


def test_an_owner_of_long_ago_does_not_come_back(fabian: User):
    name_owner(asset(), make_staff(Office.INFORMATION_OWNER))
    with refused_by("asset_owner_by_history"):
        update(asset(), owner_id=fabian.pk)


def test_the_dates_of_an_alternate_are_the_historys():
    alternate, start = make_staff(Office.INFORMATION_OWNER), now()
    dates = {"alternate_from": start, "alternate_until": start + timedelta(days=2)}
    name_owner(asset(), asset().owner, alternate=alternate, **dates)
    for columns in ({"alternate_until": start + timedelta(days=90)}, {"alternate_from": start - timedelta(days=9)}):
        with refused_by("asset_owner_by_history"):
            update(asset(), **columns)


def test_the_history_is_append_only():
    make_user()
    with refused_by(f"{TABLE}_no_update"):
        update(history(), owner_id=None)
    with refused_by(f"{TABLE}_no_delete"):
        execute(f"DELETE FROM {TABLE} WHERE id = %s", history().pk)


@postgres_only
def test_the_history_is_not_truncated():
    connection.check_constraints()  # PostgreSQL truncates nothing while a deferred check is pending
    with refused_by(f"{TABLE}_no_truncate"):
        execute(f"TRUNCATE {TABLE}")


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_the_history_is_not_replaced(run: Any):
    for columns in ({"id": history().pk}, {}):
        sql, params = copy_statement(AssetOwnership, history().pk, "INSERT OR REPLACE", **columns)
        with refused_by(f"{TABLE}_no_replace", "ownership_follows_its_event"):
            run(sql, *params)


def test_h12_a_row_of_history_needs_its_event():
    thief = make_staff(Office.INFORMATION_OWNER)
    for columns in (
        {"owner_id": thief.pk, "event_seq": None},
        {"owner_id": thief.pk, "event_seq": 99},
        {"owner_id": thief.pk},
        {"at": now() - timedelta(days=400)},
    ):
        with refused_by("ownership_follows_its_event", "one_ownership_per_event", f"{TABLE}_no_replace"):
            insert(history(), **columns)


def write_history(actor: User, told: User, **changed: Any) -> AssetOwnership:
    """Record that an asset gets an owner and write its row of history, which may say something else."""
    named = asset()
    named.owner = told
    facts = state.describe_asset(named)
    event = audit.record("asset.owner_set", named, actor=actor, rows={state.OWNERSHIP: facts})
    columns = {"owner": told, "set_by": actor, "event_seq": event.seq, "at": event.at, **changed}
    return AssetOwnership.objects.create(asset=named, **columns)


def test_the_event_says_the_same_as_the_row_of_history():
    root, owner, thief = make_superuser(), make_user(), make_user()
    with transaction.atomic():
        assert write_history(root, owner)
    for wrong in (
        {"owner": thief},
        {"alternate": thief},
        {"alternate_from": now()},
        {"alternate_until": now()},
        {"set_by": make_superuser("otra@factureya.com")},
        {"at": now() - timedelta(days=3)},
        {"event_seq": None},
    ):
        with pytest.raises(IntegrityError, match="ownership_follows_its_event"), transaction.atomic():
            write_history(root, owner, **wrong)


def test_a_superuser_names_the_owner_in_the_database_too():
    with pytest.raises(IntegrityError, match="ownership_by_superuser"), transaction.atomic():
        write_history(make_staff(Office.SUPERVISOR), make_user())


def test_one_row_of_history_per_event():
    with refused_by("one_ownership_per_event", f"{TABLE}_no_replace"):
        insert(history())


def test_an_asset_begins_without_an_owner(fabian: User):
    with refused_by("asset_begins_without_owner"):
        insert(asset(), code="nuevo")


def test_who_owned_it_at_an_instant_is_a_query(fabian: User):
    root, heir = make_superuser(), make_staff(Office.INFORMATION_OWNER)
    begin = now()
    assert owner_at(asset(), begin - timedelta(days=1)) is None
    with time_machine.travel(begin + timedelta(days=2), tick=False):
        operations.set_asset_owner(asset().pk, actor=root, owner=heir, alternate=None)
    assert owner_at(asset(), begin + timedelta(days=1)) == fabian
    assert owner_at(asset(), begin + timedelta(days=2)) == heir
    assert str(history()) == f"{asset()}: {heir}"
    event = asset().events().latest("seq")
    assert (event.data["owner"], event.data["rows"]["ownership"]["set_by"]) == (heir.pk, root.pk)
