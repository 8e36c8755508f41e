"""Send the mails about accounts, rendered in the transaction of the operation: one function and one template each.

A link or a code is a secret, so the text of its mail is wiped once it is sent.
"""

from django.conf import settings
from django.urls import reverse

from accounts.models import Contact, Customer, FactorReset, Invitation, Office, Representative, RoleAssignment, User
from factureya.core.mail import outbox, own_links
from factureya.core.models import Anchor, Event


def tell_company_decided(verdict: str, customer: Customer, event: Event) -> None:
    """Tell a company's active people by mail that staff verified or refused the company (`verdict`)."""
    contacts = customer.contacts.select_related("user").filter(user__is_active=True)
    for contact in contacts.order_by("pk"):
        _send_mail(f"accounts/company_{verdict}", event, contact.user, customer=customer)


def tell_company_joined(people: list[User], customer: Customer, event: Event) -> None:
    """Tell `people` by mail that they moved to this company. Tell its representatives of today who came."""
    for person in people:
        _send_mail("accounts/company_joined", event, person, customer=customer)
    powers = Representative.objects.filter(customer=customer, user__is_active=True).in_force()
    for representative in User.objects.filter(pk__in=powers.values("user")).order_by("pk"):
        _send_mail("accounts/people_joined", event, representative, customer=customer, people=people)


def send_invitation(invitation: Invitation, event: Event, *, token: str, has_account: bool) -> None:
    """Mail the invited person the single-use link with which the account is made.

    If the address has an account already, the mail says so and has no such link. The inviter does not learn of it.
    """
    if has_account:
        kind, url = "accounts/invited_with_account", make_page_url("account_login")
    else:
        kind = "accounts/invited_staff" if invitation.office else "accounts/invited"
        url = own_links.make_url(own_links.INVITATION, token)
    context = {"invitation": invitation, "url": url}
    outbox.enqueue(
        kind, key=f"{event.hash}:invited", to=invitation.email, about=invitation.chain, context=context, is_secret=True
    )


def tell_invitation_undelivered(invitation: Invitation, event: Event) -> None:
    """Tell the person who sent an invitation that its mail was not delivered.

    If that person's account is closed, others are told instead: the company's representatives or, if the invitation was
    to an office (cargo) of staff, all superusers.
    """
    inviter = invitation.invited_by
    if inviter.is_active:
        people = [inviter]
    elif invitation.customer is None:  # the invitation was to an office of staff
        people = list(User.objects.filter(is_superuser=True, is_active=True).order_by("pk"))
    else:
        representatives = invitation.customer.contacts.filter(role=Contact.Role.REPRESENTATIVE, user__is_active=True)
        people = [contact.user for contact in representatives.select_related("user")]
    page = "accounts:people" if invitation.customer_id else "admin:accounts_user_changelist"
    for person in people:
        _send_mail(
            "accounts/invitation_undelivered", event, person, invitation=invitation, page_url=make_page_url(page)
        )


def tell_factor_reset(step: str, reset: FactorReset, event: Event) -> None:
    """Tell the person that the removal of the second factor was `requested`, or is `done` and the sessions ended."""
    _send_mail(f"accounts/factor_reset_{step}", event, reset.user, reset=reset)


def tell_day_sealed(anchor: Anchor) -> None:
    """Mail the day's whole anchor to every security officer of today, so that copies lie outside our database (M26)."""
    assignments = RoleAssignment.objects.in_force().filter(office=Office.SECURITY_OFFICER)
    officers = User.objects.filter(is_active=True, pk__in=assignments.values("user")).order_by("pk")
    for officer in officers:
        outbox.enqueue(
            "accounts/day_sealed",
            key=f"anchor:{anchor.hash}:{officer.pk}",
            to=officer.email,
            about=f"anchor:{anchor.seq}",
            context={"person": officer, "anchor": anchor},
        )


def make_page_url(name: str, *args: str) -> str:
    """Return the absolute address of a page, without a request."""
    return f"{settings.SITE_URL}{reverse(name, args=args)}"


def _send_mail(kind: str, event: Event, person: User, **context: object) -> None:
    """Queue a mail to this person from the template `kind`. The `key` prevents a second mail about the same event."""
    outbox.enqueue(
        kind,
        key=f"{event.hash}:{person.pk}",
        to=person.email,
        about=event.chain,
        context={"person": person, "url": make_page_url("accounts:home"), **context},
    )
