"""The approvals a revision needs, who could give each, and the lawful set of people (M21, M24)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from accounts.models import Office, RoleAssignment
from change_requests.kinds import content
from change_requests.models import (
    ACCESS,
    Decision,
    DecisionSlot,
    FormalRequest,
    InformationAsset,
)

Form = FormalRequest.Form
OFFICE_OF = {
    Decision.Office.OWNER: Office.INFORMATION_OWNER,
    Decision.Office.SECURITY: Office.SECURITY_OFFICER,
}
Holders = dict[str, frozenset[int]]


@dataclass(frozen=True)
class Slot:
    """An approval that the current revision needs: security's, or the owner's of some assets of one owner.

    `decision` fills it, or is None while it waits for one of `deciders` (empty: nobody could).
    """

    office: str
    assets: tuple[InformationAsset, ...]
    deciders: frozenset[int]
    decision: Decision | None = None

    @property
    def is_filled(self) -> bool:
        """Whether somebody approved it."""
        return self.decision is not None and self.decision.is_approval

    @property
    def label(self) -> str:
        """«Propietario de la Información» or «Responsable de Seguridad Informática»."""
        return Decision.Office(self.office).label


def slots_of(request: FormalRequest) -> list[Slot]:
    """The slots of the current revision, the owners' first. At most four queries, whatever the request."""
    filled, decided = _filled(request)
    authors = request.revisions.values("author_id")
    held = holders(Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, but=authors)
    checker = request.waiver.checker_id if request.waiver is not None else None
    barred = decided | {request.requester_id, request.implementer_id, checker}
    assets = assets_of(request)
    owners = _owner_slots(assets, held[Office.INFORMATION_OWNER] - barred, filled)
    own = {pk for asset in assets for pk in asset.decider_ids()}
    officers = held[Office.SECURITY_OFFICER] - barred - own
    decision = filled.get((Decision.Office.SECURITY, None))
    return [*owners, Slot(Decision.Office.SECURITY, (), officers, decision)]


def assets_of(request: FormalRequest) -> list[InformationAsset]:
    """The assets of the current revision that have an owner: none for access requests."""
    if request.form == Form.ACCESS:
        return []
    codes = {item["asset"] for item in content.payload_of(request)["items"]}
    return owned(codes)


def owned(codes: Iterable[str]) -> list[InformationAsset]:
    """The assets with these codes, without the one that nobody owns."""
    return list(InformationAsset.objects.filter(code__in=set(codes) - {ACCESS}).select_related("owner", "alternate"))


def holders(*offices: str, but: Any = ()) -> Holders:
    """Who holds each office now, with an active account (one query); `but`: keys or a query of those left out."""
    found: dict[str, set[int]] = {office: set() for office in offices}
    held = RoleAssignment.objects.in_force().filter(office__in=offices, user__is_active=True)
    held = held.exclude(user__in=but)
    for office, pk in held.values_list("office", "user_id"):
        found[office].add(pk)
    return {office: frozenset(pks) for office, pks in found.items()}


def missing_office(codes: Iterable[str], *, authors: frozenset[int] = frozenset()) -> str:
    """The office for which nobody is left when everybody else has a place; empty when a lawful set exists (M21, M24).

    Distinct people are needed: the owners of the assets, a security officer who owns none of them, and an implementer
    who is none of these and no developer; a supervisor verifies. `authors` wrote the content: they have no place.
    """
    held = holders(*_NEEDED, Office.DEVELOPER)
    if not held[Office.SUPERVISOR]:
        return Office.SUPERVISOR.label
    assets = owned(codes)
    able = held[Office.INFORMATION_OWNER] - authors
    for asset in assets:
        if not asset.decider_ids() & able:
            return f"{Office.INFORMATION_OWNER.label} ({asset.name})"
    owners = {pk for asset in assets for pk in asset.decider_ids()}
    officers = held[Office.SECURITY_OFFICER] - authors - owners
    if not officers:
        return Office.SECURITY_OFFICER.label
    implementers = held[Office.IMPLEMENTER] - held[Office.DEVELOPER] - authors
    if not _distinct([*(asset.decider_ids() & able for asset in assets)], officers, implementers):
        return Office.IMPLEMENTER.label
    return ""


_NEEDED = (
    Office.SUPERVISOR,
    Office.INFORMATION_OWNER,
    Office.SECURITY_OFFICER,
    Office.IMPLEMENTER,
)


def _distinct(owners: list[set[int] | frozenset[int]], officers: frozenset[int], implementers: frozenset[int]) -> bool:
    """Whether some implementer leaves an owner for each asset and an officer. Owners and officers are apart already."""
    return any(
        officers - {implementer} and all(deciders - {implementer} for deciders in owners)
        for implementer in implementers
    )


def _filled(request: FormalRequest) -> tuple[dict[tuple[str, int | None], Decision], set[int]]:
    """The decision in each slot that was not voided, and everybody who decided this revision."""
    rows = DecisionSlot.objects.filter(request=request, revision_no=request.revision_no)
    filled, decided = {}, set()
    for row in rows.select_related("decision__decider", "decision__assignment"):
        decided.add(row.decision.decider_id)
        if row.voided_at is None:
            filled[row.office, row.asset_id] = row.decision
    return filled, decided


def _owner_slots(
    assets: list[InformationAsset],
    owners: frozenset[int],
    filled: dict[tuple[str, int | None], Decision],
) -> list[Slot]:
    """One slot for the assets that the same people own and the same decision fills."""
    groups: dict[tuple[frozenset[int], int | None], list[InformationAsset]] = {}
    decisions: dict[int | None, Decision | None] = {None: None}
    for asset in assets:
        decision = filled.get((Decision.Office.OWNER, asset.pk))
        key = decision.pk if decision else None
        decisions[key] = decision
        groups.setdefault((frozenset(asset.decider_ids() & owners), key), []).append(asset)
    return [
        Slot(Decision.Office.OWNER, tuple(group), deciders, decisions[key]) for (deciders, key), group in groups.items()
    ]
