"""The Celery application: `celery -A factureya worker|beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
app = Celery("factureya")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
