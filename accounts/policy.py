"""Who may do what to accounts, asked on objects in hand."""

from accounts.models import Customer, Office, User


def may_verify(user: User) -> bool:
    """Whether the person checks companies that signed up: our own agents and supervisors."""
    return user.holds(Office.AGENT, Office.SUPERVISOR)


def may_see_customers(user: User) -> bool:
    """Whether the person sees the list of companies: who verifies, and superusers; no third party (M3)."""
    return may_verify(user) or (user.is_active and user.is_superuser)


def may_manage_people(user: User, customer: Customer) -> bool:
    """Whether the person invites and limits the people of this verified company: its representative."""
    membership = user.membership
    return (
        user.is_active
        and membership is not None
        and membership.is_representative
        and membership.customer_id == customer.pk
        and customer.is_verified
    )


def may_decide_factor_reset(user: User) -> bool:
    """Whether the person may be the second one of a factor reset: a superuser or the security officer."""
    return user.is_active and (user.is_superuser or user.holds(Office.SECURITY_OFFICER))
