from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "factureya.core"
    label = "core"
    verbose_name = "Bitácora y correo"
