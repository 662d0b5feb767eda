"""A model repository behind an fsspec URL: S3 and whatever else fsspec knows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from services.generator.errors import IncompleteModelError, RepositoryError
from services.generator.models import CARD_FILE, ONNX_FILE, Model, check_size, parse_card
from services.generator.repository.cache import DigestCache, default_cache
from services.generator.repository.folder import Entry, Places

T = TypeVar("T")


class RemoteFolder:
    """A URL; graphs are kept in a cache on this machine. Implements `Folder`.

    Credentials come from where the protocol's library looks for them, such as AWS_ACCESS_KEY_ID or a role.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        """Takes the URL and the folder of the cache, None for the user's; connects when it is first used."""
        self.url = re.sub(r"//[^/@]*@", "//", url).rstrip("/")
        self._url = url
        self._cache = DigestCache(cache or default_cache())
        self._places = Places()

    def scan(self) -> list[Entry]:
        """Returns the versions that are there."""
        files, root = self._opened
        found: dict[tuple[str, int], dict[str, str]] = {}
        for path, info in self._ask(lambda: files.find(root, detail=True)).items():
            relative = path.removeprefix(root).strip("/").split("/")
            if len(relative) != 3 or relative[2] not in {CARD_FILE, ONNX_FILE}:
                continue
            name, version, file = relative
            if place := self._places.version_of(name, version, f"{self.url}/{name}/{version}"):
                found.setdefault(place, {})[file] = str(sorted(info.items(), key=str))
        return [Entry(*place, _digest(infos)) for place, infos in found.items()]

    def fetch(self, entry: Entry) -> Model:
        """Returns a version."""
        files, root = self._opened
        place = f"{entry.name}/{entry.version}"
        card_path, onnx_path = f"{root}/{place}/{CARD_FILE}", f"{root}/{place}/{ONNX_FILE}"
        card_url, onnx_url = f"{self.url}/{place}/{CARD_FILE}", f"{self.url}/{place}/{ONNX_FILE}"
        text: bytes = self._ask(lambda: files.cat_file(card_path), card_url)
        card = parse_card(text, entry.name, entry.version, card_url)
        check_size(card, self._ask(lambda: files.size(onnx_path), onnx_url), onnx_url)

        def download(path: Path) -> None:
            self._ask(lambda: files.get_file(onnx_path, str(path)), onnx_url)

        return Model(card, self._cache.file(card, onnx_url, download))

    def is_unchanged(self, entry: Entry) -> bool:  # noqa: ARG002
        """True: what was loaded is the cache's own copy."""
        return True

    def release(self, in_use: Sequence[Model]) -> None:
        """Removes what has not been used for a while from the cache."""
        self._cache.prune({model.digest for model in in_use})

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system and the path in it.

        Raises:
            RepositoryError: The protocol is not known, or its library is not installed.
        """
        import fsspec  # pyright: ignore[reportMissingTypeStubs]

        core: Any = fsspec.core
        try:
            # What was listed once is not to be believed the next time.
            return core.url_to_fs(self._url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            hint = ": pip install 'ganpress[s3]'" if self.url.startswith("s3:") else ""
            raise RepositoryError(
                f"the model repository {self.url} cannot be opened: {error}{hint}"
            ) from error

    def _ask(self, question: Callable[[], T], what: str = "") -> T:
        """Asks the file system, whose libraries raise errors of all kinds."""
        try:
            return question()
        except FileNotFoundError as error:
            if what:
                raise IncompleteModelError(f"there is no {what}") from error
            raise RepositoryError(f"there is no model repository {self.url}") from error
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            what = what or f"the model repository {self.url}"
            raise RepositoryError(f"{what} cannot be read: {reason}") from error


def _digest(files: dict[str, str]) -> str:
    return hashlib.sha256(str(sorted(files.items())).encode()).hexdigest()
