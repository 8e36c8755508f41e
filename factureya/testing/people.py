"""Plain functions that make accounts, valid by default. The cast: Ana and Beto (one company), Carla (a stranger),
Dario (agent), Elsa (security officer), Fabián (information owner), Gina (implementer), Hugo (developer)."""

from datetime import timedelta
from itertools import count
from typing import Any

from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.models import Contact, Customer, Office, Provider, Representative, RoleAssignment, User
from factureya.core.clock import now

PASSWORD = "Factureya-demo-2026"
_serial = count(1)


def make_user(email: str = "", full_name: str = "", **extra: Any) -> User:
    """Return a person with a verified address and PASSWORD."""
    email = email or f"persona{next(_serial)}@ejemplo.mx"
    user = User.objects.create_user(email, PASSWORD, full_name=full_name or email.split("@")[0].title(), **extra)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def make_superuser(email: str = "root@factureya.com") -> User:
    """Return the superuser who invites staff and grants offices."""
    return User.objects.filter(email=email).first() or make_user(
        email, "Superusuario", is_staff=True, is_superuser=True
    )


def make_customer(rfc: str = "", legal_name: str = "", *, verified: bool = True, **extra: Any) -> Customer:
    """Return a company, verified unless told otherwise."""
    number = next(_serial)
    if verified:
        extra.setdefault("verified_at", now())
        extra.setdefault("verified_by", make_superuser())
    return Customer.objects.create(
        rfc=rfc or f"PRU{number % 100:02d}0101{number // 100:03d}",
        legal_name=legal_name or f"Empresa {number} SA de CV",
        registered_email=extra.pop("registered_email", f"empresa{number}@ejemplo.mx"),
        **extra,
    )


def make_contact(
    customer: Customer | None = None, *, representative: bool = False, own_tickets_only: bool = False, **user: Any
) -> User:
    """Return a contact's user; `.contact.customer` is the company. A new one's representative has powers."""
    if representative and customer is None:
        return make_representative(own_tickets_only=own_tickets_only, **user)
    person = make_user(**user)
    Contact.objects.create(
        user=person,
        customer=customer or make_customer(),
        own_tickets_only=own_tickets_only,
        role=Contact.Role.REPRESENTATIVE if representative else Contact.Role.CONTACT,
    )
    return person


def own_provider() -> Provider:
    """Factureya itself (again after a transactional test flushed it)."""
    return Provider.objects.get_or_create(is_own=True, defaults={"name": "Factureya"})[0]


def make_staff(office: str = Office.AGENT, *, provider: Provider | None = None, **user: Any) -> User:
    """Return a member of staff who holds one office."""
    person = make_user(is_staff=True, **user)
    desk = office in {Office.AGENT, Office.THIRD_PARTY_AGENT, Office.SUPERVISOR}
    RoleAssignment.objects.create(
        user=person, office=office, provider=(provider or own_provider()) if desk else None, granted_by=make_superuser()
    )
    return person


def make_agent(**user: Any) -> User:
    """Return an agent of our own."""
    return make_staff(Office.AGENT, **user)


def make_representative(customer: Customer | None = None, **user: Any) -> User:
    """Return the legal representative of a verified company, with his row; `customer` must not be verified yet.

    Of a verified company only an execution writes a representative, so he comes first.
    """
    customer = customer or make_customer(verified=False)
    person = make_contact(customer, representative=True, **user)
    represent(customer, person)
    Customer.objects.filter(pk=customer.pk).update(verified_at=now(), verified_by=make_superuser())
    return User.objects.select_related("contact__customer").get(pk=person.pk)


def represent(customer: Customer, person: User, **columns: Any) -> Representative:
    """Return a representative's row of a company that isn't verified yet; powers from ten days ago, open."""
    return Representative.objects.create(
        **{
            "customer": customer,
            "user": person,
            "name": person.full_name,
            "email": person.email,
            "instrument": "Escritura 1234, Notaría 5 de Puebla",
            "verified_by": make_superuser(),
            "valid_from": timezone.localdate(now()) - timedelta(days=10),
            **columns,
        }
    )
