"""What neither raw SQL nor the shell may do to a company's image, and what the nightly check finds (M26, M33)."""

from io import BytesIO
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from PIL import Image

from accounts.branding import operations
from accounts.models import Branding, BrandLogo, state
from factureya.core import audit
from factureya.core.record import state as record_state
from factureya.core.refusals import NotAllowed, Refused
from factureya.testing.people import Neighbours, make_contact, make_neighbours
from factureya.testing.raw_sql import execute, execute_as_owner, insert, postgres_only, refused_by, sqlite_only, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26", "M33")]
COLOURS = {"main": "#1f5f8b", "accent": "#f2a33a"}
EVENT = ("branding_follows_its_event", "branding_enters_with_its_event")


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def png(colour: str = "#c47a12") -> bytes:
    out = BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def image(cast: Neighbours) -> Branding:
    """The image of Ana's company: a logo and two colours."""
    logo = operations.keep_logo(png(), "logo.png", actor=cast.ana)
    return operations.change_branding(**COLOURS, logo_id=logo.pk, actor=cast.ana)


@pytest.mark.parametrize(
    "columns",
    [
        {"shown_main": "#ffffff"},
        {"chosen_accent": "#000000"},
        {"logo_id": None, "logo_sha256": ""},
        {"logo_is_light": True},
        {
            "shown_main": "",
            "shown_accent": "",
            "chosen_main": "",
            "chosen_accent": "",
            "logo_id": None,
            "logo_sha256": "",
        },
    ],
    ids=str,
)
def test_an_image_changes_with_its_event_and_no_other_way(image: Branding, columns: dict[str, Any]):
    with refused_by(*EVENT):
        update(image, **columns)


def test_an_image_is_not_inserted_without_its_event(cast: Neighbours, image: Branding):
    with refused_by(*EVENT, "branding_enters_with_own_logo"):
        insert(image, customer_id=cast.carla.contact.customer_id)


def test_an_image_stays_with_its_company(cast: Neighbours):
    image = operations.change_branding(**COLOURS, logo_id=None, actor=cast.ana)
    other = cast.carla.contact.customer
    with refused_by("branding_keeps_its_company"), transaction.atomic():  # also with an event that says so
        facts = state.describe_branding(image)
        audit.record("company.branding_changed", other, actor=cast.ana, rows={state.BRANDING: facts})
        Branding.objects.filter(pk=image.pk).update(customer=other)


def test_an_image_is_not_deleted(image: Branding):
    with refused_by("accounts_branding_no_delete"):
        execute("DELETE FROM accounts_branding")


@postgres_only
def test_an_image_is_not_truncated(image: Branding):
    connection.check_constraints()  # PostgreSQL truncates no table while a deferred check is pending
    with refused_by("accounts_branding_no_truncate"):
        execute("TRUNCATE accounts_branding")


@sqlite_only
def test_an_image_is_not_replaced(image: Branding):
    with refused_by("accounts_branding_no_replace"):
        execute("INSERT OR REPLACE INTO accounts_branding SELECT * FROM accounts_branding")


@sqlite_only
def test_a_logo_is_not_replaced(image: Branding):
    with refused_by("accounts_brandlogo_no_replace"):
        execute("INSERT OR REPLACE INTO accounts_brandlogo SELECT * FROM accounts_brandlogo")


def write_image(cast: Neighbours, columns: dict[str, Any], **told: Any) -> None:
    """Record an event as the operation does, and update the row, which may say something else."""
    image = Branding.objects.get(customer=cast.ana.contact.customer)
    facts = {**state.describe_branding(image), **told}
    with transaction.atomic():
        audit.record("company.branding_changed", image.customer, actor=cast.ana, rows={state.BRANDING: facts})
        Branding.objects.filter(pk=image.pk).update(**columns)


@pytest.mark.parametrize(
    "columns",
    [{"shown_main": "#ffffff"}, {"shown_accent": "#ffffff"}, {"logo_is_light": True}, {"chosen_main": "#000000"}],
    ids=str,
)
def test_the_event_of_a_change_says_the_same_as_the_row(cast: Neighbours, image: Branding, columns: dict[str, Any]):
    with pytest.raises(IntegrityError, match="branding_follows_its_event"):
        write_image(cast, columns)


def test_the_event_of_a_change_is_of_its_actor(cast: Neighbours, image: Branding):
    with pytest.raises(IntegrityError, match="branding_follows_its_event"):
        write_image(cast, {"changed_by": cast.beto})


