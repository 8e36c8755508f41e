"""What an executed formal request does to people (M7): invite, disable, take the password away.

`change_requests` decides and records why; these leave their own event in the person's or the company's chain, with
the request's folio. Called inside the execution's transaction.
"""

from accounts.models import Contact, Customer, Invitation, User
from accounts.operations import people
from accounts.operations.common import lock_user
from factureya.core import audit
from factureya.core.refusals import require


def invite_by_request(customer: Customer, *, email: str, folio: str, invited_by: User, actor: User) -> Invitation:
    """ALTA: mail the invitation; `invited_by` is the representative who asked. A pending one gets a new link."""
    pending = Invitation.objects.select_for_update().filter(
        customer=customer, email=email, accepted_at__isnull=True, cancelled_at__isnull=True
    )
    invitation = pending.first() or Invitation(customer=customer, email=email)
    invitation.invited_by, invitation.own_tickets_only = invited_by, False
    people.send(invitation, "contact.invited", actor=actor, folio=folio)
    return invitation


def disable_by_request(pk: int, *, folio: str, actor: User) -> User:
    """BAJA: the account is closed and every session ends with the next request. Raises Refused when it is closed."""
    person = lock_user(pk)
    require(person.is_active, "La cuenta ya está desactivada.")
    person.is_active = False
    person.session_epoch += 1
    person.save(update_fields=["is_active", "session_epoch"])
    audit.record("person.deactivated", person, actor=actor, reason=folio)
    return person


def void_password(pk: int, *, folio: str, actor: User) -> User:
    """CLAVE: the old password works no more and every session ends; the new one comes by a link.

    Raises Refused when the account is closed.
    """
    person = lock_user(pk)
    require(person.is_active, "La cuenta está desactivada.")
    person.set_unusable_password()
    person.session_epoch += 1
    person.save(update_fields=["password", "session_epoch"])
    audit.record("person.password_voided", person, actor=actor, folio=folio)
    return person


def void_password_link(pk: int, *, folio: str) -> bool:
    """Make the link of a cambio de clave useless, because its mail was not delivered (M7); False when it was used."""
    person = lock_user(pk)
    if person.has_usable_password() or not person.is_active:
        return False
    person.session_epoch += 1  # the link is signed over it
    person.save(update_fields=["session_epoch"])
    audit.record("person.password_link_voided", person, actor=None, folio=folio)
    return True


def change_role_by_request(pk: int, *, role: str, folio: str, actor: User) -> None:
    """Who won or lost powers is shown as what he is now, and signs in again."""
    person = lock_user(pk)
    person.session_epoch += 1
    person.save(update_fields=["session_epoch"])
    Contact.objects.filter(user=person).update(role=role)
    audit.record("person.role_changed", person, actor=actor, role=role, folio=folio)
