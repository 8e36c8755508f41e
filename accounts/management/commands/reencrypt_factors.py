"""Encrypt every second factor with the new key, before an old key is removed: `manage.py reencrypt_factors`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import operations


class Command(BaseCommand):
    help = "Encrypt the secrets of all second factors with the first key; exit 1 when a key that is needed is missing."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Encrypt all second factors with the first (newest) key. CommandError names whose factors no key can read."""
        changed, unreadable = operations.reencrypt_factors()
        self.stdout.write(f"{changed} second factors encrypted with the first key")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} cannot be read with any key. Put the old key back, or let two people reset them: "
                + ", ".join(unreadable)
            )
