"""Be the broker of the embedded run: kombu's folder of files, changed so that a worker only sees whole files."""

import logging
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

logger = logging.getLogger(__name__)
PART = ".part"  # behind the name of a message that is still being written
ABANDONED_SECONDS = 60.0  # seconds; nobody writes one message for so long


def remove_parts(folder: Path) -> None:
    """Delete the messages of Celery that a killed process left half-written in the queue's folder.

    One younger than ABANDONED_SECONDS stays: a process may be writing it. No work is lost: sweeps do what the deleted
    messages asked for.
    """
    before = time.time() - ABANDONED_SECONDS
    for part in folder.glob(f"*{PART}"):
        with suppress(FileNotFoundError):  # its writer has just renamed it, or another process deleted it
            if part.stat().st_mtime < before:
                part.unlink()


class Channel(filesystem.Channel):
    """Repair kombu's channel, which writes a message where the worker already looks: half a message ends the worker."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # its name
        """Write a message to a file that workers ignore, then rename it: no worker reads half. Raises OSError."""
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        part = Path(self.data_folder_out, f"{name}{PART}")
        part.write_text(dumps(payload))  # type: ignore[no-untyped-call]
        part.replace(part.with_name(name))

    def _get(self, queue: str, timeout: Any = None) -> Any:
        """Return the next message of a queue; a damaged one is logged and skipped, as kombu has deleted its file."""
        while True:
            try:
                message = super()._get(queue)  # type: ignore[no-untyped-call]
                if isinstance(message, dict) and {"body", "properties"} <= message.keys():
                    return message
                damage = "not a message"
            except ValueError as error:  # no JSON, or no text
                damage = str(error)
            logger.warning("a damaged message of queue %s was dropped: %s", queue, damage)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Store in the exchange's file which queue gets its messages; a damaged file is deleted and written anew."""
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError):
            logger.warning("the damaged table of exchange %s was begun anew", exchange)
            self._exchange_file(exchange).unlink(missing_ok=True)  # type: ignore[no-untyped-call]
            super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[no-untyped-call]


class Transport(filesystem.Transport):
    """Provide `filesystem://` with the channel above."""

    Channel = Channel
