"""Make the responses with which a file leaves. The caller has asked the policy of the file's owner first (M17)."""

from collections.abc import Mapping
from typing import IO, Any

from django.http import FileResponse, HttpResponse
from django.utils.http import content_disposition_header


def stream_stored(headers: Mapping[str, str], content: IO[Any]) -> FileResponse:
    """Return a response that streams the open file `content` of the store with `headers`, which `store` made for it."""
    response = FileResponse(content)
    for name, value in headers.items():  # they replace the ones that FileResponse guessed
        response[name] = value
    return response


def send_document(
    content: bytes, *, name: str, content_type: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return a response that makes the browser save a document of ours, for example a PDF, as a file called `name`."""
    disposition = content_disposition_header(True, name) or "attachment"
    sent_headers = {**(headers or {}), "Content-Type": content_type, "Content-Disposition": disposition}
    return HttpResponse(content, headers=sent_headers)
