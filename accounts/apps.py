from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Cuentas"


class FactureyaAdminConfig(AdminConfig):
    default_site = "accounts.site.FactureyaAdminSite"
