"""The query budgets of the pages of packages: equal for few rows and for many (style.md, habit 13)."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.operations import set_credits
from change_requests.packages import operations
from change_requests.packages.models import FileKind, PackageChange, PackageFile, SupplierPackage
from factureya.core import clock, numbers
from factureya.testing.budgets import budget, statements_of
from factureya.testing.packages import NEED, WAY, Packages
from factureya.testing.pages import make_client
from factureya.testing.people import make_customer

pytestmark = pytest.mark.django_db
CREDITS = 1  # what is left of the companies' credits, for who may see it
LIST, PACKAGE, CHANGE, FORM, STATE, DOWNLOAD = 12, 12, 16, 8, 8, 6
MANY = 300


def fill(scene: Packages, start: int, count: int) -> None:
    """Write so many packages, each with a change in course, past the operations and their guards."""
    for number in range(start, start + count):
        original = PackageFile.objects.create(
            token=f"{number:043d}",
            file=f"00/{number:043d}",
            kind=FileKind.ORIGINAL,
            name="pac.zip",
            size=1,
            sha256=f"{number:064d}",
            stored_by=scene.cast.laura,
        )
        columns = ("supplier", "software", "credits", "price", "months", "valid_from", "licence_name", "licence_text")
        package = SupplierPackage.objects.create(
            name=f"Nube-{number}",
            version="v1",
            original=original,
            registered_by=scene.cast.laura,
            registered_at=clock.now(),
            **{name: getattr(scene.package, name) for name in columns},
        )
        PackageChange.objects.create(
            folio=numbers.make_number("PQ"),
            package=package,
            title="quitar el anuncio",
            need=NEED,
            requester=scene.cast.laura,
            requester_name="Laura",
        )


def fill_credits(scene: Packages, count: int) -> None:
    """Note few credits of so many companies."""
    for _ in range(count):
        columns = {"package": "PAC-200", "total": 200, "remaining": 4, "valid_until": None}
        set_credits(make_customer().pk, actor=scene.cast.laura, seen="", **columns)


@pytest.mark.clause("M28")
@pytest.mark.parametrize("name", ["laura", "elsa"])
@pytest.mark.usefixtures("unguarded")
def test_the_list(scene: Packages, name: str):
    client, path = make_client(getattr(scene.cast, name)), reverse("packages:list")
    scene.bring(PackageChange.Status.RELEASED)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    operations.compare_files()
    scene.package = newer
    most = LIST + (CREDITS if name == "laura" else 0)
    fill(scene, 1, 3)
    fill_credits(scene, 3)
    few = statements_of(lambda: client.get(path))
    fill(scene, 10, MANY if name == "laura" else 40)
    fill_credits(scene, 20)
    budget(few, statements_of(lambda: client.get(path)), most)
    links = client.get(path).context
    for next_page in (links["package_links"]["next_url"], links["change_links"]["next_url"]):
        assert len(statements_of(lambda p=next_page: client.get(path + p))) <= most


@pytest.mark.clause("M28", "M32")
@pytest.mark.parametrize("status", WAY)
def test_a_change_and_its_package(scene: Packages, status: str):
    change = scene.bring(status)
    for person in (scene.cast.laura, scene.cast.jorge, scene.cast.gina, scene.cast.elsa):
        client = make_client(person)
        assert len(statements_of(lambda c=client: c.get(reverse("packages:change", args=[change.folio])))) <= CHANGE
        assert (
            len(statements_of(lambda c=client: c.get(reverse("packages:package", args=[change.package_id])))) <= PACKAGE
        )


@pytest.mark.clause("M32")
def test_forms_pieces_and_downloads(scene: Packages):
    change, client = scene.bring(PackageChange.Status.IMPACT_WEIGHED), make_client(scene.cast.laura)
    for name, args, most in (
        ("register", [], FORM),
        ("ask", [], FORM),
        ("original_pieces", [], STATE),
        ("pieces", [change.folio, "copy"], STATE),
        ("file", [scene.package.original.token], DOWNLOAD),
    ):
        assert len(statements_of(lambda n=name, a=args: read(client, reverse(f"packages:{n}", args=a)))) <= most, name


def read(client: Client, address: str) -> Any:
    """Return an answer that was read to its end, which closes its file."""
    answer = client.get(address)
    b"".join(answer)
    return answer
