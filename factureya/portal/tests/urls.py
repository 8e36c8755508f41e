"""The site's addresses, and some that fail on purpose."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from factureya.portal.errors import too_many_requests
from factureya.urls import handler400, handler403, handler404, handler429, handler500  # noqa: F401
from factureya.urls import urlpatterns as site


def _raises(error):
    def view(request):
        raise error

    return view


urlpatterns = [
    path("falla/400/", _raises(SuspiciousOperation("no"))),
    path("falla/403/", _raises(PermissionDenied)),
    path("falla/403-csrf/", require_POST(lambda request: HttpResponse("ok"))),
    path("falla/405/", csrf_exempt(require_POST(lambda request: HttpResponse("ok")))),
    path("falla/429/", lambda request: too_many_requests(request, 61)),
    path("falla/500/", _raises(RuntimeError("secreto"))),
    path("falla/503/", _raises(OperationalError("no route to host"))),
    *site,
]
