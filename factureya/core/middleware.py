"""What holds for every request: no NUL in a cookie, nothing private stored by a browser or proxy, a page for 405."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control

Handler = Callable[[HttpRequest], HttpResponse]


class NoNulInCookiesMiddleware:
    """A cookie with a NUL, which no browser sends and PostgreSQL cannot look for, is as good as absent."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\\" in request.META.get("HTTP_COOKIE", ""):  # the only way to write one: "\000"
            request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        return self.get_response(request)


class BodyLimitMiddleware:
    """400 for a body beyond REQUEST_MAX_BYTES, before a byte of it is read (M17).

    Django reads a form's files to the disk before it knows who sends them, and limits only what is not a file.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.REQUEST_MAX_BYTES:
            raise RequestDataTooBig
        return self.get_response(request)


class NoStoreMiddleware:
    """`Cache-Control: no-store, private` on what is answered to, or starts, a session (ASVS 14.3.2).

    Decided by the session's cookie alone, so that no page loads a session for it. Static files pass before.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        cookie = settings.SESSION_COOKIE_NAME
        if cookie in request.COOKIES or cookie in response.cookies:
            patch_cache_control(response, no_store=True, private=True)
        return response


class MethodNotAllowedPageMiddleware:
    """The portal's page for 405; the status and the Allow header stay."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == 405 and not response.streaming and not response.content:
            response.content = render_to_string("405.html", request=request).encode()
            response["Content-Type"] = "text/html; charset=utf-8"
        return response
