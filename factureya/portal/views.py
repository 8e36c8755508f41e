"""The public pages: text, and the hours of attention as they stand at this minute (M2)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

PRIVATE = ("admin", "control", "cuenta", "enlace", "tickets", "archivos", "solicitudes")
ROBOTS = "".join(["User-agent: *\n", *(f"Disallow: /{place}/\n" for place in PRIVATE)])


def _page(template: str):
    @require_safe
    def view(request: HttpRequest) -> HttpResponse:
        return render(request, f"portal/{template}.html")

    return view


home = _page("home")
about = _page("about")
sat = _page("sat")
free_app = _page("free_app")
privacy = _page("privacy")
accessibility = _page("accessibility")
support = _page("support")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """What search engines are asked to leave alone; what is private is behind a login anyway."""
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")
