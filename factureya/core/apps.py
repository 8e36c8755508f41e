from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from factureya.core import grants, guard_install


class CoreConfig(AppConfig):
    name = "factureya.core"
    verbose_name = "Bitácora y correo"

    def ready(self) -> None:
        """Register the check of folders; drop the guards (triggers) before a migration, install them after it.

        Then give the program's role its privileges on the tables.
        """
        import_module("factureya.core.checks")
        pre_migrate.connect(guard_install.lift_before_migrating, sender=self)
        post_migrate.connect(guard_install.install_after_migrating, sender=self)
        post_migrate.connect(grants.grant_after_migrating, sender=self)
