"""By what right somebody authorizes an emergency, and whether the five people whom it takes are there (M22, M23)."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from accounts.models import CONTROL_OFFICES, Office, RoleAssignment, User
from change_requests.approvals import find_holders
from change_requests.emergency.models import Delegation, GrantAuthorization
from factureya.core import clock

Slot = GrantAuthorization.Slot
OFFICES_OF = {
    Slot.OWNER_OR_IT_HEAD: (Office.INFORMATION_OWNER, Office.IT_HEAD),
    Slot.SECURITY: (Office.SECURITY_OFFICER,),
}
OPERATOR_OFFICES = (Office.IMPLEMENTER, Office.SUPERVISOR)
CUSTODIAN = "Custodio"
OPERATOR = "Implementador o Supervisor que no sea de Desarrollo"


def may_keep_half(user: User) -> bool:
    """Return True if the person may be a custodian or an alternate: active staff of mesa de control, no developer.

    Auditoría may be neither: whoever has that office has no office of CONTROL_OFFICES (M26).
    """
    return user.is_staff and user.holds(*CONTROL_OFFICES) and not user.holds(Office.DEVELOPER)


@dataclass(frozen=True)
class Mandate:
    """Hold by what right somebody authorizes: an assignment of the office, and the delegation if it is another's."""

    assignment: RoleAssignment
    delegation: Delegation | None = None

    @property
    def holder_id(self) -> int:
        """Return the key of the officer whose office is used."""
        return self.assignment.user_id

    @property
    def people_behind(self) -> set[int]:
        """Return the keys of the officer, and of who named the alternate, if it is an alternate who acts."""
        return {self.holder_id} | ({self.delegation.granted_by_id} if self.delegation else set())


def find_mandate(user: User, slot: str) -> Mandate | None:
    """Return what lets the person give this authorization (`slot`) now: his own office, else a delegation, or None.

    An alternate must still be fit to be one (`may_keep_half`). If he has several delegations, one that the absent
    officer gave himself is used before one that somebody else gave.
    """
    if not user.is_active or user.is_emergency:
        return None
    offices = OFFICES_OF[Slot(slot)]
    own = RoleAssignment.objects.in_force().filter(user=user, office__in=offices, ended_by=None).order_by("pk").first()
    if own is not None:
        return Mandate(own)
    if not may_keep_half(user):
        return None
    instant = clock.now()
    delegations = Delegation.objects.filter(alternate=user, office__in=offices, ended_at=None)
    in_force = delegations.filter(starts_at__lte=instant, ends_at__gt=instant).order_by("pk")
    for delegation in sorted(in_force, key=lambda each: each.granted_by_id != each.absent_id):  # his own first
        assignments = RoleAssignment.objects.in_force().filter(user=delegation.absent_id, office=delegation.office)
        if (assignment := assignments.filter(ended_by=None).order_by("pk").first()) is not None:
            return Mandate(assignment, delegation)
    return None


def find_authorizers(slot: str) -> set[int]:
    """Return the keys of the people who could give this authorization (`slot`) now, by office or by delegation."""
    offices = OFFICES_OF[Slot(slot)]
    holders = find_holders(*offices)
    people = set().union(*holders.values())
    instant = clock.now()
    delegations = Delegation.objects.filter(
        office__in=offices, ended_at=None, starts_at__lte=instant, ends_at__gt=instant
    ).select_related("alternate")
    return people | {
        delegation.alternate_id
        for delegation in delegations
        if delegation.absent_id in holders[delegation.office]  # the absent officer still has the office
        and may_keep_half(delegation.alternate)
    }


def find_missing_authorizer(*, without: Iterable[int] = ()) -> str:
    """Return the label of the authorization (slot) that nobody can give, or "" if two people can give both."""
    security, owners = (find_authorizers(slot) - set(without) for slot in (Slot.SECURITY, Slot.OWNER_OR_IT_HEAD))
    if not security:
        return str(Slot.SECURITY.label)
    return "" if owners and len(security | owners) > 1 else str(Slot.OWNER_OR_IT_HEAD.label)  # nobody may give both


def find_missing_role() -> str:
    """Return the role that nobody can fill in an emergency, or "" if five different people can fill all.

    They are an operator, two authorizers, and two custodians (M22, M23); every choice of the first three is tried.
    """
    if missing := find_missing_authorizer():
        return missing
    holders = find_holders(*CONTROL_OFFICES, Office.DEVELOPER)
    developers = holders.pop(Office.DEVELOPER)
    operators = set().union(*(holders[office] for office in OPERATOR_OFFICES)) - developers
    if not operators:
        return OPERATOR
    custodians = set().union(*holders.values()) - developers
    candidates = (find_authorizers(Slot.SECURITY), find_authorizers(Slot.OWNER_OR_IT_HEAD), operators)
    trios = [set(trio) for trio in product(*candidates) if len(set(trio)) == len(candidates)]
    if not trios:  # whoever can operate is needed to authorize
        return OPERATOR
    return "" if any(len(custodians - trio) > 1 for trio in trios) else CUSTODIAN  # two besides the trio
