"""Where a person lands after signing in."""

from typing import Any

from django.urls import reverse


def landing_of(user: Any) -> str:
    """Agents and supervisors: the admin; other offices: /control/; customers: their tickets; others: the profile."""
    if user.works_in_admin:
        return reverse("admin:index")
    if user.works_in_control:
        return reverse("control:inbox")
    return reverse("tickets:list" if user.membership else "accounts:home")
