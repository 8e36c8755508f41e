"""Wake a worker after a commit: a bell that may be lost, because a sweep finds what there is to do."""

import logging
from time import monotonic

from celery import current_app

logger = logging.getLogger(__name__)
BROKER_REST_SECONDS = 30  # a broker that failed is left alone this long: it costs one request, not each
WAKE_EXPIRES_SECONDS = 300  # an older call has nothing left that the sweep has not done


class Waker:
    """Start one task at a worker. A broker that failed is not asked again for BROKER_REST_SECONDS.

    Whoever makes the work gives `wake` to `transaction.on_commit(…, robust=True)`.
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self.broker_rests_until = 0.0

    def wake(self, *args: int) -> None:
        """Ask the broker to start the task with these arguments; not if the broker failed just before."""
        if monotonic() < self.broker_rests_until:
            return  # the sweep will find the work
        try:
            current_app.send_task(self.task, args, ignore_result=True, retry=False, expires=WAKE_EXPIRES_SECONDS)
        except Exception as error:  # the page has succeeded and says so, whatever the broker does
            self.broker_rests_until = monotonic() + BROKER_REST_SECONDS
            logger.warning("the broker does not answer, a sweep will do %s: %s", self.task, error)
