"""Find which copies a newer version of a package must still apply (M32)."""

from change_requests.packages.models import IdentifiedCopy, PackagePort, SupplierPackage

_FINAL = (PackagePort.Outcome.APPLIED, PackagePort.Outcome.NOT_NEEDED)


def list_copies_to_port(package: SupplierPackage) -> list[IdentifiedCopy]:
    """Return the copies that this version must still apply, or of which somebody must say that it needs them not.

    It is the copy in use of the version before; or, if that one has its original in use, what it did not apply itself.
    """
    before = package.replaces
    if before is None:
        return []
    candidates = [before.in_use] if before.in_use is not None else list_copies_to_port(before)
    done = set(PackagePort.objects.filter(package=package, outcome__in=_FINAL).values_list("copy", flat=True))
    return [copy for copy in candidates if copy.pk not in done]


def list_missing_ports() -> list[tuple[IdentifiedCopy, SupplierPackage]]:
    """Return each copy that a newest version must still apply, with that version, the oldest first."""
    newest = SupplierPackage.objects.filter(replaces__isnull=False, replaced_by=None)
    joined = newest.select_related("replaces__in_use", "replaces__replaces__in_use").order_by("pk")
    return [(copy, package) for package in joined for copy in list_copies_to_port(package)]
