"""Check and apply the imports of credits in the background. Every task is safe to run twice or late."""

from celery import shared_task

from accounts.operations import credit_imports
from factureya.core.models import Heartbeat

IMPORT_SECONDS = 60 * 60  # 100,000 companies take some minutes


@shared_task(ignore_result=True, time_limit=IMPORT_SECONDS)
def check_import(pk: int) -> None:
    """Check the file of an import, so that its page shows what it would change (M28)."""
    credit_imports.check_import(pk)


@shared_task(ignore_result=True, time_limit=IMPORT_SECONDS)
def apply_import(pk: int) -> None:
    """Apply a confirmed import (M28)."""
    credit_imports.apply_import(pk)


@shared_task
def sweep_imports() -> int:
    """Let a worker go on with the imports whose worker died, and return how many there are (M28)."""
    found = credit_imports.wake_abandoned()
    Heartbeat.beat("sweep_imports")
    return found
