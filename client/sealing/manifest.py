"""The seal itself, a text file of one spelling; docs/integrity.md has it line by line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from client.errors import InputError

SEAL_FILE = "ganpress.seal"
"""Name of the seal of a folder."""
MAX_SEAL_BYTES = 1 << 30

_HEAD = "ganpress-seal 1"
_KEY = re.compile(r"key ed25519 ([0-9a-f]{64})")
_ENTRY = re.compile(r'([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) (".+")')
_SIGNATURE = re.compile(r"signature ([0-9a-f]{128})")
_COVERS = {"covers folder": True, "covers files": False}


@dataclass(frozen=True, order=True)
class SealedFile:
    """One file as it was sealed."""

    path: str
    """Path from the seal's folder, with `/`."""
    sha256: str
    """SHA-256, lower-case hexadecimal."""
    size_bytes: int
    """Size."""


@dataclass(frozen=True)
class Manifest:
    """What was sealed, by whom."""

    key: Ed25519PublicKey
    """Whose signature it bears."""
    covers_folder: bool
    """Whether no other file may be in the seal's folder or below."""
    files: tuple[SealedFile, ...]
    """The files, sorted by path."""

    def signed(self, key: Ed25519PrivateKey) -> bytes:
        """Returns the seal with its signature."""
        lines = [
            _HEAD,
            f"key ed25519 {self.key.public_bytes_raw().hex()}",
            "covers folder" if self.covers_folder else "covers files",
            *(f"{file.sha256} {file.size_bytes} {_quoted(file.path)}" for file in self.files),
        ]
        body = "".join(f"{line}\n" for line in lines).encode()
        return body + f"signature {key.sign(body).hex()}\n".encode()


def read_manifest(data: bytes, where: str, trusted: Ed25519PublicKey | None = None) -> Manifest:
    """Returns what a seal says, if its signature is right.

    Args:
        data: The seal.
        where: Its path, for messages.
        trusted: The key that must have signed it; None takes the one it names: damage is found, no forger.

    Raises:
        InputError: It is no seal, was altered, or another key has signed it.
    """
    try:
        *lines, signature_line, rest = data.decode().split("\n")
    except ValueError:
        lines, signature_line, rest = [], "", ""
    signature = _SIGNATURE.fullmatch(signature_line)
    if len(lines) < 3 or not signature or rest:
        raise InputError(f"{where} is no seal, or it was altered: it does not end with a signature")
    key_line = _KEY.fullmatch(lines[1])
    if not key_line:
        raise InputError(f"{where} was altered: its second line names no key")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_line[1]))
    if trusted and key.public_bytes_raw() != trusted.public_bytes_raw():
        raise InputError(
            f"{where} was signed by the key {key_line[1][:16]}..., "
            f"not by the one given, {trusted.public_bytes_raw().hex()[:16]}..."
        )
    try:
        key.verify(bytes.fromhex(signature[1]), data[: -len(signature_line) - 1])
    except InvalidSignature:
        raise InputError(f"{where} was altered: its signature does not match") from None
    # From here on it is what the owner of the key wrote.
    if lines[0] != _HEAD or lines[2] not in _COVERS:
        raise InputError(f"{where} begins with {lines[0]!r}; this program reads {_HEAD!r}")
    files = tuple(_read_entry(line, where) for line in lines[3:])
    if list(files) != sorted(files) or len({file.path for file in files}) < len(files):
        raise InputError(f"{where} names a file twice, or not in order")
    return Manifest(key, _COVERS[lines[2]], files)


def _read_entry(line: str, where: str) -> SealedFile:
    entry = _ENTRY.fullmatch(line)
    try:
        path = json.loads(entry[3]) if entry else None
    except ValueError:
        path = None
    if not entry or not isinstance(path, str) or _quoted(path) != entry[3] or not is_inside(path):
        raise InputError(f"{where} has a line that describes no file in its folder: {line[:100]!r}")
    return SealedFile(path, entry[1], int(entry[2]))


def is_inside(path: str) -> bool:
    """Tells whether a path is relative, and stays below where it starts."""
    return bool(path) and "\0" not in path and not set(path.split("/")) & {"", ".", ".."}


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=True)
