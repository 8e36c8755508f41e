"""Share what the operations of accounts need."""

from allauth.account.models import EmailAddress
from django.db.models import Model

from accounts.models import User
from factureya.core.locking import lock
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
    person = User.objects.create(
        email=require_fit(User, "email", email.lower()),
        password=password_hash,
        full_name=require_fit(User, "full_name", full_name),
    )
    EmailAddress.objects.create(user=person, email=person.email, verified=verified, primary=True)
    return person
