"""Share what the operations of accounts need."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import Model

from accounts.models import Contact, Customer, Provider, RoleAssignment, User, state
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.models import Event
from factureya.core.refusals import require


def require_fit(model: type[Model], field: str, text: str) -> str:
    """Return the text with single spaces, to store it. Raises Refused if it has more characters than `field` takes."""
    line = " ".join(text.split())
    column = model._meta.get_field(field)
    limit = getattr(column, "max_length", None)
    too_long = f"Son hasta {limit} caracteres y escribió {len(line)}. Acorte el texto."
    require(limit is None or len(line) <= limit, too_long)
    return line


def reload_person(actor: User) -> User:
    """Return the person as the database says now: offices, company and account may have changed since."""
    return User.objects.select_related("contact__customer").get(pk=actor.pk)


def require_superuser(actor: User) -> None:
    """Raise Refused unless the actor is an active superuser; the database is read anew."""
    person = reload_person(actor)
    require(person.is_superuser and person.is_active, "Solo un superusuario puede hacerlo.")


def lock_user(pk: int) -> User:
    """Lock the user until the transaction ends, and return the user as read after the lock."""
    return lock(User.objects.all(), pk)


def end_sessions(person: User, *columns: str) -> None:
    """Give a locked person a new `session_epoch`, which ends all sessions; save also the changed `columns`."""
    person.session_epoch += 1
    person.save(update_fields=["session_epoch", *columns])


def make_person(email: str, full_name: str, password_hash: str, *, verified: bool) -> User:
    """Make the account of a person with one address (`verified`: the person has proven it), and return the person.

    The hash of the password takes long on purpose, so the caller makes it before the transaction. Raises
    IntegrityError if somebody has that address, and Refused if a text is too long.
    """
    person = User(
        email=require_fit(User, "email", email.lower()),
        password=password_hash,
        full_name=require_fit(User, "full_name", full_name),
    )
    User.objects.insert_person(person, actor=person)
    EmailAddress.objects.create(user=person, email=person.email, verified=verified, primary=True)
    return person


def insert_assignment(
    person: User,
    verb: str,
    *,
    office: str,
    provider: Provider | None,
    granted_by: User,
    actor: User,
    granted_at: datetime | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    **data: Any,
) -> RoleAssignment:
    """Record the event `verb` with the full new row of an office (cargo), insert the row, and return it.

    The office begins when it is granted, which is now by default, unless `starts_at` says later. The event comes first,
    because the database's guards refuse a row whose event does not exist. The caller has locked the person.
    """
    granted_at = granted_at or now()
    assignment = RoleAssignment(
        user=person,
        office=office,
        provider=provider,
        starts_at=starts_at or granted_at,
        ends_at=ends_at,
        granted_by=granted_by,
        granted_at=granted_at,
    )
    facts = state.describe_new_office(assignment)
    data |= {"provider": provider.name if provider else None, "rows": {state.OFFICE: facts}}
    data |= {"starts_at": facts["starts_at"], "ends_at": facts["ends_at"]}  # again, for readers of the event
    event = audit.record(verb, person, actor=actor, office=office, **data)
    assignment.granted_seq = event.seq
    assignment.save(force_insert=True)
    return assignment


def insert_contact(
    customer: Customer,
    person: User,
    *,
    actor: User,
    role: str = Contact.Role.CONTACT,
    own_tickets_only: bool = False,
    invited_by: User | None = None,
    **data: Any,
) -> Contact:
    """Record that a person joins a company, with the whole row, and then insert and return the contact.

    The event comes first, because the database's guards let nobody into a verified company without it.
    """
    contact = Contact(user=person, customer=customer, role=role, own_tickets_only=own_tickets_only)
    contact.invited_by = invited_by
    rows = {state.CONTACT: state.describe_contact(contact)}
    audit.record("contact.joined", customer, actor=actor, person=person.pk, **data, rows=rows)
    contact.save(force_insert=True)
    return contact


def record_company(customer: Customer, verb: str, *, actor: User | None, **data: Any) -> Event:
    """Record an event of a company with all its registered data as the database has them now, and return it."""
    customer.refresh_from_db()
    rows = {state.COMPANY: state.describe_company(customer), **data.pop("rows", {})}
    return audit.record(verb, customer, actor=actor, **data, rows=rows)
