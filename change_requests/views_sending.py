"""How a file of a request leaves: read and compared first, as an attachment, sandboxed (M17, M20). The caller asked."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from accounts.models import User
from change_requests import operations
from change_requests.documents import evidence
from change_requests.models import FormalRequest
from factureya.core.files.sending import stream_stored
from factureya.core.models import Attachment

GONE, CONFLICT = 404, 409


def send(
    request: HttpRequest, user: User, formal: FormalRequest, attachment: Attachment, sha256: str
) -> HttpResponseBase:
    """Stream it with the store's headers; a file that is missing or altered is refused, recorded and told."""
    try:
        headers, content = evidence.open_as_sent(attachment, sha256)
    except evidence.Altered as problem:
        operations.report_altered_evidence(formal.pk, actor=user, names=[attachment.name])
        return _refused(request, formal, attachment, GONE if problem.is_missing else CONFLICT)
    return stream_stored(headers, content)


def _refused(request: HttpRequest, formal: FormalRequest, attachment: Attachment, status: int) -> HttpResponse:
    context = {"formal": formal, "name": attachment.name}
    page = "change_requests/evidence_altered.html"
    response = render(request, page, context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response
