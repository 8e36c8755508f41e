"""The broker of the embedded run: kombu's folder of files, each of them whole when the worker first sees it."""

import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

PART = ".part"  # behind the name of a message that is still being written
LEFT_AFTER = 60.0  # seconds; nobody writes one message for so long


def remove_parts(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote a message; the sweeps do its work."""
    before = time.time() - LEFT_AFTER
    for part in folder.glob(f"*{PART}"):
        with suppress(FileNotFoundError):  # it was whole this instant, or somebody else removes it
            if part.stat().st_mtime < before:
                part.unlink()


class Channel(filesystem.Channel):
    """Kombu writes a message where the worker looks for it; one read half-written ends the worker (kombu 5.7)."""

    # Kombu's two bases give the second argument two names.
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        """Write the message under a name that no worker reads, then give it its own. Raises OSError."""
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        part = Path(self.data_folder_out, f"{name}{PART}")
        part.write_text(dumps(payload))  # type: ignore[no-untyped-call]
        part.replace(part.with_name(name))


class Transport(filesystem.Transport):
    """`filesystem://` with the channel above."""

    Channel = Channel
