"""`manage.py receive_smtp`: the mail listener; `manage.py up` keeps it running."""

import asyncio
import gc
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from factureya.core import mail_listener


class Command(BaseCommand):
    help = "Take mail by SMTP (or LMTP) on MAIL_IN_LISTEN; 250 only after the message is committed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lmtp", action="store_true", help="LMTP instead of SMTP")

    def handle(self, *_args: Any, lmtp: bool, **_options: Any) -> None:
        logging.getLogger("mail.log").setLevel(
            logging.WARNING
        )  # aiosmtpd: a line per command, with addresses
        try:
            host, port = mail_listener.address(settings.MAIL_IN_LISTEN)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        _collect_seldom()
        asyncio.run(mail_listener.serve(host, port, is_lmtp=lmtp))


def _collect_seldom() -> None:
    """What was loaded stays: looking through all of it for garbage again and again costs a fifth of each mail."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
