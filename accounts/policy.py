"""Decide who may do what to accounts, on the objects given."""

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import READING_OFFICES, Contact, Customer, Office, Representative, User


def may_verify(user: User) -> bool:
    """Return True if the person checks companies that signed up: our own agents and supervisors."""
    return user.holds(Office.AGENT, Office.SUPERVISOR)


def may_see_customers(user: User) -> bool:
    """Return True if the person sees the list of companies (M3, M26).

    Those who may verify companies, superusers, and those who read everything see it. Third parties do not.
    """
    return may_verify(user) or user.reads_all or (user.is_active and user.is_superuser)


def may_see_companies_to_verify(user: User) -> bool:
    """Return True if the person sees the companies that wait for staff; who reads everything may not decide there."""
    return may_verify(user) or user.reads_all


def may_enter_credits(user: User) -> bool:
    """Return True if the person enters and imports what is left of the companies' credits: a supervisor of ours."""
    return user.holds(Office.SUPERVISOR)


def may_see_own_credits(user: User) -> bool:
    """Return True if the person may read the credits of the own company: a contact not limited to own tickets."""
    membership = user.membership
    return membership is not None and user.is_active and not membership.own_tickets_only


def may_read_people(user: User) -> bool:
    """Return True if the person sees all accounts with their offices: a superuser, or Auditoría (M26)."""
    return user.is_active and (user.is_superuser or user.holds(*READING_OFFICES))


def may_manage_people(user: User, customer: Customer) -> bool:
    """Return True if the person may invite people to this company and limit what they see.

    Only a representative with powers today may, and only once the company is verified; staff may not.
    """
    membership = user.membership
    return (
        user.is_active
        and not user.is_staff
        and membership is not None
        and membership.customer_id == customer.pk
        and customer.is_verified
        and membership.is_representative
        and membership.has_powers
    )


def may_change_branding(user: User, customer: Customer) -> bool:
    """Return True if the person may change the company's logo and colours (M33).

    The representatives who may manage its people may, until the company's service ends (`is_suspended`).
    """
    return may_manage_people(user, customer) and not customer.is_suspended


def add_powers(contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Return the contacts with the kind of their powers today, so that a list needs one query and not one for each."""
    powers = Representative.objects.filter(user=OuterRef("user"), customer=OuterRef("customer"))
    kinds = powers.in_force().order_by("pk").values("power_kind")[:1]
    return contacts.annotate(power_listed=Subquery(kinds))  # which `Contact.power_today` reads


def may_decide_factor_reset(user: User) -> bool:
    """Return True if the person may be the second one of a factor reset: a superuser or the security officer."""
    return user.is_active and (user.is_superuser or user.holds(Office.SECURITY_OFFICER))
