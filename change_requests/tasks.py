"""The sweeps of formal requests, emergencies and packages; each checks what is due again under its lock."""

from celery import shared_task

from change_requests import operations
from change_requests.emergency import operations as emergencies
from change_requests.packages import operations as packages
from factureya.core.clock import now
from factureya.core.models import Heartbeat


@shared_task(ignore_result=True)
def expire_due() -> int:
    """Expire the formal requests that were not confirmed or applied in time; return how many."""
    count = operations.expire_due(now())
    Heartbeat.beat("expire_due")  # shows the operators that the task ran
    return count


@shared_task(ignore_result=True)
def remind_due() -> int:
    """Remind staff of requests at half of their time, at its end and a day later; return of how many requests."""
    count = operations.remind_due(now())
    Heartbeat.beat("remind_due")  # shows the operators that the task ran
    return count


@shared_task(ignore_result=True)
def tidy_emergencies() -> int:
    """Close emergencies whose time is over, and remind of seals and reviews that are due; return how many in all.

    Nothing depends on this task: each HTTP request asks whether its emergency is open (M23).
    """
    count = emergencies.tidy(now())
    Heartbeat.beat("tidy_emergencies")  # shows the operators that the task ran
    return count


@shared_task(ignore_result=True)
def compare_package_files() -> int:
    """Compare the stored files of packages with their hashes, each once a night; return how many (M32)."""
    count = packages.compare_files(now())
    Heartbeat.beat("compare_package_files")  # shows the operators that the task ran
    return count


@shared_task(ignore_result=True)
def purge_package_uploads() -> int:
    """Delete the uploads of packages that nobody continued for a day; return how many."""
    count = packages.purge_uploads(now())
    Heartbeat.beat("purge_package_uploads")  # shows the operators that the task ran
    return count
