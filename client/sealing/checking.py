"""Checking a seal: what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.errors import InputError
from client.sealing.manifest import Manifest, SealedFile
from client.sealing.sealing import digest, walk


@dataclass(frozen=True)
class Finding:
    """One file, and what became of it."""

    path: str
    """Path from the seal's folder, with `/`."""
    problem: str
    """What is wrong with it, as the end of a sentence; empty when it is as it was."""


def check(manifest: Manifest, seal_path: Path) -> Iterator[Finding]:
    """Compares files with what a seal says: those sealed in their order, then those that were added."""
    for file in manifest.files:
        yield Finding(file.path, _problem(seal_path.parent / file.path, file))
    if manifest.covers_folder:
        sealed = {file.path for file in manifest.files}
        for path in walk(seal_path.parent, seal_path):
            if path not in sealed:
                yield Finding(path, "it was added after the folder was sealed")


def _problem(path: Path, file: SealedFile) -> str:
    try:
        found, size_bytes = digest(path)
    except (FileNotFoundError, NotADirectoryError):
        return "it is missing"
    except InputError:
        return "it is no longer a file"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if size_bytes != file.size_bytes:
        return f"it was altered: it has {size_bytes} bytes, sealed were {file.size_bytes}"
    return "" if found == file.sha256 else f"it was altered: its SHA-256 is {found}, sealed was {file.sha256}"
