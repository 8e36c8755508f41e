"""Render the side bar of the admin's pages."""

from itertools import groupby
from typing import Any

from django import template
from django.urls import reverse

from tickets import policy, sql
from tickets.desk import queue

register = template.Library()


@register.inclusion_tag("admin/tickets/side_bar.html", takes_context=True)
def side_bar(context: template.Context) -> dict[str, Any]:
    """Show the queue's views to who holds a desk office, with the counts that the page has; then other pages."""
    request, counts, place = (context["request"], context.get("view_counts") or {}, context.get("place"))
    is_desk = request.user.is_authenticated and bool(request.user.desk_provider_ids)
    apps = context.get("available_apps") or []
    groups = _build_groups(counts, place.view.slug if place else "") if is_desk else []
    if is_desk and policy.may_take_calls(request.user):
        groups.append(("Correo", [_build_tray_entry(request.path)]))
    return {"groups": groups, "apps": [_build_app(app, request.path) for app in apps if app["app_label"] != "tickets"]}


def _build_groups(counts: dict[str, int], current: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the queue's views by their heading."""
    url = reverse("admin:tickets_ticket_changelist")
    return [
        (heading, [_build_entry(view, url, counts.get(view.slug), current) for view in views])
        for heading, views in groupby(queue.VIEWS.values(), key=lambda view: view.group)
    ]


def _build_tray_entry(path: str) -> dict[str, Any]:
    """Return the entry of the mail tray."""
    url = reverse("admin:tickets_ticket_tray")
    current = path.startswith(url)
    return {"label": "Bandeja", "url": url, "count": None, "is_hot": False, "is_current": current}


def _build_entry(view: queue.View, url: str, count: int | None, current: str) -> dict[str, Any]:
    """Return the entry of a view with its count, as text no further than «99+»."""
    shown = None if count is None else sql.show_count(count, queue.COUNT_CAP)
    return {
        "label": view.label,
        "url": f"{url}?vista={view.slug}",
        "count": shown,
        "is_hot": view.is_urgent and bool(count),
        "is_current": view.slug == current,
    }


def _build_app(app: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the entries of an app's admin pages."""
    models = [{**model, "is_current": path.startswith(model["admin_url"] or "\0")} for model in app["models"]]
    return {"name": app["name"], "models": models}
