"""Write the untouched bytes of a mail to standard output: `manage.py export_mail PK`, their only way out (M16, M26)."""

from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from factureya.core import audit
from factureya.core.models import InboundMessage


class Command(BaseCommand):
    help = "Write the bytes of a mail as it came to standard output, with every link in it; this is recorded."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pk", type=int)

    def handle(self, *_args: Any, pk: int, **_options: Any) -> None:
        """Record which user of the machine exports the mail `pk`, and write its original bytes to standard output."""
        with transaction.atomic():
            inbound = InboundMessage.objects.select_related("original").filter(pk=pk).first()
            if inbound is None:
                raise CommandError(f"There is no mail {pk}.")
            audit.record("mail.exported", inbound, actor=None, by=getuser())
        self.stdout.buffer.write(inbound.raw)  # type: ignore[attr-defined]  # bytes, as they came
