"""Files that are read again when they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Signature = tuple[tuple[int, int, int], ...]


class Watched(Generic[T]):
    """What some files hold. Looks at them whenever it is asked, which costs microseconds.

    Files that cannot be used any more leave the last good ones in force, and are logged once: a slip in an
    editor must not lock everyone out. May be asked by several threads.
    """

    def __init__(
        self, paths: Sequence[Path], read: Callable[[], T], errors: tuple[type[Exception], ...]
    ) -> None:
        """Reads the files.

        Args:
            paths: The files; links in their place are followed.
            read: Reads all of them.
            errors: What `read` raises of files that cannot be used.

        Raises:
            Exception: One of `errors`, or OSError.
        """
        self._paths = paths
        self._read = read
        self._errors = (*errors, OSError)
        self._lock = threading.Lock()
        self._signature = self._look()
        self._value = read()
        self.version = 1
        """How many times they were read and found good."""

    @property
    def value(self) -> T:
        """What the files hold now, or held when they were last good."""
        with self._lock:
            try:
                signature = self._look()
            except OSError as error:
                self._refuse((), error)
                return self._value
            if signature != self._signature:
                try:
                    self._value = self._read()
                except self._errors as error:
                    self._refuse(signature, error)
                else:
                    self._signature = signature
                    self.version += 1
                    logger.info("read %s again", self._named)
            return self._value

    @property
    def _named(self) -> str:
        return ", ".join(map(str, self._paths))

    def _look(self) -> _Signature:
        stats = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _refuse(self, signature: _Signature, error: Exception) -> None:
        if self._signature != signature:
            self._signature = signature
            logger.error("%s cannot be used, what it held before stays in force: %s", self._named, error)
