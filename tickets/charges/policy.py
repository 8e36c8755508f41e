"""Say who may note minutes, propose a charge, decide it, and read what was charged (M18)."""

from django.db.models import Exists, OuterRef

from accounts.models import Customer, Office, Representative, User
from tickets import policy
from tickets.models import Ticket

require, may_work = policy.require, policy.may_work


def may_propose(user: User, ticket: Ticket) -> bool:
    """Return whether the person is a supervisor of the ticket's provider now; he proposes and withdraws charges."""
    return policy.may_hand_over(user, ticket)


def find_representation(user: User, customer: Customer) -> Representative | None:
    """Return the powers by which the person represents the company now, or None; asked again at every use."""
    membership = user.membership
    if not user.is_active or user.is_staff or membership is None or membership.customer_id != customer.pk:
        return None
    return Representative.objects.filter(user=user, customer=customer).in_force().order_by("pk").first()


def find_deciders(customer: Customer) -> list[User]:
    """Return the people who may decide a charge of the company today: its active representatives with powers."""
    powers = Representative.objects.filter(user=OuterRef("pk"), customer=customer).in_force()
    people = User.objects.filter(Exists(powers), is_active=True, is_staff=False, contact__customer=customer)
    return list(people.select_related("contact__customer").order_by("pk"))


def may_read_statement(user: User, customer: Customer) -> bool:
    """Return whether the person reads what the company owes: who represents it, our supervisors, and Auditoría."""
    return user.reads_all or user.holds(Office.SUPERVISOR) or find_representation(user, customer) is not None


def may_read_statements(user: User) -> bool:
    """Return whether the person reads the statements of every company: our supervisors and Auditoría."""
    return user.is_staff and (user.reads_all or user.holds(Office.SUPERVISOR))
