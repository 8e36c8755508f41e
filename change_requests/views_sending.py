"""How a file of a request leaves: as an attachment, sandboxed (M17). The caller has asked the policy."""

from django.http import FileResponse, Http404

from factureya.core import attachments
from factureya.core.models import Attachment


def send(attachment: Attachment) -> FileResponse:
    """Stream it with the store's headers, set after FileResponse guessed its own."""
    try:
        headers, content = attachments.open_for_download(attachment)
    except FileNotFoundError as error:
        raise Http404("El archivo ya no está.") from error
    response = FileResponse(content)
    for name, value in headers.items():
        response[name] = value
    return response
