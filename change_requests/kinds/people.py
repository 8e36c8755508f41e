"""Find the people of a company: who is active, who holds powers, and who may become a representative (M8)."""

from django.db.models import QuerySet

from accounts.models import Customer, Representative, User


def find_active_people(customer: Customer) -> QuerySet[User]:
    """Return the company's people with an active account."""
    return User.objects.filter(is_active=True, contact__customer=customer)


def find_person(customer: Customer, email: str) -> User | None:
    """Return the company's active person with this mail address, or None."""
    return find_active_people(customer).filter(email=email.lower()).first()


def holds_powers(customer: Customer, person: User) -> bool:
    """Return True if the person may act for the company today, by powers in force."""
    return Representative.objects.filter(customer=customer, user=person).in_force().exists()


def find_open_representatives(customer: Customer) -> QuerySet[Representative]:
    """Return the company's representatives whose powers were not revoked, in force or not."""
    return Representative.objects.filter(customer=customer, revoked_at__isnull=True)


def may_be_added(customer: Customer, email: str) -> bool:
    """Return True if no representative of the company has this mail address."""
    return not find_open_representatives(customer).filter(email=email).exists()
