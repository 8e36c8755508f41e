"""Choose the page where a person lands after signing in."""

from typing import Any

from django.urls import reverse


def choose_landing(user: Any) -> str:
    """Return the page where the person works.

    That is the admin for agents and supervisors, /control/ for other offices, the tickets for customers, and the
    profile for others.
    """
    if user.works_in_admin:
        return reverse("admin:index")
    if user.works_in_control:
        return reverse("control:inbox")
    return reverse("tickets:list" if user.membership else "accounts:home")
