"""Show accounts in the Django admin, with pages of our own instead of the stock ones.

There are no forms for registered data, another person's password, groups, verified addresses or authenticators, and
none that deletes. Every change goes through `accounts.operations`.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from accounts import policy
from accounts.models import CreditBalance, Customer, CustomerToVerify, Provider, User
from accounts.staff import calendar, companies, credits, people
from accounts.web.form_memory import post_only
from factureya.core.admin import ReadOnlyAdmin
from factureya.core.hours.changes import MAY_CHANGE, MAY_READ
from factureya.core.models import Holiday

for model in (EmailAddress, Authenticator, Group):
    admin.site.unregister(model)

show = require_safe
send_of_company = post_only("admin:accounts_customertoverify_change", "pk")
send_of_import = post_only("admin:accounts_creditbalance_import", "pk")
send_of_calendar = post_only("admin:core_holiday_changelist")
send_of_list = post_only("admin:accounts_user_changelist")
send_of_person = post_only("admin:accounts_user_change", "pk")
show_or_send = require_http_methods(["GET", "HEAD", "POST"])
RESET = "<int:pk>/factor/<int:reset>/"
View = Callable[..., Any]


class OwnPages(ReadOnlyAdmin):
    """Give a model the pages listed here and no others, for the people whom `allows` names."""

    pages: tuple[tuple[str, Callable[[View], View], View, str], ...] = ()  # address, accepted methods, view, name
    reading: tuple[str, ...] = ()  # the names of the pages that show; the others act (`allows_act`)

    def allows(self, user: Any) -> bool:
        """Return True for a person who may open these pages."""
        raise NotImplementedError

    def allows_act(self, user: Any) -> bool:
        """Return True for a person who may also use the pages that change something."""
        return self.allows(user)

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of our `pages`, not those of Django's admin; `_admit` checks the person at each."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(route, self.admin_site.admin_view(limit_methods(self._admit(view, name))), name=f"{prefix}_{name}")
            for route, limit_methods, view, name in self.pages
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allows(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allows(request.user)

    def _admit(self, view: View, name: str) -> View:
        """Return the view with a check of the person before it; Django's `admin_view` admits all staff.

        A page whose name is in `reading` asks `allows`, any other `allows_act`. A POST always asks `allows_act`.
        """

        @wraps(view)
        def check_then_show(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            """Return the page, or raise PermissionDenied: reading asks `allows`, everything else `allows_act`."""
            # A POST to a page that only shows is no reading: it too needs the right to change something.
            is_reading = name in self.reading and request.method in {"GET", "HEAD"}
            if not (self.allows if is_reading else self.allows_act)(request.user):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return check_then_show


@admin.register(CustomerToVerify)
class CustomerToVerifyAdmin(OwnPages):
    """Show the companies that signed up and wait for staff."""

    pages = (
        ("", show, companies.list_to_verify, "changelist"),
        ("<int:pk>/", show, companies.show_decision, "change"),
        ("<int:pk>/verificar/", send_of_company, partial(companies.decide_at_once, verb="verify"), "verify"),
        ("<int:pk>/unir/", send_of_company, partial(companies.decide_at_once, verb="join"), "join"),
        ("<int:pk>/no-aceptar/", send_of_company, companies.refuse, "refuse"),
    )

    reading = ("changelist", "change")

    def allows(self, user: Any) -> bool:
        return policy.may_see_companies_to_verify(user)

    def allows_act(self, user: Any) -> bool:
        return policy.may_verify(user)


@admin.register(Customer)
class CustomerAdmin(OwnPages):
    """Show the companies, read-only (M1)."""

    pages = (("", show, companies.list_customers, "changelist"), ("<int:pk>/", show, companies.show_customer, "change"))
    reading = ("changelist", "change")

    def allows(self, user: Any) -> bool:
        return policy.may_see_customers(user)


@admin.register(CreditBalance)
class CreditBalanceAdmin(OwnPages):
    """Show the companies' credits to those who see the companies; a supervisor enters and imports them (M28)."""

    pages = (
        ("", show, credits.list_credits, "changelist"),
        ("importar/", show_or_send, credits.import_credits, "import_new"),
        ("importar/<int:pk>/", show, credits.show_import, "import"),
        ("importar/<int:pk>/confirmar/", send_of_import, partial(credits.decide_import, verb="confirm"), "confirm"),
        ("importar/<int:pk>/descartar/", send_of_import, partial(credits.decide_import, verb="discard"), "discard"),
        ("<int:pk>/", show_or_send, credits.enter_credits, "change"),
    )
    reading = ("changelist", "import")

    def allows(self, user: Any) -> bool:
        return policy.may_see_customers(user)

    def allows_act(self, user: Any) -> bool:
        return policy.may_enter_credits(user)


@admin.register(User)
class UserAdmin(OwnPages):
    """Show the people with an account to superusers."""

    pages = (
        ("", show, people.list_users, "changelist"),
        ("invitar/", show_or_send, people.invite_staff, "invite"),
        ("invitaciones/<int:pk>/reenviar/", send_of_list, partial(people.change_invitation, verb="resend"), "resend"),
        ("invitaciones/<int:pk>/cancelar/", send_of_list, partial(people.change_invitation, verb="cancel"), "cancel"),
        ("<int:pk>/", show, people.show_user, "change"),
        ("<int:pk>/cargos/", send_of_person, people.grant_office, "grant"),
        ("<int:pk>/cargos/<int:assignment>/terminar/", send_of_person, people.end_office, "end"),
        ("<int:pk>/cuenta/", send_of_person, people.change_account, "close"),
        ("<int:pk>/factor/", send_of_person, people.request_factor_reset, "request_reset"),
        (f"{RESET}aprobar/", send_of_person, partial(people.decide_factor_reset, verb="approve"), "approve_reset"),
        (f"{RESET}rechazar/", send_of_person, partial(people.decide_factor_reset, verb="decline"), "decline_reset"),
    )

    reading = ("changelist", "change")

    def allows(self, user: Any) -> bool:
        return policy.may_read_people(user)

    def allows_act(self, user: Any) -> bool:
        return bool(user.is_active and user.is_superuser)


@admin.register(Provider)
class ProviderAdmin(OwnPages):
    """Show who gives the service (M3); supervisors may only look."""

    pages = (("", show_or_send, people.show_providers, "changelist"),)
    reading = ("changelist",)

    def allows(self, user: Any) -> bool:
        return bool(user.is_active and user.is_superuser) or user.has_perm("accounts.view_provider")


@admin.register(Holiday)
class HolidayAdmin(OwnPages):
    """Show the attention hours and the days without attention; supervisors and superusers change them (M2)."""

    pages = (
        ("", show, calendar.show_calendar, "changelist"),
        ("agregar/", send_of_calendar, calendar.add_holiday, "add"),
        ("<int:pk>/quitar/", show_or_send, calendar.remove_holiday, "remove"),
        ("horario/", show_or_send, calendar.change_hours, "hours"),
        ("cambios/<int:pk>/", show, calendar.review_change, "review"),
        ("cambios/<int:pk>/aprobar/", send_of_calendar, calendar.approve_change, "approve"),
        ("cambios/<int:pk>/descartar/", send_of_calendar, calendar.decline_change, "decline"),
    )
    reading = ("changelist", "review")

    def allows(self, user: Any) -> bool:
        return bool(user.has_perm(MAY_READ))

    def allows_act(self, user: Any) -> bool:
        return bool(user.has_perm(MAY_CHANGE))
