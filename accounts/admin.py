"""Show accounts in the Django admin, with pages of our own instead of the stock ones.

There are no forms for registered data, another person's password, groups, verified addresses or authenticators, and
none that deletes. Every change goes through `accounts.operations`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from accounts import policy
from accounts.models import Customer, CustomerToVerify, Provider, User
from accounts.staff import companies, people
from accounts.web.form_memory import post_only

for model in (EmailAddress, Authenticator, Group):
    admin.site.unregister(model)

show = require_safe
send_of_company = post_only("admin:accounts_customertoverify_change", "pk")
send_of_list = post_only("admin:accounts_user_changelist")
send_of_person = post_only("admin:accounts_user_change", "pk")
show_or_send = require_http_methods(["GET", "HEAD", "POST"])
Page = tuple[str, Callable[..., Any], str]


class OwnPages(admin.ModelAdmin):
    """Give a model the addresses in `pages` and no others."""

    pages: tuple[Page, ...] = ()

    def allows(self, user: Any) -> bool:
        """Return True for a person who is offered these pages; each page checks again."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Return our own addresses instead of the stock ones."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(route, self.admin_site.admin_view(view), name=f"{prefix}_{name}") for route, view, name in self.pages
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return what `allows` returns for the person."""
        return self.allows(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return what `allows` returns for the person."""
        return self.allows(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: no stock form changes a row."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: no stock form adds a row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: accounts are closed and not deleted."""
        return False


@admin.register(CustomerToVerify)
class CustomerToVerifyAdmin(OwnPages):
    """Show the companies that signed up and wait for staff."""

    pages = (
        ("", show(companies.to_verify), "changelist"),
        ("<int:pk>/", show(companies.decide), "change"),
        ("<int:pk>/verificar/", send_of_company(companies.verify), "verify"),
        ("<int:pk>/unir/", send_of_company(companies.join), "join"),
        ("<int:pk>/no-aceptar/", send_of_company(companies.refuse), "refuse"),
    )

    def allows(self, user: Any) -> bool:
        """Return True for our own agents and supervisors."""
        return policy.may_verify(user)


@admin.register(Customer)
class CustomerAdmin(OwnPages):
    """Show the companies, read-only (M1)."""

    pages = (("", show(companies.customers), "changelist"), ("<int:pk>/", show(companies.customer_page), "change"))

    def allows(self, user: Any) -> bool:
        """Return True for our own agents, supervisors and superusers."""
        return policy.may_see_customers(user)


@admin.register(User)
class UserAdmin(OwnPages):
    """Show the people with an account to superusers."""

    pages = (
        ("", show(people.users), "changelist"),
        ("invitar/", show_or_send(people.invite), "invite"),
        ("invitaciones/<int:pk>/reenviar/", send_of_list(partial(people.change_invitation, verb="reenviar")), "resend"),
        ("invitaciones/<int:pk>/cancelar/", send_of_list(partial(people.change_invitation, verb="cancelar")), "cancel"),
        ("<int:pk>/", show(people.user_page), "change"),
        ("<int:pk>/cargos/", send_of_person(people.grant), "grant"),
        ("<int:pk>/cargos/<int:assignment>/terminar/", send_of_person(people.end), "end"),
        ("<int:pk>/cuenta/", send_of_person(people.close), "close"),
        ("<int:pk>/factor/", send_of_person(people.request_reset), "request_reset"),
        (
            "<int:pk>/factor/<int:reset>/aprobar/",
            send_of_person(partial(people.decide_reset, verb="aprobar")),
            "approve_reset",
        ),
        (
            "<int:pk>/factor/<int:reset>/rechazar/",
            send_of_person(partial(people.decide_reset, verb="rechazar")),
            "decline_reset",
        ),
    )

    def allows(self, user: Any) -> bool:
        """Return True for superusers."""
        return bool(user.is_active and user.is_superuser)


@admin.register(Provider)
class ProviderAdmin(OwnPages):
    """Show who gives the service (M3)."""

    pages = (("", show_or_send(people.providers), "changelist"),)

    def allows(self, user: Any) -> bool:
        """Return True for superusers, and for supervisors, who may only look."""
        return bool(user.is_active and user.is_superuser) or user.has_perm("accounts.view_provider")
