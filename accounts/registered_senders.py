"""Whose word a registered address carries (M5): the mail of an active contact, or a company's registered address.

An address is no proof by itself; `tickets.inbound` asks for our mail server's verdict first.
"""

from django.conf import settings
from django.db.models import Exists, OuterRef

from accounts.models import Contact, Representative, User


def is_own(address: str) -> bool:
    """Whether it is one of our own mailboxes, with or without a plus part; mail from them never acts."""
    local, _, domain = address.lower().rpartition("@")
    bare = f"{local.partition('+')[0]}@{domain}"
    return bare in {settings.SUPPORT_EMAIL, settings.CONTROL_DESK_EMAIL, settings.SERVER_EMAIL}


def is_staff(address: str) -> bool:
    """Whether it is the address of a member of staff, who works there or did; mail from them never acts."""
    return User.objects.filter(email=address.lower(), is_staff=True).exists()


def people(address: str) -> list[User]:
    """The contacts who act when a mail from this address is proven; none for a stranger, never staff.

    A contact's own verified mail is his. A verified company's registered address is its representative's word;
    of an unverified company nobody has proven it, so there only the contacts' own mails count. Those with powers today
    come first. More than one company means that several registered the address.
    """
    address = address.lower()
    contacts = User.objects.filter(is_active=True, is_staff=False, contact__isnull=False)
    contacts = contacts.select_related("contact__customer")
    mine = contacts.filter(email=address, emailaddress__email__iexact=address, emailaddress__verified=True)
    if found := list(mine[:1]):
        return found
    company = {
        "contact__customer__registered_email__iexact": address,
        "contact__customer__verified_at__isnull": False,
    }
    held = Representative.objects.filter(user=OuterRef("pk"), customer=OuterRef("contact__customer"))
    representatives = contacts.filter(contact__role=Contact.Role.REPRESENTATIVE, **company)
    return list(representatives.order_by(Exists(held.in_force()).desc(), "pk"))
