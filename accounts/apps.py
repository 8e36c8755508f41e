from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Cuentas"


class FactureyaAdminConfig(AdminConfig):
    default_site = "accounts.staff.site.FactureyaAdminSite"

    def ready(self) -> None:
        """Load the admin of every app, if this process shows pages (PAGES). A mail worker, for example, shows none."""
        if settings.PAGES:
            super().ready()
