"""Whom the security officer may choose: implementers, those of Development under a waiver, and who checks them."""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import CONTROL_OFFICES, Office, RoleAssignment, User


def list_implementers(without: Iterable[int]) -> QuerySet[User]:
    """Return the active implementers who are not of Development, except the people `without` (M24)."""
    return _select_people([Office.IMPLEMENTER], without).exclude(_holds_one_of([Office.DEVELOPER]))


def list_developers(without: Iterable[int]) -> QuerySet[User]:
    """Return the active implementers of Development, who apply a request only under a waiver (M25)."""
    return _select_people([Office.IMPLEMENTER], without).filter(_holds_one_of([Office.DEVELOPER]))


def list_checkers(without: Iterable[int]) -> QuerySet[User]:
    """Return the officers who may check what was done under a waiver, except the people `without` (M25)."""
    return _select_people(CONTROL_OFFICES, without)


def list_owners() -> QuerySet[User]:
    """Return the active people who may own an information asset (M21)."""
    return _select_people([Office.INFORMATION_OWNER], ())


def _select_people(offices: Iterable[str], without: Iterable[int]) -> QuerySet[User]:
    """Return the active people who hold one of these offices now, by name, except those with the keys `without`."""
    people = User.objects.filter(_holds_one_of(offices), is_active=True).exclude(pk__in=list(without))
    return people.order_by("full_name", "pk").only("full_name", "email")


def _holds_one_of(offices: Iterable[str]) -> Exists:
    """Return the condition that a person holds one of these offices now."""
    return Exists(RoleAssignment.objects.in_force().filter(user=OuterRef("pk"), office__in=list(offices)))
