"""Files of a remote repository on this machine, named by their digest."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from ganpress.v1.model_card_pb2 import ModelCard

from services.generator.errors import CorruptModelError, RepositoryError
from services.generator.models import check_onnx

logger = logging.getLogger(__name__)

_UNUSED_S = 3600.0


def default_cache() -> Path:
    """Returns the user's cache folder for models, `~/.cache/ganpress/models`, or as XDG_CACHE_HOME says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ganpress" / "models"


class DigestCache:
    """A folder of files `<sha256>.onnx`; several servers may share it.

    A file is put there whole or not at all, and its digest is checked whenever it is used.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the folder; it is made when it is needed."""
        self._folder = folder

    def file(self, card: ModelCard, where: str, download: Callable[[Path], object]) -> Path:
        """Returns the path of a card's graph; downloads it when it is not there.

        Args:
            card: The card.
            where: URL of the file, for messages.
            download: Writes the file to a path.

        Raises:
            IncompleteModelError: What was downloaded is not the file that the card names.
            CorruptModelError: It is of no use.
            RepositoryError: The folder cannot be written to.
        """
        path = self._folder / f"{card.onnx_sha256}.onnx"
        try:
            if self._has(path, card):
                return path
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=self._folder) as folder:
                fresh = Path(folder) / path.name
                download(fresh)
                check_onnx(card, fresh, where)
                fresh.replace(path)
        except OSError as error:
            raise RepositoryError(
                f"the model cache {self._folder} cannot be used: {(error.strerror or str(error)).lower()}"
            ) from error
        return path

    def prune(self, in_use: Collection[str]) -> None:
        """Removes files that nobody used for an hour, other than those with the digests `in_use`."""
        with suppress(OSError):
            for path in self._folder.glob("*.onnx"):
                if path.stem not in in_use and time.time() - path.stat().st_mtime > _UNUSED_S:
                    path.unlink(missing_ok=True)
                    logger.info("removed %s from the model cache", path.name)

    def _has(self, path: Path, card: ModelCard) -> bool:
        """Whether the file is there and sound; notes that it is used."""
        try:
            check_onnx(card, path, str(path))
            os.utime(path)
        except (OSError, CorruptModelError):
            return False
        return True
