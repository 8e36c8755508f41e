"""Carry out what an executed formal request does to people (M7): invite, disable, void the password.

`change_requests` decides and records why. Each operation leaves its own event, with the request's folio, in the chain
of the person or the company, inside the transaction of the execution.
"""

from typing import Any

from accounts.models import Contact, Customer, Invitation, Representative, User, state
from accounts.operations import people
from accounts.operations.common import end_sessions, lock_user, record_company
from factureya.core import audit
from factureya.core.refusals import require


def invite_by_request(customer: Customer, *, email: str, folio: str, invited_by: User, actor: User) -> Invitation:
    """Mail an invitation, new or pending, to the contact that the executed request `folio` (ALTA) adds; return it."""
    pending = Invitation.objects.select_for_update().filter(
        customer=customer, email=email, accepted_at__isnull=True, cancelled_at__isnull=True
    )
    invitation = pending.first() or Invitation(customer=customer, email=email)
    invitation.invited_by, invitation.own_tickets_only = invited_by, False
    people.send_link(invitation, "contact.invited", actor=actor, folio=folio)
    return invitation


def disable_by_request(pk: int, *, folio: str, actor: User) -> User:
    """Close a person's account and end all sessions, for the executed request `folio` (BAJA); return the person."""
    person = lock_user(pk)
    require(person.is_active, "La cuenta ya está desactivada.")
    person.is_active = False
    end_sessions(person, "is_active")
    audit.record(
        "person.deactivated", person, actor=actor, reason=folio, rows={state.PERSON: state.describe_person(person)}
    )
    return person


def void_password(pk: int, *, folio: str, actor: User) -> User:
    """Void a person's password and end all sessions, for the executed request `folio` (CLAVE); return the person."""
    person = lock_user(pk)
    require(person.is_active, "La cuenta está desactivada.")
    person.set_unusable_password()
    end_sessions(person, "password")
    audit.record("person.password_voided", person, actor=actor, folio=folio)
    return person


def void_password_link(pk: int, *, folio: str) -> bool:
    """Void a link for a new password whose mail bounced (M7). Return False if it was used or the account is closed."""
    person = lock_user(pk)
    if person.has_usable_password() or not person.is_active:  # a password exists: the link was used
        return False
    end_sessions(person)  # the link is signed over `session_epoch`, which this changes
    audit.record("person.password_link_voided", person, actor=None, folio=folio)
    return True


def change_role_by_request(pk: int, *, role: str, folio: str, actor: User) -> None:
    """Change the role of a person who gained or lost powers by an executed request; the person must sign in again."""
    person = lock_user(pk)
    end_sessions(person)
    Contact.objects.filter(user=person).update(role=role)
    rows = {state.CONTACT: state.describe_contact(Contact.objects.get(user=person))}
    audit.record("person.role_changed", person, actor=actor, role=role, folio=folio, rows=rows)


def record_powers(representative: Representative, verb: str, *, folio: str, actor: User) -> None:
    """Record `representative.added` or `representative.revoked` with the whole row, in the company's chain (M8)."""
    rows = {state.REPRESENTATIVE: state.describe_representative(representative)}
    audit.record(verb, representative.customer, actor=actor, folio=folio, line=representative.line, rows=rows)


def record_company_change(customer: Customer, *, actor: User, **data: Any) -> None:
    """Record `company.changed` with all registered data of a company after the change, in the company's chain (M1).

    `data` says what changed them: the folio of the executed request, or of the emergency's grant.
    """
    record_company(customer, "company.changed", actor=actor, **data)
