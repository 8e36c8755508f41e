"""Receive one mail from the pipe of a mail server (Postfix, Exim): `manage.py receive_email`."""

import json
import logging
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils.module_loading import import_string

from factureya.core.mail import intake
from factureya.core.mail.intake import Outcome
from factureya.core.models import InboundMessage, InboundReading


class Command(BaseCommand):
    help = "Take one RFC 5322 message on stdin. Exit 0: kept and disposed of; 75: try again."
    requires_system_checks: list[str] = []  # a mail must not wait for them

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --to, the recipients of the mail's envelope, and --json, which prints the outcome."""
        text = "of the envelope; several, and repeatable (pipe(8) of Postfix gives all that a mail has)"
        parser.add_argument("--to", action="extend", nargs="+", default=[], metavar="ADDRESS", help=text)
        parser.add_argument("--json", action="store_true", dest="as_json", help="say what became of it")

    def handle(self, *_args: Any, to: list[str], as_json: bool, **_options: Any) -> None:
        """Store the mail from standard input, handle it, and print its outcome (ticket, refusal …) for --json."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(_drop_traceback)  # each record is one line in the mail server's log
        raw = sys.stdin.buffer.read(intake.MAX_KEPT + 1)
        inbound, is_new = intake.keep(raw, source=intake.Source.PIPE, recipients=to)
        outcome = intake.finish(inbound, is_new)
        if as_json:
            self.stdout.write(json.dumps(_describe_outcome(inbound.pk, outcome), ensure_ascii=False))


def _drop_traceback(record: logging.LogRecord) -> bool:
    """Put a log record's exception into its text, without the traceback; return True, so that the record is logged."""
    if record.exc_info and record.exc_info[0]:
        record.msg = f"{record.getMessage()}: {record.exc_info[0].__name__}: {record.exc_info[1]}"
        record.args, record.exc_info, record.exc_text = (), None, None
    return True


def _describe_outcome(pk: int, outcome: Outcome) -> dict[str, Any]:
    """Return what became of the mail `pk`, to be printed as JSON in the form of spec/interfaces.md."""
    kind, _, name = outcome.about.partition(":")  # for example «ticket:FY-7K3M-9QX1»; may be empty
    ticket = name if kind == "ticket" else None
    answer: dict[str, Any] = {"disposition": outcome.disposition, "ticket": ticket, "reason": outcome.reason}
    if kind == "request":
        answer["folio"] = import_string(settings.MAIL_FOLIO)(outcome.about)
    reading = InboundReading.objects.filter(pk=pk).first()
    if reading is None:  # a mail beyond the limits is not read
        subject = InboundMessage.objects.values_list("subject", flat=True).get(pk=pk)
        return answer | {"subject": subject, "text": "", "attachments": []}
    accepted = [*outcome.accepted, *[False] * len(reading.files)]  # False: nobody tried to store the file
    files = [
        {"name": file["name"], "type": file["type"], "bytes": file["size"], "accepted": is_accepted}
        for file, is_accepted in zip(reading.files, accepted, strict=False)
    ]
    return answer | {"subject": reading.subject, "text": reading.own_words, "attachments": files}
