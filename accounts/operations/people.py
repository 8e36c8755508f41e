"""People: how a contact or a member of staff comes in by invitation, and what a person changes about himself."""

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
from accounts.models import Contact, Invitation, RoleAssignment, User
from accounts.operations.common import current, fitting, lock_user, new_person, require_superuser
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
    """Send a new link for a pending invitation; the old link stops working.

    Of a company's, whoever sends it again answers for it: the link holds while his powers do (M8).
    """
    with _pending(pk, actor) as invitation:
        if invitation.customer is not None:
            invitation.invited_by = actor
        send(invitation, "invitation.resent", actor=actor)
    return invitation


def cancel_invitation(pk: int, *, actor: User) -> Invitation:
    """The link stops working at once."""
    with _pending(pk, actor) as invitation:
        invitation.cancelled_at = now()
        invitation.save(update_fields=["cancelled_at"])
        audit.record("invitation.cancelled", invitation, actor=actor, email=invitation.email)
    return invitation


def open_invitation(token: str) -> Invitation:
    """The usable invitation of a link; checked at use. Raises Refused: forged, used, cancelled, old, or void."""
    return _usable(Invitation.objects.filter(token_hash=_hash(token)))


def accept_invitation(token: str, *, full_name: str, password: str) -> User:
    """The invited person chooses a name and a password; the link proves the mail. Works once. Raises Refused."""
    digest, hashed = _hash(token), make_password(password)
    with transaction.atomic():
        invitation = _usable(Invitation.objects.select_for_update().filter(token_hash=digest))
        try:
            with transaction.atomic():
                person = new_person(invitation.email, full_name, hashed, verified=True)
        except IntegrityError:
            raise Refused(UNUSABLE) from None  # has an account meanwhile
        invitation.accepted_at = now()
        invitation.save(update_fields=["accepted_at"])
        if invitation.office:
            _enter_office(person, invitation)
        else:
            _enter_company(person, invitation)
    return person


def invitation_undelivered(mail: OutboxMessage) -> None:
    """Void the invitation whose mail was not delivered, and tell who invited (M7, M16).

    The link came back to others than the invited person. An earlier mail of it voids nothing: its link is dead. One
    that was accepted all the same stays, and who invited is told so.
    """
    with transaction.atomic():
        sent = Invitation.objects.select_for_update().filter(
            email=mail.to, cancelled_at__isnull=True, undelivered_at__isnull=True
        )
        of_mail = [one for one in sent.order_by("-created_at") if one.chain == mail.about]
        if not of_mail or _was_sent_again(mail):
            return
        invitation = of_mail[0]
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
        notifications.invitation_undelivered(invitation, event)


def code_came_back(email: str) -> bool:
    """Say whether the last mail with a code for a new password to this address was not delivered (M16).

    Who has no account is sent a mail as well, so the answer tells nobody who has one.
    """
    mails = OutboxMessage.objects.filter(to=email.lower(), kind__in=RESET_MAILS).order_by("-pk")
    last = mails.only("bounced_at", "status").first()
    return last is not None and (last.bounced_at is not None or last.status == OutboxMessage.Status.FAILED)


def limit_contact(pk: int, *, own_tickets_only: bool, actor: User) -> Contact:
    """The representative lets a contact see the company's tickets, or only his own."""
    with transaction.atomic():
        contact = Contact.objects.select_for_update().get(pk=pk)
        require(policy.may_manage_people(current(actor), contact.customer), NOT_YOURS)
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
        )
    return contact


def rename(*, full_name: str, actor: User) -> User:
    """A person corrects the own name."""
    with transaction.atomic():
        person = lock_user(actor.pk)
        before, person.full_name = person.full_name, fitting(User, "full_name", full_name)
        if before != person.full_name:
            person.save(update_fields=["full_name"])
            audit.record("person.renamed", person, actor=person, before=before, after=person.full_name)
    return person


def change_password(person: User, password: str) -> None:
    """The person chose a new password, by the old one or by a code; every other session ends.

    `person` gets the new hash, so that allauth can keep the session in which it happened.
    """
    person.set_password(password)  # slow on purpose, so not while the row is locked
    with transaction.atomic():
        lock_user(person.pk)
        person.save(update_fields=["password"])
        audit.record("person.password_changed", person, actor=person)


