"""Run the mail listener: `manage.py receive_smtp`; `manage.py up` keeps it running."""

import asyncio
import ctypes
import gc
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from factureya.core.mail import smtp

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


class Command(BaseCommand):
    help = "Take mail by SMTP and LMTP on MAIL_IN_LISTEN; 250 only after the message is committed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lmtp", action="store_true", help="accepted, and not needed: the listener takes both")

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run the mail listener on MAIL_IN_LISTEN, frugal with memory, until the process is ended."""
        # aiosmtpd logs each command of a mail server with its mail addresses; we do not want them in the log
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        try:
            host, port = smtp.parse_listen_address(settings.MAIL_IN_LISTEN)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        _give_memory_back_early()
        _collect_garbage_seldom()
        asyncio.run(smtp.serve(host, port))


def _give_memory_back_early() -> None:
    """Make the C library (glibc) give large blocks of memory back at once, so that large mails do not keep them."""
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(M_ARENA_MAX, 1)
        set_option(M_MMAP_THRESHOLD, 256 * 1024)
        set_option(M_TRIM_THRESHOLD, 1024 * 1024)


def _collect_garbage_seldom() -> None:
    """Let Python collect garbage seldom: as often as by default, it takes a fifth of the time of each mail."""
    gc.collect()
    gc.freeze()  # what is loaded now lives as long as the process: no collection looks at it
    gc.set_threshold(20_000, 20, 50)
