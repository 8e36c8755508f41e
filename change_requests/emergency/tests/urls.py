"""The site, with plain pages at the addresses inside an emergency: what the middleware does, whatever the page is."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

from change_requests.emergency import operations, session
from change_requests.emergency.acts import INSIDE
from change_requests.tasks import expire_due
from factureya.core.refusals import Refused
from factureya.urls import handler400, handler403, handler404, handler500  # noqa: F401
from factureya.urls import urlpatterns as site

calls: list[str] = []  # the views that were called
during: list[Any] = []  # what happens while a view runs


def who(request: HttpRequest) -> HttpResponse:
    """Say who is signed in, and what he may do."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.path)
    calls.append("who")
    for happen in during:
        happen()
    user: Any = request.user
    return JsonResponse(
        {
            "user": user.email,
            "operator": user.real_operator.email,
            "grant": user.emergency_grant.folio,
            "reads": user.has_perm("tickets.view_ticket"),
            "changes": user.has_perm("tickets.change_ticket"),
        }
    )


def change(request: HttpRequest) -> HttpResponse:
    """Change one field, as the real page does."""
    calls.append("change")
    user: Any = request.user
    try:
        operations.apply_emergency_change(
            user.emergency_grant.pk, request.POST["field"], request.POST["new"], request.POST["reason"], actor=user
        )
    except Refused as refusal:
        return HttpResponse(str(refusal), status=403)
    for happen in during:
        happen()
    return HttpResponse("Cambiado")


def give_token(request: HttpRequest) -> HttpResponse:
    """Give the token that a form of this session carries."""
    return JsonResponse({"token": get_token(request)})


def fail(request: HttpRequest) -> HttpResponse:
    """Break."""
    raise RuntimeError("broken on purpose")


def start_task(request: HttpRequest) -> HttpResponse:
    """Try to start a task."""
    try:
        expire_due.delay()
    except Refused as refusal:
        return HttpResponse(str(refusal), status=403)
    return HttpResponse("Iniciada")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send three parts, and do something after the first."""

    def parts() -> Iterator[bytes]:
        yield b"uno "
        for happen in during:
            happen()
        yield b"dos "
        yield b"tres"

    return StreamingHttpResponse(parts())


def leave(request: HttpRequest) -> HttpResponse:
    """End the emergency."""
    for happen in during:
        happen()
    return session.leave_emergency(request)


def enter(request: HttpRequest, pk: int) -> HttpResponse:
    """Elevate the session, as the real page does."""
    try:
        session.elevate_session(request, pk)
    except Refused as refusal:
        return HttpResponse(str(refusal), status=409)
    return HttpResponse("Dentro")


urlpatterns = [
    path("prueba/entrar/<int:pk>/", enter),
    path(f"{INSIDE[1:]}", who, name="who"),
    path(f"{INSIDE[1:]}cambiar/", change, name="change"),
    path(f"{INSIDE[1:]}salida/", give_token, name="give_token"),
    path(f"{INSIDE[1:]}falla/", fail, name="fail"),
    path(f"{INSIDE[1:]}tarea/", start_task, name="start_task"),
    path(f"{INSIDE[1:]}parte/", stream, name="stream"),
    path(f"{INSIDE[1:]}terminar/", leave, name="leave"),
    *site,
]
