from importlib import import_module

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"
    verbose_name = "Atención a clientes"

    def ready(self) -> None:
        """Have the checks of the manual's times registered."""
        import_module("tickets.checks")
