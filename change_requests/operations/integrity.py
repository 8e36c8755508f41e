"""Record that stored evidence is not what was sent (M20, M21)."""

from collections.abc import Sequence

from accounts.models import User
from change_requests.models import FormalRequest
from change_requests.operations._common import Status, lock_request, record_altered_evidence


def report_altered_evidence(pk: int, *, actor: User, names: Sequence[str]) -> FormalRequest:
    """Record that these files are not those that were sent, and tell the officers; return the request.

    The same finding again changes nothing.
    """
    with lock_request(pk, *Status, is_stopped_too=True) as request:
        record_altered_evidence(request, names, actor)
    return request
