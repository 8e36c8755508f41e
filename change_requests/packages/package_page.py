"""One package as its page shows it: facts, original, copies, changes, and what became of older copies in it (M32)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from accounts.models import User
from change_requests.packages import policy, wording
from change_requests.packages.list_page import ChangeRow, find_replacement, make_change_rows
from change_requests.packages.models import IdentifiedCopy, PackageFile, SupplierPackage
from change_requests.packages.ports import list_copies_to_port
from factureya.core.templatetags.fy import when

SHOWN = 50  # copies and changes of one package that its page shows, the newest first


@dataclass(frozen=True)
class CopyRow:
    """Hold a copy of the package, and whether it is the one in use."""

    copy: IdentifiedCopy
    facts: str
    is_in_use: bool


@dataclass(frozen=True)
class PortRow:
    """Hold a copy of an older version, and what became of it in this one; `may_record` says that it may be noted."""

    copy: IdentifiedCopy
    outcomes: Sequence[str]
    is_missing: bool
    may_record: bool

    @property
    def patch_files(self) -> list[PackageFile]:
        """Return the file of its patch."""
        return [self.copy.patch]


class PackagePage:
    """Read what the page of a package shows; everything is read once, when it is asked for."""

    def __init__(self, package: SupplierPackage, user: User) -> None:
        self.package, self.user, self.original = package, user, package.original
        self.newer = find_replacement(package)
        self.credits, self.price = wording.show_credits(package), wording.show_price(package)
        self.sha256 = wording.group_hash(package.original.sha256)
        self.checked = wording.describe_check(package.original)
        self.is_altered = wording.find_altered(package.original) != ""
        self.is_copy_altered = package.in_use is not None and wording.find_altered(package.in_use.file) != ""
        self.may_ask = policy.why_not_request(user) is None and self.newer is None
        self.may_end_sale = policy.why_not_end_sale(user, package) is None
        self.may_register = policy.why_not_register(user) is None and self.newer is None

    @property
    def validity(self) -> str:
        """Return the days between which the package is sold."""
        first = f"desde el {_show_day(self.package.valid_from)}"
        return f"{first} hasta el {_show_day(self.package.valid_until)}" if self.package.valid_until else first

    @cached_property
    def copies(self) -> list[CopyRow]:
        """Return the copies of the package, the newest first."""
        copies = self.package.copies.select_related("file", "patch", "change").order_by("-number")[:SHOWN]
        return [
            CopyRow(
                copy,
                f"{copy.change.get_status_display()} · {copy.made_by_name}, {when(copy.made_at)}",
                copy.pk == self.package.in_use_id,
            )
            for copy in copies
        ]

    @cached_property
    def changes(self) -> list[ChangeRow]:
        """Return the changes of the package, the newest first."""
        joined = ("package", "authorized_by", "licence_verdict", "impact")
        changes = (
            self.package.changes.select_related(*joined)
            .prefetch_related("copies")
            .order_by("-requested_at", "-pk")[:SHOWN]
        )
        return make_change_rows(list(changes), self.user)

    @property
    def has_live_change(self) -> bool:
        """Return True if a change of the package is in course."""
        return any(row.change.is_live for row in self.changes)

    @cached_property
    def ports(self) -> list[PortRow]:
        """Return the copies of older versions, and what became of each in this one."""
        copies, outcomes = {}, defaultdict(list)
        for port in self.package.ports.select_related("copy__change", "copy__patch").order_by("pk")[:SHOWN]:
            copies[port.copy_id] = port.copy
            outcomes[port.copy_id].append(f"{port.get_outcome_display()}: «{port.notes}» — {port.decided_by_name}")
        waiting = {copy.pk: copy for copy in list_copies_to_port(self.package)}
        return [
            PortRow(
                copy,
                outcomes[copy.pk],
                copy.pk in waiting,
                copy.pk in waiting and policy.why_not_record_port(self.user, copy, self.package) is None,
            )
            for copy in (copies | waiting).values()
        ]


def _show_day(day: object) -> str:
    """Return a day as «01/12/2026»."""
    return f"{day:%d/%m/%Y}"
