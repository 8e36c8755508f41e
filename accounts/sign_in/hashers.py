"""Password hashing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id at OWASP's floor of memory (19 MiB), so that a burst of sign-ins fits a small machine."""

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
