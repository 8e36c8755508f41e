"""Make the demo's accounts: the staff and its offices, companies with their contacts; all by the real operations."""

import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts import operations, rfc
from accounts.models import DESK_OFFICES, Customer, Office, Provider, User
from factureya.core import clock
from factureya.core.models import OutboxMessage

DOMAIN = "demo.example"
PASSWORD = "Factureya-demo-2026"  # noqa: S105 - printed on purpose; the demo only
ROOT = f"root@{DOMAIN}"


def make_address(key: str) -> str:
    """Return the mail address of the demo account `key`."""
    return f"{key}@{DOMAIN}"


def exists() -> bool:
    """Return True if the demo was seeded before."""
    return User.objects.filter(email=ROOT).exists()


def create(start: datetime) -> dict[str, User]:
    """Make all accounts of people.toml, and return the users by the keys that they have there.

    Staff join at `start`, verified companies then or hours later, other companies (waiting, refused) four days ago.
    """
    data = tomllib.loads((Path(__file__).parent / "people.toml").read_text())
    with clock.at(start):
        root = User.objects.create_superuser(ROOT, PASSWORD, full_name="Raíz del Sistema")
        EmailAddress.objects.create(user=root, email=root.email, verified=True, primary=True)
        third_party = operations.add_provider(name=data["provider"], actor=root)
        people = {entry["key"]: _invite_staff(entry, root, third_party) for entry in data["staff"]}
    for index, entry in enumerate(data["company"]):
        is_verified = entry["state"] == "verified"
        signed_up = start + timedelta(hours=3 * index) if is_verified else clock.now() - timedelta(days=4, hours=5)
        people |= _make_company(entry, signed_up, people["laura"])  # a supervisor decides about it
    return people


def list_accounts() -> list[tuple[str, str, str]]:
    """Return the demo's main accounts as (address, name, role or offices), as `seed_demo` prints them."""
    keys = "ana beto carla dario irma laura elsa fabian jorge gina hugo olga root".split()
    order = {make_address(key): index for index, key in enumerate(keys)}
    users = User.objects.select_related("contact__customer").filter(email__in=order)
    return [(user.email, user.full_name, _describe(user)) for user in sorted(users, key=lambda user: order[user.email])]


def _describe(user: User) -> str:
    """Return in Spanish what the person of a demo account is: superuser, role in a company, or offices."""
    if user.is_superuser:
        return "Superusuario: invita personal y otorga cargos"
    if user.membership is not None:
        return f"{user.membership.get_role_display()} · {user.membership.customer}"
    return ", ".join(assignment.get_office_display() for assignment in user.assignments)


def _invite_staff(entry: dict[str, Any], root: User, third_party: Provider) -> User:
    """Let the superuser invite a person of people.toml (`entry`) to an office (cargo); return the user who accepted.

    Who has an office of the desk works for a provider: for the third party as its agent, else for Factureya (M3).
    """
    email, office, provider = make_address(entry["key"]), Office(entry["office"]), None
    if office in DESK_OFFICES:
        provider = third_party if office == Office.THIRD_PARTY_AGENT else Provider.objects.get(is_own=True)
    operations.invite_staff(email=email, office=office, provider=provider, actor=root)
    return _accept_invitation(email, entry["name"])


def _make_company(entry: dict[str, Any], signed_up: datetime, supervisor: User) -> dict[str, User]:
    """Make a company of people.toml (`entry`), verified, refused or waiting, and return its users by their keys.

    The first person signs it up, and invites the others once it is verified.
    """
    first, *others = entry["contacts"]
    with clock.at(signed_up):
        person = _sign_up(first, entry)
    customer = person.contact.customer
    if entry["state"] == "refused":
        with clock.at(signed_up + timedelta(days=1)):
            operations.refuse_company(customer.pk, reason=entry["reason"], actor=supervisor)
    people = {first["key"]: person}
    if entry["state"] == "verified":
        with clock.at(signed_up + timedelta(hours=2)):
            operations.verify_company(customer.pk, actor=supervisor)
            for other in others:
                people[other["key"]] = _invite_contact(customer, person, other)
    return people


def _sign_up(person_entry: dict[str, Any], company_entry: dict[str, Any]) -> User:
    """Sign up a company of people.toml and its first person, whose mail becomes verified; return the person's user."""
    person = operations.register_company(
        email=make_address(person_entry["key"]),
        password=PASSWORD,
        full_name=person_entry["name"],
        rfc=rfc.parse_rfc(company_entry["rfc"]),
        legal_name=company_entry["legal_name"],
    )
    EmailAddress.objects.filter(user=person).update(verified=True)
    company_data = {name: company_entry[name] for name in ("fiscal_address", "phone", "registered_email")}
    Customer.objects.filter(pk=person.contact.customer_id).update(**company_data)
    return person


def _invite_contact(customer: Customer, representative: User, entry: dict[str, Any]) -> User:
    """Let a representative invite a contact of people.toml (`entry`), who accepts; return the contact's user."""
    email, actor = make_address(entry["key"]), User.objects.get(pk=representative.pk)  # now verified
    with transaction.atomic():
        operations.invite_by_request(customer, email=email, folio="demo", invited_by=actor, actor=actor)
    person = _accept_invitation(email, entry["name"])
    if entry.get("own_tickets_only", False):
        operations.limit_contact(person.contact.pk, own_tickets_only=True, actor=actor)
    return person


def _accept_invitation(email: str, name: str) -> User:
    """Accept an invitation with the link in its mail, which still waits in the outbox; return the new user."""
    body = OutboxMessage.objects.filter(to=email).latest("pk").body
    link = re.search(r"https?://\S+/([^/\s]+)/\s", body)
    assert link is not None  # the mail of an invitation carries one
    return operations.accept_invitation(link.group(1), full_name=name, password=PASSWORD)
