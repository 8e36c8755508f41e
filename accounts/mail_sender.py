"""Decide whose word a mail is: the one rule about senders, for every handler of mail (M5).

A sender is the one address in From, if our own mail server vouches for it. Reply-To, Sender, Cc, names and headers that
claim to be ours prove nothing. Mail never acts as staff.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Contact, Representative, User
from factureya.core.mail.parse import InboundMail
from factureya.core.mail.readings import find_sender_verdict
from factureya.core.mail.verdicts import Verdict


class Refusal(StrEnum):
    """Name why a mail does not act; the values are part of the interface (`receive_email --json`)."""

    NO_SENDER = "no-sender"
    MANY_SENDERS = "many-senders"
    DMARC = "dmarc"
    OWN = "own"
    STAFF = "staff"
    UNKNOWN = "unknown"
    NO_VERDICT = "no-verdict"


@dataclass(frozen=True)
class Sender:
    """Hold the people who may be meant by a mail; `refusal` says why nobody acts, and then `people` is empty."""

    people: list[User] = field(default_factory=list)
    refusal: Refusal | None = None


def judge_sender(mail: InboundMail) -> Sender:
    """Return the people in whose name an arrived mail may act, or the reason why it acts for nobody (M5).

    Our own addresses, staff and strangers act for nobody. Several people are representatives who share the address.
    The verdict says whether our mail server could prove the sender: FAIL is always refused; with
    MAIL_IN_REQUIRE_VERDICT every verdict but PASS is refused.
    """
    if not mail.sender:  # the mail has no one sender: it names several, or none
        return Sender(refusal=Refusal.MANY_SENDERS if mail.senders else Refusal.NO_SENDER)
    verdict = find_sender_verdict(mail)
    if verdict == Verdict.FAIL:
        return Sender(refusal=Refusal.DMARC)
    if is_own_address(mail.sender):
        return Sender(refusal=Refusal.OWN)
    people = find_people(mail.sender)
    if not people:
        return Sender(refusal=Refusal.STAFF if is_staff_address(mail.sender) else Refusal.UNKNOWN)
    if settings.MAIL_IN_REQUIRE_VERDICT and verdict != Verdict.PASS:
        return Sender(refusal=Refusal.NO_VERDICT)
    return Sender(people)


def is_own_address(address: str) -> bool:
    """Return True if the address is one of our own mailboxes, with or without a plus part (soporte+1@…)."""
    local, _, domain = address.lower().rpartition("@")
    without_plus = f"{local.partition('+')[0]}@{domain}"
    return without_plus in {settings.SUPPORT_EMAIL, settings.CONTROL_DESK_EMAIL, settings.SERVER_EMAIL}


def is_staff_address(address: str) -> bool:
    """Return True if the address belongs to a member of staff, of today or of before."""
    return _find_staff(address).exists()


def find_people(address: str) -> list[User]:
    """Return the contacts in whose name a proven mail from this address acts; none for a stranger or staff.

    If the address is the verified one of a contact's account, that contact is returned alone. If a verified company
    registered it, its representatives are returned, those with powers today first. The registered address of an
    unverified company does not count, because nobody has proven it.
    """
    address = address.lower()
    contacts = User.objects.filter(is_active=True, is_staff=False, contact__isnull=False)
    contacts = contacts.select_related("contact__customer")
    owners = contacts.filter(email=address, emailaddress__email__iexact=address, emailaddress__verified=True)
    if people := list(owners[:1]):
        return people
    representatives = contacts.filter(
        ~Exists(_find_staff(address)),  # a mail from the address of staff acts for nobody
        contact__role=Contact.Role.REPRESENTATIVE,
        contact__customer__registered_email__iexact=address,
        contact__customer__verified_at__isnull=False,
    )
    powers = Representative.objects.filter(user=OuterRef("pk"), customer=OuterRef("contact__customer"))
    return list(representatives.order_by(Exists(powers.in_force()).desc(), "pk"))


def _find_staff(address: str) -> QuerySet[User]:
    """Return a query of the members of staff, of today or of before, who have this address."""
    return User.objects.filter(email=address.lower(), is_staff=True)
