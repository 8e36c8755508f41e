"""The site's addresses and one more: a bare view that only loads the session and its user. For measuring."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from factureya.urls import handler400, handler403, handler404, handler500  # noqa: F401 - Django reads them here


def auth(request: HttpRequest) -> HttpResponse:
    """Answer with what every page costs before it does anything: session, user, all middleware."""
    return HttpResponse(str(request.user.pk))


urlpatterns = [path("bench-auth/", auth, name="bench_auth"), path("", include("factureya.urls"))]
