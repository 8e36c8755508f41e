"""Let a company in: it signs up, and staff verifies it, joins it to a known one, or refuses it."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts import notifications, policy
from accounts.models import Contact, Customer, Representative, User, state
from accounts.operations.common import make_person, reload_person, require_fit
from accounts.rfc import RFC
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import Refused, require

ALREADY_KNOWN = "Ya hay una empresa verificada con ese RFC: una esta a ella, o no la acepte."


def register_company(
    *, email: str, password: str, full_name: str, rfc: RFC, legal_name: str, form_key: str | None = None
) -> User:
    """Make a person, an unverified company, and the contact that ties them; return the person.

    Nobody has proven the mail address yet. If the RFC is known, a second company is made; it sees only its own tickets.
    A double click (the same `form_key`, address and password) returns the person made first. Raises
    Refused if the address is taken; the caller must hide that from the visitor.
    """
    password_hash = make_password(password)
    try:
        with transaction.atomic():
            person = make_person(email, full_name, password_hash, verified=False)
            customer = Customer.objects.create(
                rfc=rfc.value,
                legal_name=require_fit(Customer, "legal_name", unicodedata.normalize("NFC", legal_name)),
                registered_email=person.email,
                rfc_check_failed=rfc.check_failed,
                form_key=form_key,
            )
            contact = Contact.objects.create(user=person, customer=customer)
            audit.record(
                "company.registered",
                customer,
                actor=person,
                rfc=rfc.value,
                legal_name=customer.legal_name,
                check_failed=rfc.check_failed,
                rows={state.COMPANY: state.describe_company(customer), state.CONTACT: state.describe_contact(contact)},
            )
    except IntegrityError:
        return _find_first_account(form_key, email, password)  # a double click, or a taken address
    return person


def verify_company(pk: int, *, actor: User) -> Customer:
    """Mark a company as verified by staff and return it; its first contact becomes the representative (M8).

    The representative is stored first: for a verified company only an executed request may add one (M1).
    """
    with _lock_undecided(pk, actor) as customer:
        require(not Customer.objects.verified_with(customer.rfc).exists(), ALREADY_KNOWN)  # to be joined instead
        first = customer.contacts.select_related("user").order_by("pk").first()
        assert first is not None  # register_company makes both
        customer.verified_at, customer.verified_by = now(), actor
        try:
            with transaction.atomic():
                representative = _make_representative(customer, first)
                customer.save(update_fields=["verified_at", "verified_by"])
        except IntegrityError:  # meanwhile somebody verified another company with this RFC
            raise Refused(ALREADY_KNOWN) from None
        rows = {
            state.COMPANY: state.describe_company(customer),
            state.CONTACT: state.describe_contact(first),
            state.REPRESENTATIVE: state.describe_representative(representative),
        }
        event = audit.record("company.verified", customer, actor=actor, representative=first.user_id, rows=rows)
        notifications.tell_company_decided("verified", customer, event)
    return customer


def refuse_company(pk: int, *, reason: str, actor: User) -> Customer:
    """Refuse a company with the reason and return it; it stays unverified, and its people keep their own tickets."""
    reason = require_fit(Customer, "refusal_reason", reason)
    require(bool(reason), "Escriba el motivo; la persona lo leerá.")
    with _lock_undecided(pk, actor) as customer:
        customer.refused_at, customer.refusal_reason = now(), reason
        customer.save(update_fields=["refused_at", "refusal_reason"])
        event = audit.record("company.refused", customer, actor=actor, reason=reason)
        notifications.tell_company_decided("refused", customer, event)
    return customer


def join_company(pk: int, *, actor: User) -> Customer:
    """Move the people and tickets of a second sign-up to the verified company with its RFC, and return that company.

    The verified company keeps its registered data. The people who move become ordinary contacts of it.
    """
    with _lock_undecided(pk, actor) as customer:
        target = Customer.objects.verified_with(customer.rfc).first()
        if target is None:
            raise Refused("No hay una empresa verificada con ese RFC; verifique esta.")
        contacts = list(customer.contacts.select_related("user").order_by("pk"))
        people = [contact.user for contact in contacts]
        customer.joined_to = target
        customer.save(update_fields=["joined_to"])
        _call_joined_hooks(customer, target, actor)  # moves its tickets
        for contact in contacts:
            _move_contact(contact, customer, target, actor)
        # Once more, for the tickets that its people opened before the loop above had moved their contacts.
        _call_joined_hooks(customer, target, actor)
        event = audit.record(
            "company.joined", customer, actor=actor, into=target.chain, people=[person.pk for person in people]
        )
        notifications.tell_company_joined(people, target, event)
    return target


def record_view(customer: Customer, *, actor: User) -> None:
    """Record in the company's chain that a member of staff looked at its page (M5, M26)."""
    with transaction.atomic():
        audit.record("customer.viewed", customer, actor=actor)