def mail_bounced(email: str, *, mail: str) -> None:
    """A mail to this contact came back: flagged until a mail from the address proves that it works (M6)."""
    with transaction.atomic():
        flagged = User.objects.select_for_update(no_key=True).filter(
            email=email.lower(), is_staff=False, mail_bounced_at__isnull=True
        )
        if person := flagged.first():
            person.mail_bounced_at = now()
            person.save(update_fields=["mail_bounced_at"])
            audit.record("person.mail_bounced", person, actor=None, mail=mail)


def mail_works(pk: int) -> None:
    """The contact wrote from the address that was flagged; it works again."""
    with transaction.atomic():
        flagged = User.objects.select_for_update(no_key=True).filter(pk=pk, mail_bounced_at__isnull=False)
        if person := flagged.first():
            person.mail_bounced_at = None
            person.save(update_fields=["mail_bounced_at"])
            audit.record("person.mail_works", person, actor=None)


def send(invitation: Invitation, verb: str, *, actor: User, **data: Any) -> Event:
    """Give the invitation a fresh link and mail it; the caller holds the lock. One event."""
    token = _signer.sign(secrets.token_urlsafe(32))
    invitation.token_hash = _hash(token)
    invitation.created_at, invitation.undelivered_at = now(), None
    invitation.expires_at = invitation.created_at + timedelta(days=settings.INVITATION_DAYS)
    invitation.save()
    event = audit.record(verb, invitation, actor=actor, email=invitation.email, **data)
    taken = User.objects.filter(email=invitation.email).exists()
    notifications.invited(invitation, event, token=token, has_account=taken)
    return event


def _was_sent_again(mail: OutboxMessage) -> bool:
    later = OutboxMessage.objects.filter(about=mail.about, to=mail.to, kind=mail.kind, pk__gt=mail.pk)
    return later.exists()


@contextmanager
def _pending(pk: int, actor: User) -> Iterator[Invitation]:
    with transaction.atomic():
        related = Invitation.objects.select_related("customer")
        invitation = related.select_for_update(of=("self",)).get(pk=pk)
        if invitation.customer is None:
            require_superuser(actor)
        else:
            require(policy.may_manage_people(current(actor), invitation.customer), NOT_YOURS)
        require(invitation.is_pending, "Esa invitación ya se usó o se canceló.")
        yield invitation


def _hash(token: str) -> str:
    """SHA-256 (hex) of a link we signed. Raises Refused for any other text, without a query."""
    try:
        secret = _signer.unsign(token)
    except signing.BadSignature:
        raise Refused(UNUSABLE) from None
    return hashlib.sha256(secret.encode()).hexdigest()


def _usable(found: QuerySet[Invitation]) -> Invitation:
    invitation = found.first()
    if invitation is None or not invitation.is_pending or invitation.has_expired:
        raise Refused(UNUSABLE)
    require(invitation.undelivered_at is None, RETURNED)
    inviter = current(invitation.invited_by)
    if invitation.office:
        allowed = inviter.is_active and inviter.is_superuser
    else:
        assert invitation.customer is not None  # invitation_to_company_or_office
        allowed = policy.may_manage_people(inviter, invitation.customer)
    require(allowed, UNUSABLE)
    return invitation


def _enter_company(person: User, invitation: Invitation) -> None:
    assert invitation.customer is not None  # invitation_to_company_or_office
    Contact.objects.create(
        user=person,
        customer=invitation.customer,
        own_tickets_only=invitation.own_tickets_only,
        invited_by_id=invitation.invited_by_id,
    )
    audit.record("contact.joined", invitation, actor=person, email=person.email)


def _enter_office(person: User, invitation: Invitation) -> None:
    RoleAssignment.objects.create(
        user=person,
        office=invitation.office,
        provider=invitation.provider,
        granted_by_id=invitation.invited_by_id,
    )
    offices.sync(person)
    audit.record(
        "staff.joined",
        person,
        actor=person,
        office=invitation.office,
        provider=invitation.provider_id,
        invited_by=invitation.invited_by_id,
    )
