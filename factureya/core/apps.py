from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from factureya.core import grants, guard_install


class CoreConfig(AppConfig):
    name = "factureya.core"
    verbose_name = "Bitácora y correo"

    def ready(self) -> None:
        """Register the check of folders; drop the guards (triggers) before a migration, install them after it.

        Then give the program's role its privileges on the tables, and record the installation. The record needs the
        models, which are not loaded when this module is imported.
        """
        import_module("factureya.core.checks")
        pre_migrate.connect(guard_install.lift_before_migrating, sender=self)
        post_migrate.connect(guard_install.install_after_migrating, sender=self)
        post_migrate.connect(grants.grant_after_migrating, sender=self)
        guard_record = import_module("factureya.core.record.guard_record")
        post_migrate.connect(guard_record.record_after_migrating, sender=self)
