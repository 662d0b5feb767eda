"""Inputs: those that grow while fuzzing, a corpus of each target that is kept, and what once made it fail."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

WORK = Path(os.environ.get("GANPRESS_FUZZ_DIR") or Path(tempfile.gettempdir()) / "ganpress-fuzz")
"""Where inputs grow, and what is found lies."""
CORPUS = Path(__file__).parent / "corpus"
REGRESSIONS = Path(__file__).parent / "regressions"
_MOST_KEPT = 200
_LONGEST_KEPT_BYTES = 2048


def read_corpus(target: str) -> list[bytes]:
    """Returns a target's corpus."""
    path = CORPUS / f"{target}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as file:
        return [file.read(name) for name in file.namelist()]


def write_corpus(target: str) -> None:
    """Makes the inputs in the folder `kept` a target's corpus, of all lengths alike; a zip file."""
    kept = [path.read_bytes() for path in (WORK / target / "kept").iterdir()]
    short = [data for data in kept if len(data) <= _LONGEST_KEPT_BYTES]
    short.sort(key=lambda data: (len(data), data))
    chosen = short[:: max(1, -(-len(short) // _MOST_KEPT))]
    CORPUS.mkdir(exist_ok=True)
    with zipfile.ZipFile(CORPUS / f"{target}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for data in chosen:
            file.writestr(zipfile.ZipInfo(name_of(data)), data, zipfile.ZIP_DEFLATED)


def read_regressions(target: str) -> dict[str, bytes]:
    """Returns what once made a target fail, by name."""
    folder = REGRESSIONS / target
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def read_findings(target: str) -> list[str]:
    """Returns the names of the inputs that made a target fail and have not been kept as regressions yet."""
    folder = WORK / target / "found"
    return [path.name for path in folder.iterdir() if path.suffix != ".txt"] if folder.is_dir() else []


def name_of(data: bytes) -> str:
    """Returns an input's name: the start of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
