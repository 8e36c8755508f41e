"""The demo's accounts: companies with their contacts, the staff and its offices."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress

from accounts.models import (
    DESK_OFFICES,
    Contact,
    Customer,
    Office,
    Provider,
    RoleAssignment,
    User,
)
from factureya.core import clock

DOMAIN = "demo.example"
PASSWORD = "Factureya-demo-2026"  # noqa: S105 - printed on purpose; the demo only
ROOT = f"root@{DOMAIN}"


def mail_of(key: str) -> str:
    """The address of a demo account."""
    return f"{key}@{DOMAIN}"


def exists() -> bool:
    """Whether the demo was seeded before."""
    return User.objects.filter(email=ROOT).exists()


def create(start: datetime) -> dict[str, User]:
    """Make every account as of `start`; the people by key, with their company in memory."""
    data = tomllib.loads((Path(__file__).parent / "people.toml").read_text())
    with clock.at(start):
        root = _person("root", "Raíz del Sistema", is_staff=True, is_superuser=True)
        provider = Provider.objects.get_or_create(name=data["provider"])[0]
        people = {"root": root}
        for entry in data["staff"]:
            people[entry["key"]] = _staff(entry, root, provider)
    for index, entry in enumerate(data["company"]):
        signed_up = _signed_up(entry, start + timedelta(hours=3 * index))
        people |= _company(entry, signed_up, people["laura"])
    return people


def rows() -> list[tuple[str, str, str]]:
    """The accounts as (address, name, what they are), for printing."""
    wanted = ["ana", "beto", "carla", "dario", "irma", "laura", "elsa", "fabian", "jorge", "gina"]
    order = {mail_of(key): place for place, key in enumerate([*wanted, "hugo", "root"])}
    found = User.objects.select_related("contact__customer").filter(email__in=order)
    return [
        (user.email, user.full_name, _what(user))
        for user in sorted(found, key=lambda user: order[user.email])
    ]


def _signed_up(entry: dict[str, Any], early: datetime) -> datetime:
    """Verified companies are old; those to verify signed up these days."""
    if entry["state"] == "verified":
        return early
    return clock.now() - timedelta(days=4, hours=5)


def _what(user: User) -> str:
    if user.is_superuser:
        return "Superusuario: invita personal y otorga cargos"
    if user.membership is not None:
        return f"{user.membership.get_role_display()} · {user.membership.customer}"
    return ", ".join(assignment.get_office_display() for assignment in user.assignments)


def _person(key: str, name: str, **extra: Any) -> User:
    user = User.objects.create_user(mail_of(key), PASSWORD, full_name=name, **extra)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def _staff(entry: dict[str, Any], root: User, third_party: Provider) -> User:
    user = _person(entry["key"], entry["name"], is_staff=True)
    office = Office(entry["office"])
    own = Provider.objects.get(is_own=True)
    provider = third_party if office == Office.THIRD_PARTY_AGENT else own
    RoleAssignment.objects.create(
        user=user,
        office=office,
        provider=provider if office in DESK_OFFICES else None,
        granted_by=root,
    )
    return user


def _company(entry: dict[str, Any], signed_up: datetime, supervisor: User) -> dict[str, User]:
    verified, refused = entry["state"] == "verified", entry["state"] == "refused"
    with clock.at(signed_up):
        customer = Customer.objects.create(
            rfc=entry["rfc"],
            legal_name=entry["legal_name"],
            fiscal_address=entry["fiscal_address"],
            phone=entry["phone"],
            registered_email=entry["registered_email"],
            rfc_check_failed=entry.get("check_failed", False),
            verified_at=signed_up + timedelta(hours=2) if verified else None,
            verified_by=supervisor if verified else None,
            refused_at=signed_up + timedelta(days=1) if refused else None,
            refusal_reason=entry.get("reason", ""),
        )
        people = {}
        for contact in entry["contacts"]:
            user = _person(contact["key"], contact["name"])
            Contact.objects.create(
                user=user,
                customer=customer,
                role=contact["role"],
                own_tickets_only=contact.get("own_tickets_only", False),
            )
            people[contact["key"]] = user
    return people
