"""Build the navigation in the frame of every page: the pages that a person is offered, and the current one."""

from typing import NamedTuple

from django import template
from django.http import HttpRequest
from django.template import Context

from factureya.core.templatetags.fy import address

register = template.Library()

# What is reached from «Atención a clientes» counts as being there.
SUPPORT_PAGES = ("tickets:new", "tickets:lookup")


PUBLIC_PAGES = [
    ("Inicio", "portal:home"),
    ("¿Qué es Factureya?", "portal:about"),
    ("Atención a clientes", "portal:support"),
]
CONTROL = "/control/"
INSIDE = "/control/emergencias/uso/"  # all that the session of an open emergency is offered
# Who reads the log of events, as `factureya.oversight.policy` says; its page asks again.
LOG_OFFICES = ("security_officer", "it_head", "auditor")


class Link(NamedTuple):
    """Hold a link of the navigation; `current` is the value of aria-current, or empty."""

    label: str
    url: str
    current: str


@register.simple_tag(takes_context=True)
def nav_links(context: Context) -> list[Link]:
    """Return the links in the header of every page, each with its `aria-current`.

    It is "page" for the link to this page, "true" for the section that this page belongs to, and "" for the others. The
    pages of mesa de control have a frame of their own: its pages instead of the public ones. Inside an emergency there
    is one link. Without a request (the 500 and 503 pages) only the public pages are offered.
    """
    request = context.get("request")
    path = request.path if request else ""
    if getattr(getattr(request, "user", None), "emergency_grant", None):
        return [Link("Emergencia", INSIDE, "page" if path == INSIDE else "")]
    control_pages = path.startswith(CONTROL) and _list_control_pages(request)
    pages = control_pages or [*PUBLIC_PAGES, *_list_own_pages(request)]
    addresses = [(label, address(name)) for label, name in pages]
    current = {_find_section(path, [url for _, url in addresses]): "true", path: "page"}  # by address
    return [Link(label, url, current.get(url, "")) for label, url in addresses]


def _list_own_pages(request: HttpRequest | None) -> list[tuple[str, str]]:
    """Return the header links (label, route) of a signed-in person: a customer's pages, or the pages of staff."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    if not user.is_staff:
        membership = user.membership
        has_powers = membership is not None and membership.is_representative and membership.customer.is_verified
        pages = [("Solicitudes", "requests:list")] if has_powers else []  # M8
        return [("Mis tickets", "tickets:list"), *pages]
    pages = [("Cola de tickets", "admin:index")] if user.works_in_admin else []
    return [*pages, ("Mesa de control", "control:inbox")] if user.works_in_control else pages


def _list_control_pages(request: HttpRequest | None) -> list[tuple[str, str]]:
    """Return the header links (label, route) of mesa de control; nothing for a person who does not work there."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.works_in_control:
        return []
    pages = [("Solicitudes", "control:inbox"), ("Emergencias", "emergency:list"), ("Paquetes", "packages:list")]
    if user.holds(*LOG_OFFICES):
        pages.append(("Bitácora", "oversight:log"))
    pages.append(("Cumplimiento", "oversight:board"))
    return pages + ([("Cola de tickets", "admin:index")] if user.works_in_admin else [])


def _find_section(path: str, urls: list[str]) -> str:
    """Return the address (one of `urls`) of the section to which the page at `path` belongs, or "" if none.

    It is the longest address that `path` begins with. The SUPPORT_PAGES belong to «Atención a clientes».
    """
    if any(path == address(name) for name in SUPPORT_PAGES):
        return address("portal:support")
    return max((url for url in urls if url != "/" and path.startswith(url)), key=len, default="")
