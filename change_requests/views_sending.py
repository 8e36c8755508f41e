"""How a file of a request is sent: read and compared first, then as an attachment (M17, M20).

The caller has asked who may have it.
"""

from contextlib import ExitStack

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from accounts.models import User
from accounts.web.proofs import read_proof
from change_requests import operations
from change_requests.documents import evidence
from change_requests.models import FormalRequest
from factureya.core.files.sending import stream_stored
from factureya.core.models import Attachment

GONE, CONFLICT = 404, 409


def send_request_file(
    request: HttpRequest, user: User, formal: FormalRequest, attachment: Attachment, sha256: str
) -> HttpResponseBase:
    """Return a stored file of a request as a download, if it still has this hash. A download by staff is recorded.

    A missing or altered file is recorded and reported to staff, and the page that says so is returned in its place.
    """
    try:
        headers, content = evidence.open_as_sent(attachment, sha256)
    except evidence.Altered as alteration:
        operations.report_altered_evidence(formal.pk, actor=user, names=[attachment.name], proof=read_proof(request))
        return _render_refusal(request, formal, attachment, GONE if alteration.is_missing else CONFLICT)
    with ExitStack() as unsent:
        unsent.enter_context(content)
        if user.is_staff and request.method == "GET":
            proof = read_proof(request)
            operations.record_evidence_read(formal, actor=user, file=attachment, sha256=sha256, proof=proof)
        unsent.pop_all()  # the response closes the file
    return stream_stored(headers, content)


def _render_refusal(request: HttpRequest, formal: FormalRequest, attachment: Attachment, status: int) -> HttpResponse:
    """Return the page which says that the file is missing or is not what was sent."""
    context = {"formal": formal, "name": attachment.name}
    page = "change_requests/evidence_altered.html"
    response = render(request, page, context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response
