"""Hash passwords."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """Use Argon2id with OWASP's minimum of memory (19 MiB), so that many sign-ins at once fit a small machine."""

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
