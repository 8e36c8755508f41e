from importlib import import_module

from django.apps import AppConfig


class ChangeRequestsConfig(AppConfig):
    name = "change_requests"
    verbose_name = "Solicitudes formales"

    def ready(self) -> None:
        """Have the check of the lawful set of people registered."""
        import_module("change_requests.checks")
