"""Show a company's image in the frame of the pages that its people see (M33)."""

from dataclasses import dataclass

from django import template
from django.template import Context
from django.urls import reverse

from accounts.branding import stylesheets
from accounts.models import Branding

register = template.Library()
# Formal requests keep Factureya's image: what is signed there must not look like a company's own page.
OUR_PAGES = ("/solicitudes/", "/control/", "/admin/")


@dataclass(frozen=True)
class Frame:
    """Hold what the head of a page shows of a company's image; a light logo stands on the colour, others on white."""

    name: str
    css_url: str
    logo_url: str
    is_light: bool


@register.simple_tag(takes_context=True)
def company_frame(context: Context) -> Frame | None:
    """Return the image of the signed-in person's company for this page; None if the page has Factureya's.

    It sends no query: the session's person is read with company and image (`sign_in.backends`).
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated or request.path.startswith(OUR_PAGES):
        return None
    membership = user.membership
    branding = getattr(membership.customer, "branding", None) if membership else None
    if branding is None or not branding.is_own:
        return None
    return _make_frame(branding, membership.customer.legal_name)


def _make_frame(branding: Branding, name: str) -> Frame:
    """Return the frame of a company that has an image of its own."""
    slug = stylesheets.write_slug(branding.shown_main, branding.shown_accent)
    logo_url = make_logo_url(branding.logo_sha256, "pantalla") if branding.logo_sha256 else ""
    return Frame(name, reverse("accounts:branding_colours", args=[slug, "portal"]), logo_url, branding.logo_is_light)


@register.simple_tag
def make_logo_url(sha256: str, size: str) -> str:
    """Return the address of a logo, for the «pantalla» or to «imprimir»."""
    return reverse("accounts:branding_logo", args=[sha256, size])