def _move_contact(contact: Contact, source: Customer, target: Customer, actor: User) -> None:
    """Record that a person of `source` becomes an ordinary contact of `target`, and then move the contact."""
    contact.customer, contact.role = target, Contact.Role.CONTACT
    rows = {state.CONTACT: state.describe_contact(contact)}
    moved = {"person": contact.user_id, "from_customer": source.pk}
    audit.record("contact.moved", target, actor=actor, **moved, rows=rows)  # first: the guard looks for it
    contact.save(update_fields=["customer", "role"])


@contextmanager
def _lock_undecided(pk: int, actor: User) -> Iterator[Customer]:
    """Lock an undecided company and yield it.

    Raises Refused if the actor may not decide, if somebody has decided, or if nobody has proven a mail address yet.
    """
    with transaction.atomic():
        require(policy.may_verify(reload_person(actor)), "Solo un agente o un supervisor de Factureya lo decide.")
        # no_key: a ticket that is being opened refers to this row; with a full lock each would wait for the other.
        customer = Customer.objects.select_for_update(no_key=True).get(pk=pk)
        require(customer.waits_for_staff, f"Ya se decidió: {customer.state_label.lower()}. Recargue.")
        require(Customer.objects.to_verify().filter(pk=pk).exists(), "La persona aún no comprueba su correo.")
        yield customer


def _call_joined_hooks(source: Customer, target: Customer, actor: User) -> None:
    """Let each app move its data, such as tickets, to `target`; CUSTOMER_JOINED names the functions that do it."""
    for hook in settings.CUSTOMER_JOINED:
        import_string(hook)(source, target, actor=actor)


def _make_representative(customer: Customer, contact: Contact) -> Representative:
    """Make the contact the first representative of a company that staff verifies now, with powers from today (M8).

    Return the representative. An RFC of 13 characters belongs to a person, not to a firm. Then it is also the
    representative's RFC.
    """
    assert customer.verified_at is not None
    assert customer.verified_by is not None  # the caller has just set both
    contact.role = Contact.Role.REPRESENTATIVE
    contact.save(update_fields=["role"])
    return Representative.objects.create(
        customer=customer,
        user=contact.user,
        name=contact.user.full_name.replace("|", " "),  # a bar separates the values of `Representative.line`
        rfc=customer.rfc if len(customer.rfc) == 13 else "",
        email=contact.user.email,
        valid_from=timezone.localdate(customer.verified_at),
        verified_by=customer.verified_by,
        verified_at=customer.verified_at,
    )


def _find_first_account(form_key: str | None, email: str, password: str) -> User:
    """Return the person made by the first of two posts of one sign-up form, so that a double click makes one account.

    Raises Refused if no person has this address, form key and password. Then the address belongs to somebody else.
    """
    person = User.objects.filter(email=email, contact__customer__form_key=form_key).first() if form_key else None
    if person is None or not person.check_password(password):
        raise Refused("taken")
    return person
