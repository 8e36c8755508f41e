from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "factureya.core"
    label = "core"
    verbose_name = "Bitácora y correo"

    def ready(self) -> None:
        """Have the check of the folders of a server registered."""
        import_module("factureya.core.checks")
