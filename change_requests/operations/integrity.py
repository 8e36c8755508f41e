"""The evidence is read again before somebody relies on it; what is altered stops the act and is told (M20, M21)."""

from collections.abc import Sequence

from accounts.models import User
from change_requests import notifications
from change_requests.documents import evidence
from change_requests.models import FormalRequest
from change_requests.operations._locking import Status, locked
from change_requests.operations.errors import AlteredEvidence
from factureya.core import audit


def altered_evidence(request: FormalRequest, actor: User) -> AlteredEvidence | None:
    """Read the evidence of the locked request; return why nobody may rely on it, which is written and told, or None.

    The caller raises it after its transaction, so that the event stays.
    """
    names = evidence.altered_in(request)
    if not names:
        return None
    _report(request, names, actor)
    return AlteredEvidence(names)


def report_altered_evidence(pk: int, *, actor: User, names: Sequence[str]) -> FormalRequest:
    """Record and tell that stored files are not those that were sent; the same finding again changes nothing."""
    with locked(pk, *Status, suspended=True) as request:
        _report(request, names, actor)
    return request


def _report(request: FormalRequest, names: Sequence[str], actor: User) -> None:
    found = sorted(set(names))
    said = request.events().filter(verb="request.evidence_altered").values_list("data", flat=True)
    if any(data["files"] == found for data in said):
        return
    event = audit.record("request.evidence_altered", request, actor=actor, files=found)
    notifications.evidence_altered(request, event)
