"""Serve tickets in the Django admin: the queue and the workspace. There is no stock page."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.web.form_memory import post_only, set_form_page
from accounts.web.mixins import get_person
from tickets.desk import (
    views_authority,
    views_call,
    views_catalogue,
    views_charges,
    views_merging,
    views_phone,
    views_providers,
    views_queue,
    views_statements,
    views_steps,
    views_ticket,
    views_tray,
)
from tickets.models import Ticket

Page = tuple[str, Callable[..., HttpResponseBase], str]  # route, view, name
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@admin.register(Ticket)
class TicketAdmin(admin.ModelAdmin):
    """Name the addresses and permissions; each page asks `visible_to` which tickets the person sees."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the agents' pages, in place of Django's own pages to list, add and delete tickets."""
        require_staff = self.admin_site.admin_view
        pages = [*_list_desk_pages(), *_list_phone_pages(), *_list_ticket_pages()]
        return [path(route, require_staff(view), name=f"tickets_ticket_{name}") for route, view, name in pages]

    def has_module_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person holds a desk office or reads everything; to be a superuser is not enough."""
        person = get_person(request)
        return bool(person.desk_provider_ids or person.reads_all)

    has_view_permission = has_module_permission

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person holds a desk office; who reads everything changes nothing (M26)."""
        return bool(get_person(request).desk_provider_ids)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: a ticket by phone has a page of its own, and none is deleted."""
        return False

    has_delete_permission = has_add_permission


# If an agent posts a form and must log in first, he returns to its page, named by `post_from_…` or `from_…`.
def _list_desk_pages() -> list[Page]:
    """Return route, view and name of the pages that are about no one ticket: queue, tray, providers, charges."""
    from_queue = set_form_page(views_queue.find_list_page)
    from_provider = post_only("admin:tickets_ticket_provider", "provider")
    post_from_mail = post_only("admin:tickets_ticket_mail", "pk")
    statement = "cargos/<int:customer>/<str:month>/"
    return [
        ("", require_safe(views_queue.queue_page), "changelist"),
        ("asignar/", from_queue(require_POST(views_queue.assign_selected)), "assign"),
        ("prestadores/", require_safe(views_providers.list_providers), "providers"),
        ("prestadores/<int:provider>/", require_safe(views_providers.show_provider), "provider"),
        ("prestadores/<int:provider>/turnar/", from_provider(views_providers.move_tickets), "provider_move"),
        ("catalogo/", get_or_post(views_catalogue.catalogue_page), "catalogue"),
        ("bandeja/", require_safe(views_tray.tray_page), "tray"),
        ("bandeja/<int:pk>/", require_safe(views_tray.mail_page), "mail"),
        ("bandeja/<int:pk>/original/", require_safe(views_tray.download_original), "mail_original"),
        ("bandeja/<int:pk>/agregar/", get_or_post(views_tray.link_mail), "mail_link"),
        ("bandeja/<int:pk>/abrir/", get_or_post(views_tray.open_ticket), "mail_open"),
        ("bandeja/<int:pk>/descartar/", post_from_mail(views_tray.discard_mail), "mail_discard"),
        ("autoridad/", require_safe(views_authority.list_requests), "authority"),
        ("autoridad/<int:pk>/", get_or_post(views_authority.show_request), "authority_request"),
        ("autoridad/<int:pk>/oficio/", require_safe(views_authority.download_document), "authority_document"),
        ("cargos/", require_safe(views_statements.list_page), "statements"),
        (statement, require_safe(views_statements.statement_page), "statement"),
        (f"{statement}estado.pdf", require_safe(views_statements.statement_pdf), "statement_pdf"),
        (f"{statement}estado.csv", require_safe(views_statements.statement_csv), "statement_csv"),
    ]


def _list_phone_pages() -> list[Page]:
    """Return the same of the pages of a telephone call."""
    from_search, from_call = post_only("admin:tickets_ticket_phone"), post_only("admin:tickets_ticket_call", "call")
    from_sales = post_only("admin:tickets_ticket_call_sales")
    return [
        ("telefono/", require_safe(views_phone.search_callers), "phone"),
        ("telefono/atender/", from_search(views_phone.start_call), "call_start"),
        ("telefono/ventas/", get_or_post(views_phone.list_sales), "call_sales"),
        ("telefono/ventas/<int:call>/atendida/", from_sales(views_phone.handle_sale), "call_handled"),
        ("telefono/<int:call>/", get_or_post(views_call.show_call), "call"),
        ("telefono/<int:call>/parecidos/", require_safe(views_call.suggest_similar), "call_similar"),
        ("telefono/<int:call>/codigo/", from_call(views_call.send_code), "call_code"),
        ("telefono/<int:call>/comprobar/", from_call(views_call.check_code), "call_check"),
        ("telefono/<int:call>/terminar/", from_call(views_call.end_call), "call_end"),
    ]


def _list_ticket_pages() -> list[Page]:
    """Return the same of the page of a ticket, and of what is done there."""
    post_from_ticket = post_only("admin:tickets_ticket_change", "pk")
    return [
        ("<int:pk>/change/", require_safe(views_ticket.workspace), "change"),
        ("<int:pk>/mensaje/", post_from_ticket(views_ticket.write), "write"),
        ("<int:pk>/propiedades/", post_from_ticket(views_ticket.set_properties), "properties"),
        ("<int:pk>/confirmar/", get_or_post(views_steps.confirm_by_phone), "confirm"),
        ("<int:pk>/combinar/", get_or_post(views_merging.merge_ticket), "merge"),
        ("<int:pk>/combinar/deshacer/", get_or_post(views_merging.undo_merge), "undo_merge"),
        ("<int:pk>/separar/", get_or_post(views_merging.split_message), "split"),
        ("<int:pk>/prestador/", get_or_post(views_steps.hand_over), "hand_over"),
        ("<int:pk>/tiempo/", get_or_post(views_charges.TimePage.as_view()), "time"),
        ("<int:pk>/tiempo/<int:seq>/anular/", get_or_post(views_charges.VoidTime.as_view()), "void_time"),
        ("<int:pk>/cobro/", get_or_post(views_charges.ProposeCharge.as_view()), "propose"),
        ("<int:pk>/cobro/<int:seq>/retirar/", get_or_post(views_charges.WithdrawCharge.as_view()), "withdraw"),
        ("<int:pk>/correo-cliente/", get_or_post(views_steps.show_mail), "show_mail"),
        ("<int:pk>/correo-cliente/ocultar/", post_from_ticket(views_steps.hide_mail), "hide_mail"),
        ("<int:pk>/correo/<int:mail>/", post_from_ticket(views_steps.retry_mail), "retry_mail"),
        ("<int:pk>/cierre/", post_from_ticket(views_steps.release_close), "release_close"),
    ]
