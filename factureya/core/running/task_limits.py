"""Let a request start no task of its own while it runs inside an emergency (M23).

A task would go on after the window. The mails wait in the outbox, whose worker is woken by name and sends them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery import Task

from factureya.core.refusals import NotAllowed

_is_limited: ContextVar[bool] = ContextVar("tasks_are_limited", default=False)


@contextmanager
def starting_none() -> Iterator[None]:
    """Run a block in which no task may be started; `delay` and `apply_async` raise NotAllowed."""
    token = _is_limited.set(True)
    try:
        yield
    finally:
        _is_limited.reset(token)


class LimitedTask(Task):
    """Be a task that cannot be started inside `starting_none`."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Start the task and return its result's handle. Raises NotAllowed inside `starting_none` (an emergency)."""
        if _is_limited.get():
            raise NotAllowed("Dentro de una emergencia no se inicia ninguna tarea.")
        return super().apply_async(*args, **options)
