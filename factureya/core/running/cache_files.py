"""Be the cache of the embedded run: files, where a damaged one counts as missing."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.filebased import FileBasedCache

logger = logging.getLogger(__name__)


class FileCache(FileBasedCache):
    """Store Django's cache in files; one that a power loss damaged is deleted, so that it does not break every page."""

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._call_unless_damaged(super().get, default, key, default, version)

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._call_unless_damaged(super().touch, False, key, timeout, version))

    def has_key(self, key: str, version: int | None = None) -> bool:
        return bool(self._call_unless_damaged(super().has_key, False, key, version))

    def _call_unless_damaged(self, method: Callable[..., Any], fallback: Any, key: str, *rest: Any) -> Any:
        """Call a method of the file cache for `key` and return its value; `rest` are its other arguments.

        If the file of the key is damaged, delete it and return `fallback`, as for a key that is not in the cache.
        """
        try:
            return method(key, *rest)
        except Exception as error:  # unpickling what is no pickle raises anything
            logger.warning("a file of the cache is damaged, removed: %s", type(error).__name__)
            with suppress(OSError):
                self.delete(key, rest[-1])  # the last argument of each method is the version of the key
            return fallback
