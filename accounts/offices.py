"""Say what each office (cargo) may do in the admin, in one place; Django's groups only show it.

Permissions follow the offices in force at that moment (`accounts.sign_in.backends`) and never the groups, so an office
that ended a minute ago gives nothing. Permissions are named by texts, so that accounts imports no other app.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Group

from accounts.models import CONTROL_OFFICES, DESK_OFFICES, READING_OFFICES, Office, RoleAssignment, User
from accounts.models.people import PERSON, describe_person
from factureya.core import audit

_QUEUE = frozenset({"tickets.view_ticket", "tickets.change_ticket", "tickets.add_ticket"})
_DESK = _QUEUE | {"accounts.view_customer", "accounts.view_customertoverify", "accounts.change_customertoverify"}
_SUPERVISION = frozenset(
    {
        "core.view_outboxmessage",
        "core.change_outboxmessage",
        "core.view_holiday",
        "core.add_holiday",
        "core.change_holiday",
        "core.delete_holiday",
        "accounts.view_provider",
    }
)
# M26: Auditoría reads every list of the admin and changes none; no permission here begins with another verb.
_READING = frozenset(
    {
        "tickets.view_ticket",
        "accounts.view_customer",
        "accounts.view_customertoverify",
        "accounts.view_provider",
        "core.view_outboxmessage",
        "core.view_holiday",
    }
)

PERMISSIONS: dict[str, frozenset[str]] = {
    Office.AGENT: _DESK,
    Office.THIRD_PARTY_AGENT: _QUEUE,  # M3: only their provider's tickets; no list of our customers
    Office.SUPERVISOR: _DESK | _SUPERVISION,
    Office.SECURITY_OFFICER: frozenset(),
    Office.INFORMATION_OWNER: frozenset(),
    Office.IT_HEAD: frozenset(),
    Office.IMPLEMENTER: frozenset(),
    Office.DEVELOPER: frozenset(),
    Office.AUDITOR: _READING,
}


def list_permissions(offices: Iterable[str]) -> set[str]:
    """Return the permissions ("app.codename") that these offices give together."""
    return set().union(*(PERMISSIONS[office] for office in offices))


def sync_groups(user: User, *, actor: User) -> None:
    """Update a person's `is_staff` and Django groups from the offices (cargos) held, also those that begin later.

    The caller has locked the person. A change of `is_staff` is recorded (M26).
    """
    open_or_future = RoleAssignment.objects.filter(user=user).not_ended()
    offices = set(open_or_future.values_list("office", flat=True))
    is_staff = user.is_superuser or bool(offices & (DESK_OFFICES | CONTROL_OFFICES | READING_OFFICES))
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
        audit.record("person.staff_changed", user, actor=actor, rows={PERSON: describe_person(user)})
    user.groups.set([_get_group(office) for office in sorted(offices)])
    user.__dict__.pop("assignments", None)  # a cached property; the next use reads the database again


def _get_group(office: str) -> Group:
    """Return the group of this office, and make it if it does not exist."""
    return Group.objects.get_or_create(name=Office(office).label)[0]
