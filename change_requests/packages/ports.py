"""Find which copies a newer version of a package must still apply (M32)."""

from collections.abc import Mapping

from django.db.models import QuerySet

from change_requests.packages.models import IdentifiedCopy, PackageChange, PackagePort, SupplierPackage

_Links = Mapping[int, tuple[int | None, int | None]]  # package -> the version before, the copy in use
_FINAL = (PackagePort.Outcome.APPLIED, PackagePort.Outcome.NOT_NEEDED)


def list_copies_to_port(package: SupplierPackage) -> list[IdentifiedCopy]:
    """Return the copy that this version must still apply, or of which somebody must say that it needs it not; or none.

    It is the copy in use of the version before; or, if that one has its original in use, what it did not apply itself.
    """
    passed, before = [package.pk], package.replaces
    while before is not None and before.in_use is None:
        passed.append(before.pk)
        before = before.replaces
    if before is None or before.in_use is None:
        return []
    is_done = PackagePort.objects.filter(package__in=passed, copy=before.in_use, outcome__in=_FINAL).exists()
    return [] if is_done else [before.in_use]


def list_missing_ports(
    at_most: int | None = None, *, skips_carried: bool = False
) -> list[tuple[IdentifiedCopy, SupplierPackage]]:
    """Return each copy that a newest version must still apply, with that version, the oldest first.

    With `skips_carried` those are left out that a change in course carries into the version. The number of queries does
    not grow with the packages; of `at_most` pairs the rows are read.
    """
    packages = {package.pk: package for package in SupplierPackage.objects.defer("licence_text")}
    links = {pk: (package.replaces_id, package.in_use_id) for pk, package in packages.items()}
    newest = sorted(links.keys() - {before for before, _copy in links.values()})
    done = set(PackagePort.objects.filter(outcome__in=_FINAL).values_list("copy", "package"))
    carried = set(_select_carried()) if skips_carried else set()
    found = [(copy, pk) for pk in newest if (copy := _find_waiting(pk, links, done)) is not None]
    waiting = [pair for pair in found if pair not in carried][:at_most]
    copies = IdentifiedCopy.objects.select_related("change", "package").in_bulk([copy for copy, _pk in waiting])
    return [(copies[copy], packages[pk]) for copy, pk in waiting]


def _select_carried() -> "QuerySet[PackageChange, tuple[int | None, int]]":
    """Select the keys of each copy and of the version into which a change in course carries it."""
    live = PackageChange.objects.filter(status__in=PackageChange.LIVE, port_of__isnull=False)
    return live.values_list("port_of", "package")


def _find_waiting(pk: int, links: _Links, done: set[tuple[int, int]]) -> int | None:
    """Return the key of the copy that `list_copies_to_port` finds for a package, or None, without a query."""
    passed, before = [pk], links[pk][0]
    while before is not None and links[before][1] is None:
        passed.append(before)
        before = links[before][0]
    copy = links[before][1] if before is not None else None
    return None if copy is None or any((copy, version) in done for version in passed) else copy
