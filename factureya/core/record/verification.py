"""Verify the whole log of events every night, and keep the outcome for the pages that show it (M26)."""

import logging
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils.module_loading import import_string

from factureya.core import audit, clock
from factureya.core.audit import Flaw
from factureya.core.models import ChainHead, LogVerification
from factureya.core.record import anchors, guard_record

logger = logging.getLogger(__name__)
MOST_FLAWS = 1000  # read of one run; more say nothing new


def verify_log() -> LogVerification:
    """Check the whole log of events: chains, anchors, guards, mails, and rows; store the result and return it (M26).

    The result counts the flaws, MOST_FLAWS at most. Flaws are also logged as an error; nothing is repaired.
    """
    started_at, anchor = clock.now(), anchors.latest_anchor()
    counted = ChainHead.objects.aggregate(chains=Count("pk"), events=Sum("seq"))
    flaws = list(islice(find_all_flaws(), MOST_FLAWS))
    first_text = _describe_flaw(flaws[0]) if flaws else ""
    if first_text:
        logger.error("the log of events is not whole: %s", first_text)
    with transaction.atomic():
        return LogVerification.objects.create(
            started_at=started_at,
            finished_at=clock.now(),
            chains=counted["chains"],
            events=counted["events"] or 0,
            flaws=len(flaws),
            first_flaw=first_text[:300],
            anchor_day=anchor.day if anchor else None,
        )


def find_all_flaws(folder: Path | None = None) -> Iterator[Flaw]:
    """Yield the flaws of chains, mails, anchors (files in `folder`), guards, and then of AUDIT_STATE_CHECKS (M26)."""
    checks = (import_string(name) for name in settings.AUDIT_STATE_CHECKS)
    yield from chain(audit.find_flaws(), audit.find_unrecorded_mails())
    yield from chain(anchors.find_flaws(folder), guard_record.find_flaws(connection))
    for check in checks:
        yield from check()


def latest_verification() -> LogVerification | None:
    """Return the last verification of the log, or None if it never ran."""
    return LogVerification.objects.order_by("-pk").first()


def _describe_flaw(flaw: Flaw) -> str:
    """Return a flaw of the log in one line: its chain, its number and what is wrong."""
    return f"{flaw.chain}, renglón {flaw.seq}: {flaw.problem}"
