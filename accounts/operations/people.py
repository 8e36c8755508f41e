"""Let people in by invitation, and let them change their own data."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts import notifications, offices, policy
from accounts.models import Contact, Invitation, User, state
from accounts.operations.common import (
    insert_assignment,
    insert_contact,
    lock_user,
    make_person,
    reload_person,
    require_fit,
    require_superuser,
)
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Event, OutboxMessage
from factureya.core.refusals import Refused, require

NOT_YOURS = "Solo el representante legal invita a personas de su empresa."
RETURNED = "El correo de la invitación se devolvió y por seguridad su enlace ya no sirve. Pida otra a quien le invitó."
UNUSABLE = "La invitación venció o ya se usó. Pida otra a quien le invitó."
RESET_MAILS = ("account/password_reset_code", "account/unknown_account")
_signer = signing.Signer(salt=own_links.INVITATION.salt)


def resend_invitation(pk: int, *, actor: User) -> Invitation:
    """Mail a new link of a pending invitation, which voids the old one, and return the invitation.

    A company's invitation now counts as the actor's: its link works only as long as that person may invite (M8).
    """
    with _lock_pending(pk, actor) as invitation:
        if invitation.customer is not None:
            invitation.invited_by = actor
        send_link(invitation, "invitation.resent", actor=actor)
    return invitation


def cancel_invitation(pk: int, *, actor: User) -> Invitation:
    """Cancel a pending invitation and return it; its link stops working at once."""
    with _lock_pending(pk, actor) as invitation:
        invitation.cancelled_at = now()
        invitation.save(update_fields=["cancelled_at"])
        audit.record("invitation.cancelled", invitation, actor=actor, email=invitation.email)
    return invitation


def open_invitation(token: str) -> Invitation:
    """Return the invitation of a link. Raises Refused if the link is forged, used, cancelled, too old or void."""
    return _find_usable(Invitation.objects.filter(token_hash=_hash_token(token)))


def accept_invitation(token: str, *, full_name: str, password: str) -> User:
    """Make an invited person's account and return the person. The mailed `token` works once and proves the address."""
    token_hash, password_hash = _hash_token(token), make_password(password)
    with transaction.atomic():
        invitation = _find_usable(Invitation.objects.select_for_update().filter(token_hash=token_hash))
        try:
            with transaction.atomic():  # an IntegrityError undoes only this
                person = make_person(invitation.email, full_name, password_hash, verified=True)
        except IntegrityError:
            raise Refused(UNUSABLE) from None  # somebody made an account with this address meanwhile
        invitation.accepted_at = now()
        invitation.save(update_fields=["accepted_at"])
        if invitation.office:  # an invitation of staff, else of a company
            _add_assignment(person, invitation)
        else:
            _add_contact(person, invitation)
    return person


def void_undelivered_invitation(mail: OutboxMessage) -> None:
    """Void the invitation whose link this undelivered mail carried, and tell the person who invited (M7, M16).

    Others may have read its link. If the invitation was mailed again since, the older mail voids nothing, because its
    link does not work any more. An accepted invitation stays accepted; we still write to the person who invited.
    """
    with transaction.atomic():
        invitations = Invitation.objects.select_for_update().filter(
            email=mail.to, cancelled_at__isnull=True, undelivered_at__isnull=True
        )
        # Events of an invitation form a chain; the mail names that chain in `about`.
        matching = [invitation for invitation in invitations.order_by("-created_at") if invitation.chain == mail.about]
        if not matching or _was_sent_again(mail):  # nothing left to void, or a newer mail has a newer link
            return
        invitation = matching[0]
        invitation.undelivered_at = now()
        invitation.save(update_fields=["undelivered_at"])
        event = audit.record(
            "invitation.undelivered",
            invitation,
            actor=None,
            email=invitation.email,
            mail=mail.key,
            accepted=invitation.accepted_at is not None,
        )
        notifications.tell_invitation_undelivered(invitation, event)


def was_reset_code_returned(email: str) -> bool:
    """Return True if the last mail with a code for a new password to this address was not delivered (M16).

    Then the caller refuses the code: a returned mail shows it to other people. An address without an account is sent a
    mail too, so the result does not tell who has an account.
    """
    mails = OutboxMessage.objects.filter(to=email.lower(), kind__in=RESET_MAILS).order_by("-pk")
    last = mails.only("bounced_at", "status").first()
    return last is not None and (last.bounced_at is not None or last.status == OutboxMessage.Status.FAILED)


def limit_contact(pk: int, *, own_tickets_only: bool, actor: User) -> Contact:
    """Let a representative set whether a contact sees the company's tickets or only own ones; return the contact."""
    with transaction.atomic():
        contact = Contact.objects.select_for_update().get(pk=pk)
        require(policy.may_manage_people(reload_person(actor), contact.customer), NOT_YOURS)
        require(not contact.has_powers, "El representante ve todos los tickets.")
        if contact.own_tickets_only == own_tickets_only:
            return contact
        contact.own_tickets_only = own_tickets_only
        contact.save(update_fields=["own_tickets_only"])
        audit.record(
            "contact.limited",
            contact.customer,
            actor=actor,
            person=contact.user_id,
            own_tickets_only=own_tickets_only,
            rows={state.CONTACT: state.describe_contact(contact)},
        )
    return contact


