"""The admin site of Factureya: stock Django admin, our login, and no entry for staff without a second factor."""

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

from accounts.web import returning
from accounts.web.mixins import ask_factor, factor_passed


class FactureyaAdminSite(AdminSite):
    """Where agents, supervisors and superusers work."""

    site_header = "Factureya Soporte"
    site_title = "Administración Factureya"
    index_title = "Administración"
    site_url = "/"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Active staff with a desk office now, or a superuser; with the second factor where it is required."""
        return self._works_here(request) and factor_passed(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """As Django's, but who is signed in and may not enter gets 403 or is asked the factor, not the login again."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            page = returning.page_of_form(request, view, kwargs)
            if request.user.is_authenticated and not self.has_permission(request):
                return self._turn_away(request, page)
            if request.method == "POST":
                if not request.user.is_authenticated and request.path != self._logout_address:
                    return returning.ask_login(request, page)
                returning.forget(request)
            response: HttpResponseBase = inner(request, *args, **kwargs)
            returning.remember(request, response)
            return response

        return guarded

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Who works at a desk begins at the queue; a superuser at the list of pages."""
        if request.user.desk_provider_ids:  # type: ignore[union-attr]
            return redirect("admin:tickets_ticket_changelist")
        return super().index(request, extra_context)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """There is one way to sign in; this address leads to it."""
        if request.user.is_authenticated and not self._works_here(request):
            raise PermissionDenied
        target = request.GET.get("next") or reverse("admin:index", current_app=self.name)
        return redirect_to_login(target)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """The one page where a person changes the own password, with its limits."""
        return redirect("account_change_password")

    def password_change_done(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Nothing is done here."""
        return redirect("account_change_password")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """The one way out; a GET asks."""
        return account_views.logout(request)

    def _works_here(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_authenticated and user.is_active and user.works_in_admin)

    @property
    def _logout_address(self) -> str:
        return reverse("admin:logout", current_app=self.name)

    def _turn_away(self, request: HttpRequest, page: str) -> HttpResponseBase:
        if not self._works_here(request):
            raise PermissionDenied
        return ask_factor(request, page)
