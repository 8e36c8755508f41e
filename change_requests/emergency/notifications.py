"""Mails about emergencies, one function per occasion; each is rendered in the operation's transaction (M22, M23).

Everybody who takes part or watches gets them: operator, custodians, officers, IT head, Auditoría. No mail carries a
half or a link that acts. After the end, the customer gets a mail that says what was changed.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import Office, Representative, User
from change_requests.emergency import roles
from change_requests.emergency.models import (
    CriticalCredential,
    Delegation,
    EmergencyGrant,
    GrantAuthorization,
    GrantReview,
)
from change_requests.kinds.fields import REGISTERED_EMAIL, find_row
from change_requests.progress import find_people_in
from factureya.core.mail import outbox
from factureya.core.models import Event

Slot = GrantAuthorization.Slot
WATCHERS = (Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD, Office.AUDITOR)


def mail_sealing(credential: CriticalCredential, event: Event) -> None:
    """Ask the custodians of a new seal to see their half of the password and put it into its envelope (M22)."""
    for letter, custodian in (("A", credential.custodian_a), ("B", credential.custodian_b)):
        _mail("sealing", event, [custodian], account=credential.account, credential=credential, letter=letter)


def mail_renewal(credential: CriticalCredential, event: Event, *, is_overdue: bool) -> None:
    """Mail custodians and security officers that a seal must be renewed soon or, if overdue, should have been (M22)."""
    people = [credential.custodian_a, credential.custodian_b, *find_people_in(Office.SECURITY_OFFICER)]
    _mail("renewal", event, people, account=credential.account, credential=credential, is_overdue=is_overdue)


def mail_delegated(delegation: Delegation, event: Event) -> None:
    """Mail the absent officer, the alternate and WATCHERS that somebody stands in, or no longer does (M23)."""
    people = [delegation.absent, delegation.alternate, *find_people_in(*WATCHERS)]
    _mail("delegated", event, [person for person in people if person.is_active], delegation=delegation)


def mail_requested(grant: EmergencyGrant, event: Event) -> None:
    """Mail that an emergency was asked for, to its audience and to those who may authorize: it is their turn."""
    authorizer_pks = roles.find_authorizers(Slot.SECURITY) | roles.find_authorizers(Slot.OWNER_OR_IT_HEAD)
    authorizer_pks -= {grant.operator_id, *_find_custodian_ids(grant)}  # nobody has two parts in an emergency
    people = _find_audience(grant)
    people += list(User.objects.filter(pk__in=authorizer_pks - {person.pk for person in people}).order_by("pk"))
    _mail_grant("requested", grant, event, people, turn_of=authorizer_pks)


def mail_authorized_by(grant: EmergencyGrant, event: Event, decision: GrantAuthorization) -> None:
    """Tell everybody that one of the two authorizations was given."""
    _mail_grant("authorized_by", grant, event, _find_audience(grant), decision=decision)


def mail_authorized(grant: EmergencyGrant, event: Event) -> None:
    """Tell everybody that an emergency may be opened; the custodians read that it is their turn."""
    _mail_grant("authorized", grant, event, _find_audience(grant), turn_of=_find_custodian_ids(grant))


def mail_refused(grant: EmergencyGrant, event: Event, *, reason: str) -> None:
    """Tell everybody that an emergency was refused, or revoked before it was opened."""
    _mail_grant("refused", grant, event, _find_audience(grant), reason=reason)


def mail_lapsed(grant: EmergencyGrant, event: Event) -> None:
    """Tell everybody that nobody authorized or opened an emergency in time."""
    _mail_grant("lapsed", grant, event, _find_audience(grant))


def mail_half_given(grant: EmergencyGrant, event: Event, credential: CriticalCredential) -> None:
    """Mail that one half was given; the other custodian reads that it is his turn, and how many minutes he has."""
    other_custodian = {credential.custodian_a_id, credential.custodian_b_id} - {event.actor_id}
    minutes = settings.EMERGENCY_HALVES_MINUTES
    _mail_grant("half_given", grant, event, _find_audience(grant), turn_of=other_custodian, minutes=minutes)


def mail_seal_lost(grant: EmergencyGrant, event: Event, credential: CriticalCredential) -> None:
    """Tell everybody that three wrong halves retired the seal, and that a new one is needed (M22)."""
    _mail_grant("seal_lost", grant, event, _find_audience(grant, credential), credential=credential)


def mail_opened(grant: EmergencyGrant, event: Event) -> None:
    """Tell everybody that an emergency is open, by whom, and until when (M23)."""
    _mail_grant("opened", grant, event, _find_audience(grant), turn_of={grant.operator_id})


def mail_ended(grant: EmergencyGrant, event: Event, review: GrantReview) -> None:
    """Mail that an emergency ended, why, and by when security officers (it is their turn) must review it (M27)."""
    reviewer_pks = {person.pk for person in find_people_in(Office.SECURITY_OFFICER)} - {grant.operator_id}
    _mail_grant("ended", grant, event, _find_audience(grant), turn_of=reviewer_pks, review=review)


def mail_review_overdue(grant: EmergencyGrant, event: Event, review: GrantReview) -> None:
    """Mail officers and Auditoría that the review of an emergency is overdue, and what it blocks (M27)."""
    people = find_people_in(Office.SECURITY_OFFICER, Office.IT_HEAD, Office.AUDITOR)
    _mail_grant("review_overdue", grant, event, people, review=review)


def mail_reviewed(grant: EmergencyGrant, event: Event, review: GrantReview) -> None:
    """Tell everybody, and Auditoría, that the review of an emergency was signed, with its counts and its hash (M27)."""
    _mail_grant("reviewed", grant, event, _find_audience(grant), review=review, counts=event.data)


def mail_customer(grant: EmergencyGrant, event: Event) -> None:
    """Mail to the customer what an emergency changed, if anything, and how to say «no fue correcto».

    It goes to the registered address, to those that the emergency replaced, and to the representatives in force.
    """
    changes = list(grant.changes.order_by("pk"))
    if not changes:
        return
    addresses = {grant.customer.registered_email.lower()}
    addresses |= {change.old.lower() for change in changes if change.field == REGISTERED_EMAIL.code and change.old}
    addresses |= {change.new.lower() for change in changes if change.field == REGISTERED_EMAIL.code and change.new}
    representatives = Representative.objects.filter(customer=grant.customer_id).in_force().select_related("user")
    addresses |= {(each.user.email if each.user else each.email).lower() for each in representatives}
    rows = [_describe_change(change.field, change.old, change.new, change.reason) for change in changes]
    for address in sorted(addresses):
        _enqueue("customer", event, address, grant=grant, rows=rows)


def _find_audience(grant: EmergencyGrant, credential: CriticalCredential | None = None) -> list[User]:
    """Return, each once, the active people who get every mail of an emergency: who has a part in it, and WATCHERS."""
    credential = credential or grant.credential or grant.account.find_credential()  # ended: only the grant has it
    custodians = [credential.custodian_a, credential.custodian_b] if credential else []
    authorizers = [each.authorizer for each in grant.authorizations.select_related("authorizer").order_by("pk")]
    people = [grant.operator, *custodians, *authorizers, *find_people_in(*WATCHERS)]
    return list({person.pk: person for person in people if person.is_active}.values())


def _find_custodian_ids(grant: EmergencyGrant) -> set[int]:
    """Return the keys of the people who keep the two halves of the account's password today, if it has one."""
    credential = grant.account.find_credential()
    return credential.custodian_ids if credential else set()


