"""Read the catalogue: categories with their teams, explanations, and who is of the sales team (M4, M9)."""

from collections.abc import Iterable

from django.db.models import QuerySet

from accounts.models import Office, RoleAssignment, User
from tickets.catalogue.models import SalesMember, Scope, ScopeExplanation, Team, TicketCategory

# What never changes of a category, for the life of the process: a row is only ended.
_KNOWN: dict[str, tuple[str, str, bool]] = {}


def describe_category(slug: str) -> str:
    """Return the label of a category, ended ones too; the slug itself if there is no such category."""
    return _read_known(slug)[0]


def find_team(slug: str) -> str:
    """Return the team of a category, ended ones too; "" if there is no such category."""
    return _read_known(slug)[1]


def is_for_customers(slug: str) -> bool:
    """Return whether customers may choose this category while it is in use; False if there is no such category."""
    return _read_known(slug)[2]


def list_categories(*, for_customers: bool = False) -> list[tuple[str, str]]:
    """Return slug and label of the categories in use, in their order; `for_customers`: only those of their form."""
    rows = select_in_use()
    return list((rows.filter(is_for_customers=True) if for_customers else rows).values_list("slug", "label"))


def select_in_use() -> QuerySet[TicketCategory]:
    """Select the categories in use, in their order."""
    return TicketCategory.objects.filter(ended_at__isnull=True).order_by("position", "pk")


def is_in_use(slug: str) -> bool:
    """Return whether a ticket may get this category now."""
    return select_in_use().filter(slug=slug).exists()


def find_explanation(scope: str) -> ScopeExplanation:
    """Return what we answer now about a problem that is not of our service."""
    return ScopeExplanation.objects.get(scope=scope, ended_at__isnull=True)


def list_explanations() -> list[ScopeExplanation]:
    """Return the explanations in use, in the order of the scopes."""
    return sort_explanations(ScopeExplanation.objects.filter(ended_at__isnull=True))


def sort_explanations(rows: Iterable[ScopeExplanation]) -> list[ScopeExplanation]:
    """Return explanations in the order of the scopes."""
    return sorted(rows, key=lambda row: Scope.values.index(row.scope))


def find_sales_pks() -> set[int]:
    """Return the keys of the people of the sales team who attend today: active, and agent or supervisor now."""
    attending = RoleAssignment.objects.filter(office__in=(Office.AGENT, Office.SUPERVISOR)).in_force()
    members = SalesMember.objects.filter(ended_at__isnull=True, user__is_active=True)
    return set(members.filter(user__in=attending.values("user")).values_list("user_id", flat=True))


def find_sales_category() -> str:
    """Return the category of a call about sales: the first of its team in use (M4)."""
    return str(select_in_use().filter(team=Team.SALES).values_list("slug", flat=True)[0])


def may_take(person: User, team: str) -> bool:
    """Return whether the person takes tickets of this team; while the sales team has nobody, everybody does."""
    if team != Team.SALES:
        return True
    members = find_sales_pks()
    return not members or person.pk in members


def _read_known(slug: str) -> tuple[str, str, bool]:
    """Return label, team and whether customers choose it, which never change of a category; if there is none, no team.

    Its label is then the slug.
    """
    if slug not in _KNOWN:  # all at once: there are few
        rows = TicketCategory.objects.values_list("slug", "label", "team", "is_for_customers")
        _KNOWN.update({each: (label, team, chosen) for each, label, team, chosen in rows})
    return _KNOWN.get(slug, (slug, "", False))
