"""Show the public pages: text, and the hours of attention at this minute (M2)."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from factureya.core import calendar, clock
from factureya.portal import hours

PRIVATE = ("admin", "control", "cuenta", "enlace", "tickets", "archivos", "solicitudes")
ROBOTS = "".join(["User-agent: *\n", *(f"Disallow: /{place}/\n" for place in PRIVATE)])


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the home page (Inicio): its four doors, and the Centro de negocios with phones, mails and hours (M2)."""
    return render(request, "portal/home.html", _make_hours_context())


@require_safe
def support(request: HttpRequest) -> HttpResponse:
    """Show Atención a clientes: tickets, hours and phones, and what happens to a ticket (M2, M9, M11, M17)."""
    return render(request, "portal/support.html", _make_hours_context())


@require_safe
def system(request: HttpRequest) -> HttpResponse:
    """Redirect to the Factureya system at FACTUREYA_SYSTEM_URL; without that setting show how to enter it (M2)."""
    if settings.FACTUREYA_SYSTEM_URL:
        return HttpResponseRedirect(settings.FACTUREYA_SYSTEM_URL)
    return render(request, "portal/system.html")


@require_safe
def free_app(request: HttpRequest) -> HttpResponse:
    """Show the free application: for whom it is, its terms, and where it is downloaded, if a setting says (M2)."""
    return render(request, "portal/free_app.html", {"download_url": settings.FREE_APP_URL})


@require_safe
def text_page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the page of text with this name: `templates/portal/<name>.html`."""
    return render(request, f"portal/{name}.html")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Return what search engines are asked to leave alone; private pages are behind a login anyway."""
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


def _make_hours_context() -> dict[str, hours.Today]:
    """Return the context of a page that shows the hours of attention."""
    return {"hours": hours.describe_today(calendar.load_attention_hours(), clock.now())}
