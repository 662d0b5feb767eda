"""A model repository in a folder of this machine, or of a network that is mounted here."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from services.generator.errors import CorruptModelError, IncompleteModelError, RepositoryError
from services.generator.models import (
    CARD_FILE,
    MAX_CARD_BYTES,
    NAME_PATTERN,
    ONNX_FILE,
    Model,
    check_onnx,
    check_size,
    parse_card,
)
from services.generator.repository.folder import Entry, Places


class LocalFolder:
    """A folder; its files are used where they lie. Implements `Folder`.

    Links are followed as long as they stay inside of it: Kubernetes and git-sync update volumes that way.
    """

    def __init__(self, root: Path) -> None:
        """Takes the folder; it need not exist yet."""
        self.url = str(root)
        self._root = root
        self._places = Places()

    def scan(self) -> list[Entry]:
        """Returns the versions that are there."""
        try:
            return [
                Entry(name, version, self._fingerprint(name, version)) for name, version in self._versions()
            ]
        except OSError as error:
            raise RepositoryError(
                f"the model repository {self.url} cannot be read: {error.filename}: {error.strerror}"
            ) from error

    def fetch(self, entry: Entry) -> Model:
        """Returns a version."""
        card_path, onnx_path = self._file(entry, CARD_FILE), self._file(entry, ONNX_FILE)
        try:
            with card_path.open("rb") as file:
                text = file.read(MAX_CARD_BYTES + 1)
            card = parse_card(text, entry.name, entry.version, str(card_path))
            check_size(card, onnx_path.stat().st_size, str(onnx_path))
            check_onnx(card, onnx_path, str(onnx_path))
        except OSError as error:
            raise IncompleteModelError(f"cannot read {error.filename}: {error.strerror}") from error
        return Model(card, onnx_path)

    def is_unchanged(self, entry: Entry) -> bool:
        """Whether a version's files are those of the scan."""
        return self._fingerprint(entry.name, entry.version) == entry.fingerprint

    def release(self, in_use: Sequence[Model]) -> None:
        """Does nothing: nothing is kept."""

    def _versions(self) -> Iterator[tuple[str, int]]:
        for name in self._root.iterdir():
            try:
                versions = [path for path in name.iterdir() if path.is_dir()]
            except (NotADirectoryError, FileNotFoundError):
                continue
            except PermissionError:
                if NAME_PATTERN.fullmatch(name.name):
                    raise
                continue  # such as lost+found
            for path in versions:
                if place := self._places.version_of(name.name, path.name, str(path)):
                    yield place

    def _fingerprint(self, name: str, version: int) -> str:
        folder = self._root / name / str(version)
        return ",".join(_file_state(folder / file) for file in (CARD_FILE, ONNX_FILE))

    def _file(self, entry: Entry, file: str) -> Path:
        """Returns the path of a version's file.

        Raises:
            IncompleteModelError: It does not exist.
            CorruptModelError: It is no file, or lies outside of the repository.
        """
        path = self._root / entry.name / str(entry.version) / file
        try:
            real, root = path.resolve(strict=True), self._root.resolve(strict=True)
            is_file = stat.S_ISREG(real.stat().st_mode)
        except OSError as error:
            raise IncompleteModelError(f"cannot read {path}: {error.strerror}") from error
        except RuntimeError as error:  # how Python 3.11 and 3.12 report links in a circle
            raise CorruptModelError(f"cannot read {path}: its links go in a circle") from error
        if not real.is_relative_to(root):
            raise CorruptModelError(f"{path} is a link to {real}, outside of the repository")
        if not is_file:
            raise CorruptModelError(f"{path} is not a file")
        return path


def find_models(root: Path) -> list[Model]:
    """Returns the sound models in a folder, sorted by name, then by version, newest first."""
    folder, models = LocalFolder(root), list[Model]()
    for entry in folder.scan():
        with suppress(CorruptModelError):
            models.append(folder.fetch(entry))
    return sorted(models, key=lambda model: (model.name, -model.version))


def _file_state(path: Path) -> str:
    """Returns what changes when a file is written, replaced or linked anew."""
    try:
        state = path.stat()
    except (OSError, RuntimeError):
        return ""
    return f"{state.st_dev}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}"
