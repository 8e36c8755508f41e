"""Run Factureya's admin site: the stock Django admin with our login, closed to staff without a second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as account_views
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from accounts.web import form_memory
from accounts.web.mixins import ask_factor, has_passed_factor


class FactureyaAdminSite(AdminSite):
    """Serve the admin to agents, supervisors and superusers, and for reading to Auditoría."""

    site_header = "Factureya Soporte"
    site_title = "Administración Factureya"
    index_title = "Administración"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return True for superusers, Auditoría and staff of the desk now, with a second factor if one is required."""
        return self._works_in_admin(request) and has_passed_factor(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:  # type: ignore[override]
        """Return the admin view with our checks before it (`guarded`). Django redirects a GET without a login."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            """Show the page to a person who may enter; else ask for the login or the second factor, or answer 403."""
            page = form_memory.find_form_page(request, view, kwargs)  # to open after the login or the factor
            is_logged_in, is_post = request.user.is_authenticated, request.method == "POST"
            if is_logged_in and not self.has_permission(request):
                return self._ask_factor_or_refuse(request, page)  # asks for the second factor, or answers 403
            if is_post and not is_logged_in and request.path != self._logout_address:  # a logout needs no login
                return form_memory.ask_login(request, page)  # and keep the fields until then
            if is_post:  # the fields kept before the login are no longer needed: this post carries them
                form_memory.drop_held_fields(request)
            response: HttpResponseBase = inner(request, *args, **kwargs)
            form_memory.remember_owner(request, response)  # a cookie, to recognise posts after the session
            return response

        return guarded

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # type: ignore[override]  # every response fits
        """Redirect people who see tickets from the admin's first page to the queue; show that page to all others."""
        person: Any = request.user
        if person.desk_provider_ids or person.reads_all:
            return redirect("admin:tickets_ticket_changelist")
        return super().index(request, extra_context)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # type: ignore[override]  # every response fits
        """Redirect from the admin's login to our own; answer 403 to a signed-in person who does not work here."""
        if request.user.is_authenticated and not self._works_in_admin(request):
            raise PermissionDenied
        target = request.GET.get("next") or reverse("admin:index", current_app=self.name)
        return redirect_to_login(target)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # type: ignore[override]  # every response fits
        return redirect("account_change_password")

    def password_change_done(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("account_change_password")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # type: ignore[override]  # every response fits
        return account_views.logout(request)

    def _works_in_admin(self, request: HttpRequest) -> bool:
        """Return True if the person works in the admin today, whether or not the second factor was given."""
        user: Any = request.user
        return bool(user.is_authenticated and user.is_active and user.works_in_admin)

    @property
    def _logout_address(self) -> str:
        """Return the address at which people sign out."""
        return reverse("admin:logout", current_app=self.name)

    def _ask_factor_or_refuse(self, request: HttpRequest, page: str) -> HttpResponseBase:
        """Ask admin staff for the second factor, then lead back to `page`; raise PermissionDenied for all others."""
        if not self._works_in_admin(request):
            raise PermissionDenied
        return ask_factor(request, page)
