"""The one cast of the tests, and plain functions that make accounts, valid by default.

Ana, Beto and Dana are of one company, Carla of another; Laura is mesa de control, Fabián the information owner, Elsa
the security officer, Gina the implementer, Jorge the head of IT.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.models import Contact, Customer, Office, Provider, Representative, RoleAssignment, User
from change_requests.models import ACCESS, InformationAsset
from factureya.core.clock import now

PASSWORD = "Factureya-demo-2026"
_serial = count(1)


def make_user(email: str = "", full_name: str = "", **extra: Any) -> User:
    """Make a person with a verified address and PASSWORD."""
    email = email or f"persona{next(_serial)}@ejemplo.mx"
    user = User.objects.create_user(email, PASSWORD, full_name=full_name or email.split("@")[0].title(), **extra)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def make_superuser(email: str = "root@factureya.com") -> User:
    """Return the superuser who invites staff and grants offices, made at the first call."""
    return User.objects.filter(email=email).first() or make_user(
        email, "Superusuario", is_staff=True, is_superuser=True
    )


def make_customer(rfc: str = "", legal_name: str = "", *, verified: bool = True, **extra: Any) -> Customer:
    """Make a company, verified unless told otherwise."""
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
    """Make a contact's user; `.contact.customer` is the company. A representative of a new company has powers."""
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
    """Return Factureya itself, made again after a transactional test flushed it."""
    return Provider.objects.get_or_create(is_own=True, defaults={"name": "Factureya"})[0]


def make_staff(office: str = Office.AGENT, *, provider: Provider | None = None, **user: Any) -> User:
    """Make a member of staff who holds one office."""
    person = make_user(is_staff=True, **user)
    desk = office in {Office.AGENT, Office.THIRD_PARTY_AGENT, Office.SUPERVISOR}
    give_office(person, office, provider=(provider or own_provider()) if desk else None)
    return person


def give_office(person: User, office: str, **columns: Any) -> RoleAssignment:
    """Give a member of staff one more office."""
    return RoleAssignment.objects.create(user=person, office=office, granted_by=make_superuser(), **columns)


def make_hugo() -> User:
    """Make Hugo, a developer who is an implementer too."""
    hugo = make_staff(Office.IMPLEMENTER, full_name="Hugo Desarrolla")
    give_office(hugo, Office.DEVELOPER)
    return hugo


def make_auditor(**user: Any) -> User:
    """Make Olga, who reads everything and writes nothing (M26)."""
    return make_staff(Office.AUDITOR, **{"full_name": "Olga Auditora", **user})


def make_agent(**user: Any) -> User:
    """Make an agent of our own."""
    return make_staff(Office.AGENT, **user)


def make_representative(customer: Customer | None = None, *, valid_until: date | None = None, **user: Any) -> User:
    """Make the legal representative of a company, which must not be verified yet and is verified from then on.

    Of a verified company only an execution writes a representative, so he comes first. His powers may end some day.
    """
    customer = customer or make_customer(verified=False)
    person = make_contact(customer, representative=True, **user)
    represent(customer, person, valid_until=valid_until)
    Customer.objects.filter(pk=customer.pk).update(verified_at=now(), verified_by=make_superuser())
    return User.objects.select_related("contact__customer").get(pk=person.pk)


def represent(customer: Customer, person: User, **columns: Any) -> Representative:
    """Write a representative of a company that is not verified yet; the powers began ten days ago and have no end."""
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


def own_assets(owner: User | None = None) -> User:
    """Give every information asset but access an owner, Fabián if none is told; return him."""
    owner = owner or make_staff(Office.INFORMATION_OWNER, full_name="Fabián Dueño")
    InformationAsset.objects.exclude(code=ACCESS).update(
        owner=owner, alternate=None, alternate_from=None, alternate_until=None
    )
    return owner


@dataclass
class Cast:
    """Hold who acts in a request: Ana asks, Laura verifies, Fabián and Elsa approve, Gina implements, Jorge checks."""

    ana: User = field(default_factory=lambda: make_representative(full_name="Ana Robles"))
    laura: User = field(default_factory=lambda: make_staff(Office.SUPERVISOR, full_name="Laura Mesa"))
    fabian: User = field(default_factory=own_assets)
    elsa: User = field(default_factory=lambda: make_staff(Office.SECURITY_OFFICER, full_name="Elsa Segura"))
    gina: User = field(default_factory=lambda: make_staff(Office.IMPLEMENTER, full_name="Gina Implementa"))
    jorge: User = field(default_factory=lambda: make_staff(Office.IT_HEAD, full_name="Jorge Revisa"))

    @property
    def customer(self) -> Customer:
        """Return Ana's company."""
        return self.ana.contact.customer

    def colleague(self, **user: Any) -> User:
        """Make somebody else of Ana's company."""
        return make_contact(self.customer, **user)


@dataclass(kw_only=True)
class Neighbours(Cast):
    """Hold the same people and others: Dana has powers for ten more days, Beto is a contact, Carla a stranger."""

    dana: User
    beto: User
    carla: User


def make_neighbours() -> Neighbours:
    """Make the whole cast; Ana, Beto and Dana are of Papelería Ocaso, whose phone and address are on file.

    Dana comes first, because only an execution adds a representative to a verified company.
    """
    ocaso = make_customer(
        "POC930314QX7",
        "Papelería Ocaso SA de CV",
        verified=False,
        phone="222 555 0134",
        fiscal_address="Av. Juárez 1420, Col. La Paz, 72160 Puebla, Pue.",
        registered_email="contacto@ocaso.mx",
    )
    dana = make_contact(ocaso, representative=True, email="dana@ocaso.mx", full_name="Dana Poder")
    until = timezone.localdate(now()) + timedelta(days=10)
    represent(ocaso, dana, power_kind="attorney", valid_until=until)
    ana = make_representative(ocaso, email="ana@ocaso.mx", full_name="Ana Robles")
    return Neighbours(
        ana=ana,
        dana=User.objects.select_related("contact__customer").get(pk=dana.pk),
        beto=make_contact(ana.contact.customer, email="beto@ocaso.mx", full_name="Beto Luna"),
        carla=make_representative(email="carla@otra.mx", full_name="Carla Sol"),
    )