def test_a_logo_of_another_company_is_not_shown(cast: Neighbours, image: Branding):
    foreign = operations.keep_logo(png("#123456"), "suyo.png", actor=cast.carla)
    with pytest.raises(IntegrityError, match="branding_has_own_logo"):
        write_image(cast, {"logo": foreign, "logo_sha256": foreign.sha256}, logo_sha256=foreign.sha256)
    other = operations.keep_logo(png("#654321"), "otro.png", actor=cast.ana)
    with pytest.raises(IntegrityError, match=r"branding_has_own_logo"):
        write_image(cast, {"logo": other})
    with pytest.raises(Refused, match="no está guardado"):
        operations.change_branding(**COLOURS, logo_id=foreign.pk, actor=cast.ana)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shown_main": "red"},
        {"shown_main": "#1F5F8B"},
        {"shown_accent": ""},
        {"chosen_main": "#1f5f8"},
        {"chosen_main": "x\n#1f5f8b"[:7]},
    ],
    ids=str,
)
def test_what_is_no_colour_is_not_stored(cast: Neighbours, image: Branding, wrong: dict[str, Any]):
    with pytest.raises(IntegrityError, match="brand_has_both_colours_or_none"):
        write_image(cast, wrong, **wrong)


def test_a_logo_without_its_hash_is_not_shown(cast: Neighbours, image: Branding):
    wrong = {"logo": None, "logo_is_light": False}  # its hash stays
    with pytest.raises(IntegrityError, match="brand_logo_has_its_hash"):
        write_image(cast, wrong, logo_is_light=False)


def test_a_stored_logo_never_changes_and_stays_while_it_is_shown(image: Branding):
    assert image.logo is not None
    for columns in ({"print_png": png("#000000")}, {"sha256": "0" * 64}, {"name": "x"}, {"customer_id": 1}):
        with refused_by("logo_never_changes"):
            update(image.logo, **columns)
    with refused_by("one_logo_per_content", "accounts_brandlogo_no_replace"):
        insert(image.logo)


def test_a_logo_that_is_shown_is_not_deleted(image: Branding):
    def delete() -> None:
        execute("DELETE FROM accounts_brandlogo")
        connection.check_constraints()  # PostgreSQL checks keys at the end of a transaction

    with pytest.raises(IntegrityError, match=r"accounts_branding|FOREIGN KEY"), transaction.atomic():
        delete()


def find_flaws() -> list[audit.Flaw]:
    """Return what the nightly check finds of images."""
    return [flaw for flaw in record_state.find_flaws() if "la imagen" in flaw.problem]


@pytest.mark.parametrize("column", ["print_png", "screen_png"])
def test_bytes_that_the_owner_of_the_tables_changed_are_found_at_night(image: Branding, column: str):
    assert find_flaws() == []
    execute_as_owner(f"UPDATE accounts_brandlogo SET {column} = %s", png("#000000"))
    [flaw] = find_flaws()
    assert "logo_sha256" in flaw.problem


def test_colours_that_the_owner_of_the_tables_changed_are_found_at_night(image: Branding):
    execute_as_owner("UPDATE accounts_branding SET shown_main = %s", "#ffffff")
    [flaw] = find_flaws()
    assert "shown_main" in flaw.problem


# -- Operations --------------------------------------------------------------------------------------


def test_the_power_is_asked_again_when_it_is_used(cast: Neighbours):
    customer = cast.ana.contact.customer
    plain_contact = make_contact(customer)
    for person in (cast.beto, cast.elsa, plain_contact):
        for act in (
            lambda actor: operations.change_branding(**COLOURS, logo_id=None, actor=actor),
            lambda actor: operations.reset_branding(actor=actor),
            lambda actor: operations.keep_logo(png(), "logo.png", actor=actor),
        ):
            with pytest.raises(NotAllowed):
                act(person)
    assert not Branding.objects.exists()
    assert not BrandLogo.objects.exists()


def test_a_reset_before_any_image_writes_nothing(cast: Neighbours):
    assert not operations.reset_branding(actor=cast.ana).is_own
    assert not Branding.objects.exists()


def test_logos_of_previews_do_not_pile_up(cast: Neighbours, image: Branding):
    for number in range(12):
        operations.keep_logo(png(f"#{number:06x}"), "prueba.png", actor=cast.ana)
    assert BrandLogo.objects.count() == operations.KEPT_LOGOS + 1
    assert BrandLogo.objects.filter(pk=image.logo_id).exists()
    again = operations.keep_logo(png(), "igual.png", actor=cast.ana)
    assert again.pk == image.logo_id  # the same picture is one row
