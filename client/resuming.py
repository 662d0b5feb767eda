"""What an earlier run into the same folder has done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client import sidecar
from client.errors import InputError
from client.experiment.store.folder import Store
from client.outputs import is_folder
from client.places import is_url
from client.samples import Sample


def digest(data: bytes) -> str:
    """Returns what tells one input file from another: its SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def compressed_before(output: str | None, asked: dict[str, Any]) -> Callable[[Sample], bool]:
    """Returns what tells whether a sample was compressed: the same bytes, asked the same, and all there.

    Args:
        output: What `-o` names.
        asked: What is asked of the compressor, as sidecars hold it.

    Raises:
        InputError: The output is no folder.
    """
    folder = _folder(output)

    def is_done(sample: Sample) -> bool:
        found = folder.get(sample.key + sidecar.EXTENSION)
        try:
            record: dict[str, Any] = sidecar.parse(found)["compression"] if found else {}
            if record.get("asked") != asked or record.get("input_sha256") != digest(sample.image):
                return False
            result = folder.get(sample.key + record["file_extension"])
            return result is not None and len(result) == record["output_bytes"]
        except (InputError, KeyError, TypeError, AttributeError):
            return False  # not written by us

    return is_done


def decompressed_before(output: str | None) -> Callable[[Sample], bool]:
    """Returns what tells whether a sample was decompressed: its image is there, and not older than its file.

    Raises:
        InputError: The output is no folder.
    """
    folder, root = _folder(output), output or ""

    def is_done(sample: Sample) -> bool:
        for extension in (".png", ".jpg"):
            if is_url(root):
                if folder.get(sample.key + extension) is not None:
                    return True
                continue
            image = Path(root, sample.key + extension)
            if image.is_file():
                made_s = image.stat().st_mtime
                return not sample.path or made_s >= sample.path.stat().st_mtime
        return False

    return is_done


def _folder(output: str | None) -> Store:
    if output is None or not is_folder(output):
        raise InputError("--resume needs a folder to go on with: name it with -o, with a / at its end")
    return Store(output)
