"""Say what an event holds of an office, a company, its people and its powers, and how today's rows are compared (M26).

`core.record.state` reads KINDS. Each `describe_…` returns the whole row as an event holds it.
"""

from accounts.models import Branding, Contact, CreditBalance, Customer, Representative, RoleAssignment, User
from accounts.models.people import PERSON, describe_person
from factureya.core.record.state import Facts, Kind, read_facts

OFFICE, COMPANY, CONTACT, REPRESENTATIVE = "office", "company", "contact", "representative"
BRANDING, CREDITS = "branding", "credits"
_OFFICE_FACTS = ("user_id", "office", "provider_id", "starts_at", "ends_at", "granted_by_id", "granted_at")
_COMPANY_FACTS = (
    *("pk", "rfc", "legal_name", "fiscal_address", "phone", "registered_email", "rfc_check_failed"),
    *("verified_at", "verified_by_id", "refused_at", "joined_to_id", "status", "suspended_at"),
)
_CONTACT_FACTS = ("user_id", "customer_id", "role", "own_tickets_only", "invited_by_id")
_REPRESENTATIVE_FACTS = (
    *("pk", "customer_id", "user_id", "name", "rfc", "email", "power_kind", "instrument"),
    *("valid_from", "valid_until", "document_id", "verified_by_id", "verified_at", "revoked_at", "revoked_by_id"),
)

_BRANDING_FACTS = ("customer_id", "chosen_main", "chosen_accent", "shown_main", "shown_accent", "logo_is_light")
_CREDIT_FACTS = (
    *("customer_id", "package", "total", "remaining", "valid_until", "source", "recorded_at", "recorded_by_id"),
)


def describe_new_office(assignment: RoleAssignment) -> Facts:
    """Return the row of an office (cargo) that is to be written, as the event before it says it."""
    return _read(assignment, _OFFICE_FACTS)


def describe_office(assignment: RoleAssignment) -> Facts:
    """Return the whole row of a granted office (cargo), as an event holds it: also its keys and who ended it.

    `granted_seq` is the number of the event that granted it. An office granted before there were such events gets its
    negative key instead, so that each office of a person has its own number.
    """
    facts = {**_read(assignment, (*_OFFICE_FACTS, "pk")), "granted_seq": assignment.granted_seq or -assignment.pk}
    return {**facts, "ended_by": assignment.ended_by_id}


def describe_company(customer: Customer) -> Facts:
    """Return a company's registered data and what staff decided about it."""
    return _read(customer, _COMPANY_FACTS)


def describe_contact(contact: Contact) -> Facts:
    """Return a person's place in a company."""
    return _read(contact, _CONTACT_FACTS)


def describe_representative(representative: Representative) -> Facts:
    """Return a representative's powers as an event holds them, with the hash of the document that proves them."""
    document = representative.document
    facts = _read(representative, _REPRESENTATIVE_FACTS)
    return {**facts, "document_sha256": document.sha256 if document else None}


def describe_branding(branding: Branding) -> Facts:
    """Return a company's colours and logo as an event holds them, with the hash of the logo stored now (M33)."""
    logo = branding.logo
    return {**_read(branding, _BRANDING_FACTS), "logo_sha256": logo.hash_sizes() if logo else ""}


def describe_credits(balance: CreditBalance) -> Facts:
    """Return a company's credit package, what is left of it, and who said so."""
    return _read(balance, _CREDIT_FACTS)


def _read(row: object, columns: tuple[str, ...]) -> Facts:
    """Return these columns of a row; a key column is called by its relation, «user» and not «user_id»."""
    return read_facts(row, **{column.removesuffix("_id"): column for column in columns})  # type: ignore[arg-type]


KINDS = [
    Kind(
        PERSON,
        "la cuenta",
        verbs=("person.joined", "person.deactivated", "person.reactivated", "person.staff_changed"),
        rows=User.objects.all,
        describe=describe_person,
        subject=lambda person: person,
        chains=lambda person: (person.chain,),
        key=("pk",),
        column="pk",
    ),
    Kind(
        OFFICE,
        "el cargo",
        verbs=("office.granted", "office.ended", "staff.joined"),
        rows=RoleAssignment.objects.select_related("user").all,
        describe=describe_office,
        subject=lambda assignment: assignment.user,
        chains=lambda assignment: (f"user:{assignment.user_id}",),
        key=("user", "granted_seq"),
        column="user_id",
        seq_fact="granted_seq",
    ),
    Kind(
        COMPANY,
        "la empresa",
        verbs=("company.verified", "company.changed"),
        rows=lambda: Customer.objects.filter(verified_at__isnull=False),
        describe=describe_company,
        subject=lambda customer: customer,
        chains=lambda customer: (customer.chain,),
        key=("pk",),
        column="pk",
    ),
    Kind(
        CONTACT,
        "el contacto",
        verbs=(
            *("company.registered", "company.verified", "contact.joined", "contact.moved", "contact.limited"),
            "person.role_changed",
        ),
        rows=Contact.objects.select_related("customer").all,
        describe=describe_contact,
        subject=lambda contact: contact.customer,
        chains=lambda contact: (f"customer:{contact.customer_id}", f"user:{contact.user_id}"),
        key=("user",),
        column="user_id",
    ),
    Kind(
        REPRESENTATIVE,
        "el representante",
        verbs=("company.verified", "representative.added", "representative.revoked"),
        rows=Representative.objects.select_related("customer", "document").all,
        describe=describe_representative,
        subject=lambda representative: representative.customer,
        chains=lambda representative: (f"customer:{representative.customer_id}",),
        key=("pk",),
        column="pk",
    ),
    Kind(
        BRANDING,
        "la imagen",
        verbs=("company.branding_changed",),
        rows=Branding.objects.select_related("customer", "logo").all,
        describe=describe_branding,
        subject=lambda branding: branding.customer,
        chains=lambda branding: (f"customer:{branding.customer_id}",),
        key=("customer",),
        column="customer_id",
    ),
    Kind(
        CREDITS,
        "los créditos",
        verbs=("credits.set",),
        rows=CreditBalance.objects.select_related("customer").all,
        describe=describe_credits,
        subject=lambda balance: balance.customer,
        chains=lambda balance: (f"customer:{balance.customer_id}",),
        key=("customer",),
        column="customer_id",
    ),
]
