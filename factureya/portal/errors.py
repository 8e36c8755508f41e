"""Show the error pages: what happened, whether anything was lost, and what to do next.

400, 500 and 503 are rendered without the request: no session, no user, no context processor, no query.
"""

import errno
import logging
import math
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

from factureya.core.forms import choose_kept_fields, list_texts

RETRY_SECONDS = 30  # Retry-After while the database does not answer
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

LAST_RESORT = (
    '<!doctype html><html lang="es-MX"><head><meta charset="utf-8"><title>Error – Factureya</title></head>'
    "<body><h1>No pudimos mostrar la página</h1><p>Inténtelo de nuevo en unos minutos. Teléfonos: 01 800 63 22 887 "
    "y 01 (222) 403 4091.</p></body></html>"
)
logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400 to a request that no browser makes by itself, or that holds too much."""
    return _render_standalone("400.html", 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403 to a person who is signed in and may not see this page."""
    return render(request, "403.html", status=403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404 if there is no such page or it is somebody else's; which of the two is not told (M16)."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 to a request that failed, or 503 if the database did not answer or a disk is full."""
    error = sys.exc_info()[1]  # Django calls this while it handles the exception
    is_full = isinstance(error, OSError) and error.errno in DISK_FULL
    if is_full or isinstance(error, OperationalError | InterfaceError):
        return unavailable(request)
    return _render_standalone("500.html", 500)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 with Retry-After, because the fault ends by itself and the page will work again."""
    response = _render_standalone("503.html", 503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def too_many_requests(request: HttpRequest, retry_after: float | None = None) -> HttpResponse:
    """Answer 429 because a limit was reached; page and header say to wait `retry_after` seconds, if that is known."""
    minutes = math.ceil(retry_after / 60) if retry_after else None
    response = render(request, "429.html", {"minutes": minutes}, status=429)
    if retry_after:
        response["Retry-After"] = str(math.ceil(retry_after))
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose CSRF token is bad, with the typed text to copy, and a link back to the form."""
    came_from = request.headers.get("Referer", "")  # shown only if it is a page of our site
    back = came_from if url_has_allowed_host_and_scheme(came_from, {request.get_host()}) else ""
    typed_texts = list_texts(choose_kept_fields(request.POST))
    context = {"no_cookie": reason == REASON_NO_CSRF_COOKIE, "kept": typed_texts, "back": back}
    return render(request, "403_csrf.html", context, status=403)


def _render_standalone(template: str, status: int) -> HttpResponse:
    """Return the error page of this status, which needs nothing of the request. If that fails, return a fixed text."""
    try:
        return HttpResponse(render_to_string(template), status=status)
    except Exception:
        logger.exception("The page of error %s could not be rendered", status)
        return HttpResponse(LAST_RESORT, status=status)
