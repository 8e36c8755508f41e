"""Whom the security officer may choose: implementers, those of Development under a waiver, and who checks them."""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import CONTROL_OFFICES, Office, RoleAssignment, User


def implementers(not_these: Iterable[int]) -> QuerySet[User]:
    """Active implementers who aren't of Development, nor any of `not_these` (M24)."""
    return _holding([Office.IMPLEMENTER], not_these).exclude(_works_as([Office.DEVELOPER]))


def developers(not_these: Iterable[int]) -> QuerySet[User]:
    """Active implementers who are of Development: only under a waiver (M25)."""
    return _holding([Office.IMPLEMENTER], not_these).filter(_works_as([Office.DEVELOPER]))


def checkers(not_these: Iterable[int]) -> QuerySet[User]:
    """Who may check independently what was done under a waiver (M25): officers who took no part in the request."""
    return _holding(CONTROL_OFFICES, not_these)


def owners() -> QuerySet[User]:
    """Who may own an information asset: active people with the office (M21)."""
    return _holding([Office.INFORMATION_OWNER], ())


def _holding(offices: Iterable[str], not_these: Iterable[int]) -> QuerySet[User]:
    people = User.objects.filter(_works_as(offices), is_active=True).exclude(pk__in=list(not_these))
    return people.order_by("full_name", "pk").only("full_name", "email")


def _works_as(offices: Iterable[str]) -> Exists:
    held = RoleAssignment.objects.in_force().filter(user=OuterRef("pk"), office__in=list(offices))
    return Exists(held)
