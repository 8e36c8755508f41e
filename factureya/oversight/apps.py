"""Register the pages that read all apps together."""

from django.apps import AppConfig


class OversightConfig(AppConfig):
    """Name the app, whose tasks Celery finds by it."""

    name = "factureya.oversight"
