"""Hash passwords, and tell what Django's validators find wrong with a new one, in our words."""

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User

WORDS = {
    "password_too_short": "Elija una contraseña de al menos 12 caracteres.",
    "password_too_common": "Esa contraseña es de uso común; elija otra.",
    "password_too_similar": "La contraseña se parece a su nombre o a su correo; elija otra.",
}


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Use Argon2id with OWASP's minimum of memory (19 MiB), so that many sign-ins at once fit a small machine."""

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1


def check_password(password: str, user: User) -> None:
    """Raise ValidationError with each fault of this person's new password, in our Spanish words (WORDS)."""
    try:
        validate_password(password, user)
    except ValidationError as problem:
        raise ValidationError(
            [ValidationError(WORDS[error.code or ""], code=error.code) for error in problem.error_list]
        ) from None