def change_full_name(*, full_name: str, actor: User) -> User:
    """Change the full name of the actor, as the person asks on the profile page, and return the person."""
    with transaction.atomic():
        person = lock_user(actor.pk)
        # `require_fit` returns the name to store, or raises Refused if the column cannot hold it.
        before, person.full_name = person.full_name, require_fit(User, "full_name", full_name)
        if before != person.full_name:
            person.save(update_fields=["full_name"])
            audit.record("person.renamed", person, actor=person, before=before, after=person.full_name)
    return person


def change_password(person: User, password: str) -> None:
    """Store a new password, which ends all sessions. `person` gets it too, so the caller can keep this session."""
    person.set_password(password)  # slow on purpose, so not while the row is locked
    with transaction.atomic():
        lock_user(person.pk)
        person.save(update_fields=["password"])
        audit.record("person.password_changed", person, actor=person)


def flag_bounced_address(email: str, *, mail_key: str) -> None:
    """Store on the contact of this address that our mail `mail_key` came back. A mail from there clears it (M6)."""
    with transaction.atomic():
        not_flagged = User.objects.select_for_update(no_key=True).filter(
            email=email.lower(), is_staff=False, mail_bounced_at__isnull=True
        )
        if person := not_flagged.first():
            person.mail_bounced_at = now()
            person.save(update_fields=["mail_bounced_at"])
            audit.record("person.mail_bounced", person, actor=None, mail=mail_key)


def unflag_address(pk: int) -> None:
    """Store that mails to this contact do not come back any more, because the contact wrote from that address."""
    with transaction.atomic():
        flagged = User.objects.select_for_update(no_key=True).filter(pk=pk, mail_bounced_at__isnull=False)
        if person := flagged.first():
            person.mail_bounced_at = None
            person.save(update_fields=["mail_bounced_at"])
            audit.record("person.mail_works", person, actor=None)


def send_link(invitation: Invitation, verb: str, *, actor: User, **data: Any) -> Event:
    """Give the invitation a new single-use link, mail the link, and return the event named `verb` that records this.

    The caller has locked the invitation. Links that were mailed before stop working.
    """
    token = _signer.sign(secrets.token_urlsafe(32))
    invitation.token_hash = _hash_token(token)
    invitation.created_at, invitation.undelivered_at = now(), None
    invitation.expires_at = invitation.created_at + timedelta(days=settings.INVITATION_DAYS)
    invitation.save()
    event = audit.record(verb, invitation, actor=actor, email=invitation.email, **data)
    has_account = User.objects.filter(email=invitation.email).exists()
    notifications.send_invitation(invitation, event, token=token, has_account=has_account)
    return event


def _was_sent_again(mail: OutboxMessage) -> bool:
    """Return True if a later mail of the same kind went to the same address about the same invitation (`about`)."""
    later = OutboxMessage.objects.filter(about=mail.about, to=mail.to, kind=mail.kind, pk__gt=mail.pk)
    return later.exists()


@contextmanager
def _lock_pending(pk: int, actor: User) -> Iterator[Invitation]:
    """Lock a pending invitation that the actor wants to send again or cancel, and yield it.

    A superuser may change invitations of staff, a representative those of the company. Raises Refused for others.
    """
    with transaction.atomic():
        related = Invitation.objects.select_related("customer")
        invitation = related.select_for_update(of=("self",)).get(pk=pk)  # does not lock the company
        if invitation.customer is None:
            require_superuser(actor)
        else:
            require(policy.may_manage_people(reload_person(actor), invitation.customer), NOT_YOURS)
        require(invitation.is_pending, "Esa invitación ya se usó o se canceló.")
        yield invitation


def _hash_token(token: str) -> str:
    """Return the hash of a link's token, which its invitation stores. Raises Refused if we did not sign the token."""
    try:
        random_text = _signer.unsign(token)
    except signing.BadSignature:
        raise Refused(UNUSABLE) from None
    return hashlib.sha256(random_text.encode()).hexdigest()


def _find_usable(invitations: QuerySet[Invitation]) -> Invitation:
    """Return the invitation that the query finds, if it can be used now. Raises Refused if not.

    It must be pending, not expired and delivered, and the person who invited must still be allowed to invite.
    """
    invitation = invitations.first()
    if invitation is None or not invitation.is_pending or invitation.has_expired:
        raise Refused(UNUSABLE)
    require(invitation.undelivered_at is None, RETURNED)
    inviter = reload_person(invitation.invited_by)
    if invitation.office:
        allowed = inviter.is_active and inviter.is_superuser
    else:
        assert invitation.customer is not None  # by the constraint invitation_to_company_or_office
        allowed = policy.may_manage_people(inviter, invitation.customer)
    require(allowed, UNUSABLE)
    return invitation


def _add_contact(person: User, invitation: Invitation) -> None:
    """Record that the person who accepted the invitation joins the company that invited, and make the contact."""
    assert invitation.customer is not None  # by the constraint invitation_to_company_or_office
    insert_contact(
        invitation.customer,
        person,
        actor=person,
        own_tickets_only=invitation.own_tickets_only,
        invited_by=invitation.invited_by,
        invitation=invitation.pk,
        email=person.email,
    )


def _add_assignment(person: User, invitation: Invitation) -> None:
    """Give the person who accepted the invitation the office (cargo) that it names, record it, and set its groups."""
    insert_assignment(
        person,
        "staff.joined",
        office=invitation.office,
        provider=invitation.provider,
        granted_by=invitation.invited_by,
        actor=person,
        invited_by=invitation.invited_by_id,
        invitation=invitation.pk,
    )
    offices.sync_groups(person, actor=person)
