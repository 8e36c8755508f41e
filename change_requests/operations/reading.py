"""Who of staff took a copy of a request's files out of the portal (M26).

The events stand in a chain beside that of the request: a reading changes nothing of it, and must not move the last hash
that its acuse and its expediente show.
"""

from dataclasses import dataclass
from typing import cast

from django.db import transaction

from accounts.models import UNPROVEN, Proof, User
from change_requests.models import FormalRequest
from change_requests.record.facts import describe_file, describe_person
from factureya.core import audit
from factureya.core.models import Attachment, Chained, Event

PREFIX = "request-reading"


@dataclass(frozen=True)
class Readings:
    """Name the chain of the readings of one request."""

    chain: str


def record_download(request: FormalRequest, *, actor: User, sha256: str, proof: Proof | None = None) -> Event:
    """Record and return that somebody downloaded the request's expediente; `sha256` is that of the ZIP he got."""
    return _record("request.expediente_downloaded", request, actor, proof, sha256=sha256)


def record_evidence_read(
    request: FormalRequest, *, actor: User, file: Attachment, sha256: str, proof: Proof | None = None
) -> Event:
    """Record and return that a member of staff downloaded a file of the request."""
    return _record("request.evidence_read", request, actor, proof, **describe_file(file) | {"sha256": sha256})


def find_readings_chain(request: FormalRequest) -> str:
    """Return the name of the chain in which the readings of a request stand."""
    return f"{PREFIX}:{request.pk}"


def _record(verb: str, request: FormalRequest, actor: User, proof: Proof | None, **data: str | int) -> Event:
    """Record that a person read something of the request, in its chain of readings, and return the event."""
    readings = cast(Chained, Readings(find_readings_chain(request)))
    facts = {"folio": request.folio, "who": describe_person(actor), "auth": (proof or UNPROVEN).as_data()}
    with transaction.atomic():
        return audit.record(verb, readings, actor=actor, **facts, **data)
