"""Wake a worker for a task after the commit. The database holds what is to be done, so a lost call only costs time."""

import logging

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)


def wake_on_commit(task: str, *args: int) -> None:
    """Ask a worker to run the task of this name after the commit; if no broker answers, beat's sweep does it later."""
    # A lambda and not a partial: Django's log of a failed robust hook asks for its __qualname__.
    transaction.on_commit(lambda: _wake(task, args), robust=True)


def _wake(task: str, args: tuple[int, ...]) -> None:
    """Send the call to the broker; a broker that does not answer is only logged."""
    try:
        current_app.send_task(task, args, ignore_result=True, retry=False)
    except Exception as error:  # the page has succeeded and says so, whatever the broker does
        logger.warning("the broker does not answer, the sweep will run %s: %s", task, error)
