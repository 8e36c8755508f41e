"""Render the side bar of the admin's pages."""

from itertools import groupby
from typing import Any

from django import template

from factureya.core.templatetags.fy import address
from tickets import policy, sql
from tickets.charges import policy as charge_policy
from tickets.desk import queue

register = template.Library()


@register.inclusion_tag("admin/tickets/side_bar.html", takes_context=True)
def side_bar(context: template.Context) -> dict[str, Any]:
    """Return the entries of the admin's side bar: the queue's views, the mail tray, and the pages of other apps.

    Who holds a desk office or reads everything sees the views. Each other page stands there only for those whom its
    policy allows. If the page did not count the tickets (`view_counts`), the views have no numbers.
    """
    request, counts, queue_place = context["request"], context.get("view_counts") or {}, context.get("place")
    person = request.user
    sees_tickets = person.is_authenticated and bool(person.desk_provider_ids or person.reads_all)
    current_slug = queue_place.view.slug if queue_place else ""
    groups = _build_view_groups(queue.list_views(person), counts, current_slug) if sees_tickets else []
    if sees_tickets and policy.may_read_mails(person):
        entries = [_build_entry("Bandeja", "tray", request.path)]
        if policy.may_take_calls(person):
            entries.append(_build_entry("Registrar llamada", "phone", request.path))
        groups.append(("Correo y teléfono", entries))
    if sees_tickets and policy.may_see_providers(person):
        groups.append(("Terceros", [_build_entry("Tickets por prestador", "providers", request.path)]))
    if person.is_authenticated and charge_policy.may_read_statements(person):
        groups.append(("Cobros", [_build_entry("Cargos del mes", "statements", request.path)]))
    if sees_tickets and policy.may_see_catalogue(person):
        groups.append(("Catálogo", [_build_entry("Categorías, alcance y Ventas", "catalogue", request.path)]))
    if sees_tickets and policy.may_read_authority(person):
        groups.append(("Autoridad", [_build_entry("Requerimientos", "authority", request.path)]))
    apps = context.get("available_apps") or []
    other_apps = [_mark_current_page(app, request.path) for app in apps if app["app_label"] != "tickets"]
    return {"groups": groups, "apps": other_apps}


def _build_view_groups(
    shown: list[queue.View], counts: dict[str, int], current_slug: str
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each heading of the side bar with the entries of the queue's shown views; the current one is marked."""
    url = address("admin:tickets_ticket_changelist")
    return [
        (heading, [_build_view_entry(view, url, counts.get(view.slug), current_slug) for view in views])
        for heading, views in groupby(shown, key=lambda view: view.group)  # `group`: the heading
    ]


def _build_entry(label: str, page: str, path: str) -> dict[str, Any]:
    """Return the side bar's entry of a page that is no list of tickets, marked as current on every page below it."""
    url = address(f"admin:tickets_ticket_{page}")
    return {"label": label, "url": url, "count": None, "is_hot": False, "is_current": path.startswith(url)}


def _build_view_entry(view: queue.View, url: str, count: int | None, current_slug: str) -> dict[str, Any]:
    """Return the side bar's entry of a queue view with its count, up to «99+». `is_hot`: urgent, and has tickets."""
    return {
        "label": view.label,
        "url": f"{url}?vista={view.slug}",
        "count": None if count is None else sql.show_count(count, queue.COUNT_CAP),
        "is_hot": view.is_urgent and bool(count),
        "is_current": view.slug == current_slug,
    }


def _mark_current_page(app: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the name of an app and its admin pages for the side bar; the page of this path is marked as current."""
    models = [
        {**model, "is_current": bool(model["admin_url"]) and path.startswith(model["admin_url"])}
        for model in app["models"]
    ]
    return {"name": app["name"], "models": models}