def _describe_change(field: str, old: str, new: str, reason: str) -> dict[str, str]:
    """Return a change in words: the label of the field, its value before and after, and why."""
    spec = find_row(field)
    show = spec.show_short or spec.show
    return {"label": spec.label, "old": show(old) or "(ninguno)", "new": show(new) or "(ninguno)", "reason": reason}


def _mail_grant(
    template: str,
    grant: EmergencyGrant,
    event: Event,
    people: Iterable[User],
    *,
    turn_of: Iterable[int] = (),
    **context: Any,
) -> None:
    """Mail these people about an emergency; those whose key is in `turn_of` read that it is their turn to act."""
    turn_pks = set(turn_of)
    labels = [find_row(code).label for code in grant.fields]
    for person in people:
        is_mine = person.pk in turn_pks
        _mail(template, event, [person], grant=grant, labels=labels, is_mine=is_mine, person=person, **context)


def _mail(template: str, event: Event, people: Iterable[User], **context: Any) -> None:
    """Mail each of these people once, even one who is listed twice."""
    for person in {person.pk: person for person in people}.values():
        _enqueue(template, event, person.email, **context)


def _enqueue(template: str, event: Event, address: str, **context: Any) -> None:
    """Put a mail into the outbox, once per event and address; its link opens the emergency, delegations or seal."""
    if grant := context.get("grant"):
        page = f"{grant.folio}/"
    else:
        page = "suplencias/" if "delegation" in context else f"cuentas/{context['account'].alias}/sello/"
    outbox.enqueue(
        f"emergency/{template}",
        key=f"{event.hash}:{template}:{hashlib.sha256(address.encode()).hexdigest()[:16]}",
        to=address,
        about=event.chain,
        context={"url": f"{settings.SITE_URL}/control/emergencias/{page}", **context},
    )
