"""Making a seal: walking, hashing, signing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.errors import InputError
from client.sealing.manifest import Manifest, SealedFile, is_inside


def seal(seal_path: Path, files: Iterable[Path] | None, key: Ed25519PrivateKey) -> tuple[Manifest, bytes]:
    """Returns the seal of files, to be written to `seal_path`.

    Args:
        seal_path: Where the seal will lie; files lie in its folder or below.
        files: What is sealed; None: all files there.
        key: Who seals.

    Raises:
        InputError: A file lies elsewhere, is a link or no file at all, or there is none.
        OSError: It cannot be read.
    """
    folder, covers_folder = seal_path.parent, files is None
    paths = walk(folder, seal_path) if files is None else {relative_path(path, folder) for path in files}
    sealed = tuple(sorted(SealedFile(path, *digest(folder / path)) for path in paths))
    if not sealed:
        raise InputError(f"there are no files to seal in {folder}")
    manifest = Manifest(key.public_key(), covers_folder, sealed)
    return manifest, manifest.signed(key)


def walk(folder: Path, seal_path: Path) -> Iterator[str]:
    """Yields all files in a folder and below but the seal, sorted, with `/`."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        found += [relative_path(Path(parent) / name, folder) for name in [*names, *links]]
    own = seal_path.name
    return iter(sorted(path for path in found if path != own))


def relative_path(path: Path, folder: Path) -> str:
    """Returns a file's path from a folder, with `/`.

    Raises:
        InputError: It does not lie there, or its name is not text.
    """
    try:
        relative = Path(os.path.abspath(path)).relative_to(os.path.abspath(folder)).as_posix()  # noqa: PTH100 - links stay
        relative.encode()
    except ValueError:
        relative = ""
    if not is_inside(relative):
        raise InputError(
            f"{str(path)!r} does not lie in the seal's folder, {str(folder)!r}, or its name is no text"
        )
    return relative


def digest(path: Path) -> tuple[str, int]:
    """Returns SHA-256 and size of a file.

    Raises:
        InputError: It is a link or no file.
        OSError: It cannot be read.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        kind = "a link" if path.is_symlink() else "no regular file"
        raise InputError(f"{path} is {kind}: seals are for files")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        return found, file.tell()


def _raise(error: OSError) -> None:
    raise error
