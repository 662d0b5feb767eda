"""Keys: Ed25519 (RFC 8032) in PEM files, as OpenSSL writes them, too."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from client.errors import InputError
from client.writing import check_free

_LONGEST_KEY_BYTES = 1 << 16


def generate_key(path: Path, *, force: bool = False) -> Path:
    """Writes a new private key that only its owner may read, and the public key beside it as `<name>.pub`.

    Returns:
        The path of the public key.

    Raises:
        InputError: One of the files exists, unless `force` is set.
    """
    public_path = path.with_name(path.name + ".pub")
    if not force:
        check_free(path)
        check_free(public_path)
    key = Ed25519PrivateKey.generate()
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public_path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public_path


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Returns the private key in a file.

    Raises:
        InputError: It is none, or not of Ed25519.
    """
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it needs a password
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{path} holds no private key of Ed25519 without a password: `client seal --new-key` makes one"
        )
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Returns the public key in a file.

    Raises:
        InputError: It is none, or not of Ed25519.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} holds no public key of Ed25519: `client seal --new-key` makes one")
    return key


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST_KEY_BYTES)
