"""Define the Celery application: `celery -A factureya worker|beat`."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
TRANSPORT_ALIASES["filesystem"] = "factureya.core.running.broker_files:Transport"
app = Celery("factureya", task_cls="factureya.core.running.task_limits:LimitedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["accounts.credits"])  # a room whose tasks are its own
