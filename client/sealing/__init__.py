"""Seals: signed lists of files and their digests, by which any change is found (docs/integrity.md)."""

from client.sealing.checking import Finding, check
from client.sealing.keys import generate_key, read_private_key, read_public_key
from client.sealing.manifest import SEAL_FILE, Manifest, SealedFile, read_manifest
from client.sealing.sealing import seal

__all__ = [
    "SEAL_FILE",
    "Finding",
    "Manifest",
    "SealedFile",
    "check",
    "generate_key",
    "read_manifest",
    "read_private_key",
    "read_public_key",
    "seal",
]
