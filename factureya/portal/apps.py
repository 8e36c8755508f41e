from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "factureya.portal"
    label = "portal"
    verbose_name = "Portal"
