"""Treat every request: drop NULs in cookies, limit bodies, keep caches out, record sessions and looks, fill a 405."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control
from django.utils.module_loading import import_string


class Middleware:
    """Hold the handler that answers a request after this one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response


class NoNulInCookiesMiddleware(Middleware):
    """Drop each cookie with a NUL; no browser sends one, and PostgreSQL cannot search for it."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\\" in request.META.get("HTTP_COOKIE", ""):  # the only way to write one: "\000"
            request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        return self.get_response(request)


class BodyLimitMiddleware(Middleware):
    """Answer 400 to a body of more than REQUEST_MAX_BYTES, before a byte of it is read (M17).

    Django writes a form's files to the disk before it knows who sends them, and limits only what is no file.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.REQUEST_MAX_BYTES:
            raise RequestDataTooBig
        return self.get_response(request)


class NoStoreMiddleware(Middleware):
    """Send `Cache-Control: no-store, private` with every answer to a session, or that starts one (ASVS 14.3.2).

    The session's cookie alone decides it, so that no page loads a session for it. Static files do not pass it, and an
    answer that says it is `immutable` stays as it is: its address holds its hash, and it is no page (M33).
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        cookie = settings.SESSION_COOKIE_NAME
        never_changes = "immutable" in response.get("Cache-Control", "")
        if (cookie in request.COOKIES or cookie in response.cookies) and not never_changes:
            patch_cache_control(response, no_store=True, private=True)
        return response


class RecordedSessionMiddleware(Middleware):
    """Let a recorder answer each request of a session whose backend has one in RECORDED_SESSIONS (M26).

    All other requests go on without one more query. A recorder is a middleware; it writes down what the request does.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self.recorders: dict[str, Callable[[HttpRequest], HttpResponse]] = {
            backend: import_string(recorder)(get_response) for backend, recorder in settings.RECORDED_SESSIONS.items()
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        backend = ""
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            backend = request.session.get(BACKEND_SESSION_KEY, "")
        return self.recorders.get(backend, self.get_response)(request)


class RecordedLooksMiddleware(Middleware):
    """Let LOOKS_RECORDERS write down each page that a person of staff was shown, before it is sent (M3, M26).

    Each recorder gets the request and decides whose looks are written down. A request without a session goes on.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self.recorders: list[Callable[[HttpRequest], None]] = [
            import_string(recorder) for recorder in settings.LOOKS_RECORDERS
        ]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_shown, has_session = response.status_code == 200, settings.SESSION_COOKIE_NAME in request.COOKIES
        if is_shown and has_session and getattr(getattr(request, "user", None), "is_staff", False):
            for record_look in self.recorders:
                record_look(request)
        return response


class MethodNotAllowedPageMiddleware(Middleware):
    """Fill an empty 405 answer with the portal's page; its status and its Allow header stay."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == 405 and not response.streaming and not response.content:
            response.content = render_to_string("405.html", request=request).encode()
            response["Content-Type"] = "text/html; charset=utf-8"
        return response
