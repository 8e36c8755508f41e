"""The approvals a revision needs, who could give each, and whether enough people hold the offices (M21, M24)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from accounts.models import Office, RoleAssignment
from change_requests.models import ACCESS, Decision, DecisionSlot, FormalRequest, InformationAsset
from factureya.core import clock

Form = FormalRequest.Form
OFFICE_OF = {Decision.Office.OWNER: Office.INFORMATION_OWNER, Decision.Office.SECURITY: Office.SECURITY_OFFICER}
_NEEDED_OFFICES = (Office.SUPERVISOR, Office.INFORMATION_OWNER, Office.SECURITY_OFFICER, Office.IMPLEMENTER)


@dataclass(frozen=True)
class NeededApproval:
    """An approval that the current revision needs: security's, or the owner's for the assets of one owner.

    `decision` is None while the approval waits for one of `deciders` (keys of users; empty when nobody could give it).
    """

    office: str
    assets: tuple[InformationAsset, ...]
    deciders: frozenset[int]
    decision: Decision | None = None

    @property
    def label(self) -> str:
        """Return «Propietario de la Información» or «Responsable de Seguridad Informática»."""
        return Decision.Office(self.office).label


def find_needed_approvals(request: FormalRequest) -> list[NeededApproval]:
    """Return the approvals, given or open, that the request's current revision needs, in at most four queries.

    The owners' approvals come first, then that of security. Whoever made the request, wrote a revision, implements it,
    checks its waiver or decided before may not approve. An owner of a changed asset may not approve for security.
    """
    decisions, past_deciders = _find_decisions(request)
    authors = request.revisions.values("author_id")
    holders = find_holders(Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, without=authors)
    checker = request.waiver.checker_id if request.waiver is not None else None
    barred = past_deciders | {request.requester_id, request.implementer_id, checker}
    assets = _find_assets_of(request)
    owners = {pk for asset in assets for pk in find_asset_deciders(asset)}
    officers = holders[Office.SECURITY_OFFICER] - barred - owners
    security_decision = decisions.get((Decision.Office.SECURITY, None))  # it decides without an asset
    return [
        *_group_by_owner(assets, holders[Office.INFORMATION_OWNER] - barred, decisions),
        NeededApproval(Decision.Office.SECURITY, (), officers, security_decision),
    ]


def find_asset_deciders(asset: InformationAsset) -> set[int]:
    """Return the keys of who may decide about the asset now: its owner, and between his two dates the alternate."""
    start, end = asset.alternate_from, asset.alternate_until
    is_delegated = start is not None and end is not None and start <= clock.now() < end
    return {pk for pk in (asset.owner_id, asset.alternate_id if is_delegated else None) if pk is not None}


def select_open(approvals: list[NeededApproval]) -> list[NeededApproval]:
    """Return the approvals that nobody has decided about."""
    return [approval for approval in approvals if approval.decision is None]


def find_holders(*offices: str, without: Any = ()) -> dict[str, frozenset[int]]:
    """Return, for each office, the keys of the active people who hold it now.

    The people in `without`, given as keys or as a query of keys, are left out.
    """
    holders: dict[str, set[int]] = {office: set() for office in offices}
    assignments = RoleAssignment.objects.in_force().filter(office__in=offices, user__is_active=True)
    for office, pk in assignments.exclude(user__in=without).values_list("office", "user_id"):
        holders[office].add(pk)
    return {office: frozenset(pks) for office, pks in holders.items()}


def find_missing_office(assets: Iterable[InformationAsset], *, authors: frozenset[int] = frozenset()) -> str:
    """Return the label of the office that lacks a suitable person for a request, or an empty text if none does.

    `assets` are those to change; the access of people among them has no owner. The request needs a supervisor, an owner
    for each asset, a security officer who owns none of them, and an implementer who is no developer and decides
    nothing. `authors` are the keys of those who wrote the content; they can be no owner, officer or implementer of it
    (M21, M24).
    """
    holders = find_holders(*_NEEDED_OFFICES, Office.DEVELOPER)
    if not holders[Office.SUPERVISOR]:
        return Office.SUPERVISOR.label
    assets = [asset for asset in assets if asset.code != ACCESS]
    deciders = [find_asset_deciders(asset) for asset in assets]
    owners = [pks & (holders[Office.INFORMATION_OWNER] - authors) for pks in deciders]
    for asset, able_owners in zip(assets, owners, strict=True):
        if not able_owners:
            return f"{Office.INFORMATION_OWNER.label} ({asset.name})"
    officers = (holders[Office.SECURITY_OFFICER] - authors).difference(*deciders)
    if not officers:
        return Office.SECURITY_OFFICER.label
    implementers = holders[Office.IMPLEMENTER] - holders[Office.DEVELOPER] - authors
    return "" if _can_separate_duties(owners, officers, implementers) else Office.IMPLEMENTER.label


def _can_separate_duties(owners: Iterable[set[int]], officers: frozenset[int], implementers: frozenset[int]) -> bool:
    """Return True if, without one of the implementers, there still is an officer, and an owner for each asset."""
    return any(
        officers - {implementer} and all(deciders - {implementer} for deciders in owners)
        for implementer in implementers
    )


def _load_assets(codes: Iterable[str]) -> list[InformationAsset]:
    """Return the assets with these codes, except the access of people, which nobody owns."""
    return list(InformationAsset.objects.filter(code__in=set(codes) - {ACCESS}).select_related("owner", "alternate"))


def _find_assets_of(request: FormalRequest) -> list[InformationAsset]:
    """Return the assets that the request's current revision changes; [] for an access request: no owner decides it."""
    if request.form == Form.ACCESS:
        return []
    return _load_assets(item["asset"] for item in request.read_payload()["items"])


def _find_decisions(request: FormalRequest) -> tuple[dict[tuple[str, int | None], Decision], set[int]]:
    """Return the current revision's valid decisions, by (office, asset's key), and the keys of all who decided it."""
    slots = DecisionSlot.objects.filter(request=request, revision_no=request.revision_no)
    decisions, deciders = {}, set()
    for slot in slots.select_related("decision__decider", "decision__assignment"):
        deciders.add(slot.decision.decider_id)
        if slot.voided_at is None:
            decisions[slot.office, slot.asset_id] = slot.decision
    return decisions, deciders


def _group_by_owner(
    assets: list[InformationAsset], owners: frozenset[int], decisions: dict[tuple[str, int | None], Decision]
) -> list[NeededApproval]:
    """Return the approvals that owners must give for these assets; one approval may be for several assets.

    Assets share an approval if the same people of `owners` may decide about them, and have the same decision, or none.
    """
    groups: dict[tuple[frozenset[int], Decision | None], list[InformationAsset]] = {}
    for asset in assets:
        decision = decisions.get((Decision.Office.OWNER, asset.pk))
        groups.setdefault((frozenset(find_asset_deciders(asset) & owners), decision), []).append(asset)
    return [
        NeededApproval(Decision.Office.OWNER, tuple(group), deciders, decision)
        for (deciders, decision), group in groups.items()
    ]
