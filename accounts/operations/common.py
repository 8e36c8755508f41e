"""What the operations of accounts share."""

from allauth.account.models import EmailAddress
from django.db.models import Model

from accounts.models import User
from factureya.core.locking import lock
from factureya.core.refusals import require


def fitting(model: type[Model], field: str, text: str) -> str:
    """Return the text with single spaces. Raises Refused when the column holds less."""
    line = " ".join(text.split())
    column = model._meta.get_field(field)
    most = getattr(column, "max_length", None)
    require(
        most is None or len(line) <= most,
        f"Son hasta {most} caracteres y escribió {len(line)}. Acorte el texto.",
    )
    return line


def current(actor: User) -> User:
    """The actor as the database says now: offices, company and account may have changed since he was loaded."""
    return User.objects.select_related("contact__customer").get(pk=actor.pk)


def require_superuser(actor: User) -> None:
    """Raise Refused unless the actor is an active superuser, as the database says now."""
    now = current(actor)
    require(now.is_superuser and now.is_active, "Solo un superusuario puede hacerlo.")


def lock_user(pk: int) -> User:
    """Lock the user until the transaction ends, and return the user as read after the lock."""
    return lock(User.objects.all(), pk)


def new_person(email: str, full_name: str, hashed: str, *, verified: bool) -> User:
    """A user and the one address; raises IntegrityError when somebody has that address, Refused what no column holds.

    `hashed` is the password's hash: it takes long on purpose, so it is made before the transaction.
    """
    person = User.objects.create(
        email=fitting(User, "email", email.lower()),
        password=hashed,
        full_name=fitting(User, "full_name", full_name),
    )
    EmailAddress.objects.create(user=person, email=person.email, verified=verified, primary=True)
    return person
