"""The list of packages: suppliers' packages with their originals, and the changes (M28, M32)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count, Max, Prefetch, Q
from django.urls import reverse
from django.utils.text import Truncator

from accounts.credits.reading import CreditsQuery, read_query
from accounts.models import CreditBalance, User
from accounts.policy import may_enter_credits, may_see_customers
from change_requests.packages import policy, progress, wording
from change_requests.packages.models import (
    FileKind,
    PackageChange,
    PackageFile,
    PackageFileCheck,
    PackagePort,
    SupplierPackage,
)
from change_requests.packages.wording import Chip
from factureya.core import keyset
from factureya.core.clock import now
from factureya.core.templatetags.fy import when

Status, Verdict, Outcome = PackageChange.Status, PackageFileCheck.Verdict, PackagePort.Outcome
SHOWN_CREDITS = 10  # companies whose credits the list shows; the page of credits shows all
LICENCE_TEXT = 60  # characters of what the licence says that the list shows
NEWEST_FIRST = keyset.Order("requested_at", is_descending=True)
NEWEST_PACKAGE_FIRST = keyset.Order("registered_at", is_descending=True)
JOINED = ("original__check_row", "in_use__file__check_row", "replaced_by")


@dataclass(frozen=True)
class PackageRow:
    """Hold a package in the list."""

    package: SupplierPackage
    offer: Sequence[str]  # credits and price, or nothing for one that was replaced
    licence: str
    sha256: str
    chip: Chip
    url: str
    label: str


@dataclass(frozen=True)
class ChangeRow:
    """Hold a change in the list."""

    change: PackageChange
    title: str
    facts: str
    chip: Chip
    is_mine: bool


@dataclass(frozen=True)
class Originals:
    """Hold what the last comparison of the originals with their hashes found; `altered` has copies in use too."""

    count: int
    unchecked: int
    altered: Sequence[PackageFile]
    checked_at: str


@dataclass(frozen=True)
class Credits:
    """Hold what is left of the companies' credits; `more` are the parameters of the page with the rest, or ""."""

    query: CreditsQuery
    rows: Sequence[CreditBalance]
    more: str
    may_enter: bool


def read_packages(user: User, cursor: keyset.Cursor | None) -> keyset.Page[SupplierPackage]:
    """Return a page of the packages that the person sees, the newest first, with what their rows show."""
    changes = PackageChange.objects.filter(status__in=(*PackageChange.LIVE, Status.REFUSED)).order_by("requested_at")
    packages = policy.packages_visible_to(user).select_related(*JOINED)
    return keyset.page(
        NEWEST_PACKAGE_FIRST, cursor, packages.prefetch_related(Prefetch("changes", changes, to_attr="shown_changes"))
    )


def make_package_rows(packages: Sequence[SupplierPackage]) -> list[PackageRow]:
    """Return the rows of the list, one for each package."""
    return [_make_package_row(package) for package in packages]


def find_replacement(package: SupplierPackage) -> SupplierPackage | None:
    """Return the newer version that replaces a package, or None."""
    return getattr(package, "replaced_by", None)


def read_originals() -> Originals:
    """Return how many originals there are, and what the last comparison found; only the worst few are named."""
    originals = PackageFile.objects.filter(kind=FileKind.ORIGINAL)
    checked_at = "check_row__checked_at"
    found = originals.aggregate(
        count=Count("pk"),
        unchecked=Count("pk", filter=Q(check_row=None)),
        last=Max(checked_at, filter=Q(check_row__checked_at__lte=now())),  # nobody compares tomorrow
    )
    served = Q(kind=FileKind.ORIGINAL) | Q(identified_copy__in=SupplierPackage.objects.values("in_use"))
    wrong = PackageFile.objects.filter(served, check_row__verdict__in=(Verdict.ALTERED, Verdict.MISSING)).order_by("pk")
    return Originals(found["count"], found["unchecked"], list(wrong[:5]), when(found["last"]) if found["last"] else "")


def read_changes(user: User, cursor: keyset.Cursor | None) -> keyset.Page[PackageChange]:
    """Return a page of the changes that the person sees, the newest first."""
    changes = policy.visible_to(user).select_related("package", "authorized_by", "licence_verdict", "impact")
    return keyset.page(NEWEST_FIRST, cursor, changes.prefetch_related("copies"))


def read_credits(user: User, address: Mapping[str, str]) -> Credits | None:
    """Return the credits that the address asks for, or None for who may not see them; one query."""
    if not may_see_customers(user):
        return None
    query = read_query(address)
    rows = list(query.select().order_by("-pk")[: SHOWN_CREDITS + 1])
    more = urlencode(query.parameters) if len(rows) > SHOWN_CREDITS else ""
    return Credits(query, rows[:SHOWN_CREDITS], more, may_enter_credits(user))


def make_change_rows(changes: Sequence[PackageChange], user: User) -> list[ChangeRow]:
    """Return the rows of the list, one for each change; those in which the reader may act are marked."""
    return [
        ChangeRow(
            change,
            f"{change.package}: {change.title}",
            _describe_change(change),
            wording.make_change_chip(change),
            progress.is_turn_of(user, change),
        )
        for change in changes
    ]


def _make_package_row(package: SupplierPackage) -> PackageRow:
    """Return the row of one package; its link goes to the change in course, if there is one."""
    newer = find_replacement(package)
    changes: list[PackageChange] = package.shown_changes  # type: ignore[attr-defined]
    live = next((change for change in changes if change.is_live), None)
    url, label = reverse("packages:package", args=[package.pk]), "Ver"
    if package.in_use:
        label = "Ver y revertir"
    if live is not None:
        url, label = reverse("packages:change", args=[live.folio]), live.folio
    return PackageRow(
        package,
        () if newer else (wording.show_credits(package), wording.show_price(package)),
        f"Reemplazado por {newer.version}" if newer else Truncator(package.licence_text).chars(LICENCE_TEXT),
        wording.shorten_hash(package.original.sha256),
        _make_package_chip(package, live, changes),
        url,
        label,
    )


def _make_package_chip(package: SupplierPackage, live: PackageChange | None, changes: Sequence[PackageChange]) -> Chip:
    """Return the state of a package: first that its original or its copy is not what it was, else what is in use."""
    for name, file in (("Original", package.original), ("Copia", package.in_use.file if package.in_use else None)):
        verdict = wording.find_altered(file)
        if verdict:
            return Chip("bad", f"{name}: {verdict}")
    if live is not None:
        return Chip("waiting", "Cambio en curso")
    if package.in_use:
        return Chip("ok", f"Copia {package.in_use.label}")
    if find_replacement(package):
        return Chip("closed", "Guardado")
    if changes and changes[-1].end_reason == PackageChange.EndReason.LICENCE:
        return Chip("closed", "No se modifica")
    return Chip("ok", "Original en uso")


def _describe_change(change: PackageChange) -> str:
    """Return who asked for a change and when, and who authorized it."""
    asked = f"lo pidió {change.requester_name}, {when(change.requested_at)}"
    if change.authorized_by:
        return f"{asked} · autorizó {change.authorized_by}, {when(change.authorized_at)}"
    return asked
