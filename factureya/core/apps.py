from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from factureya.core import guard_install


class CoreConfig(AppConfig):
    name = "factureya.core"
    verbose_name = "Bitácora y correo"

    def ready(self) -> None:
        """Register the check of folders; drop the guards (triggers) before a migration, install them after it.

        Their installation is recorded then: that needs the models, which are not loaded before.
        """
        import_module("factureya.core.checks")
        pre_migrate.connect(guard_install.lift_before_migrating, sender=self)
        post_migrate.connect(guard_install.install_after_migrating, sender=self)
        guard_record = import_module("factureya.core.guard_record")
        post_migrate.connect(guard_record.record_after_migrating, sender=self)
