"""Finds images that are in a set twice.

Exact doubles have the same pixels. Near doubles (the same photo saved again, scaled, or slightly changed) are
looked for by a perceptual hash and believed only when the pixels agree: a false double costs an image, a
missed one hardly anything. The limits were set by eye on 31,000 photos of cars, dogs and trucks: the first
pairs of different cars (alike studio shots) differ by 29 grey levels, and pairs of other dull pictures
correlate by less than 0.9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn

HASH_SIDE = 32
"""Side of the grey image that is hashed, as in pHash (Zauner 2010)."""
MAX_HASH_BITS = 8
"""Pairs whose hashes differ in more of their 63 bits are not looked at."""
MAX_DIFFERENCE = 20.0
"""Largest root mean square difference of near doubles at 32x32, in grey levels."""
MIN_CORRELATION = 0.93
"""Smallest correlation of the grey levels of near doubles at 32x32."""
_BLOCK = 1024


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image's look to compare it with all others."""

    pixels_sha256: bytes
    """Digest of the prepared pixels."""
    hash: int
    """63 bits: signs of the low frequencies."""


@dataclass(frozen=True)
class Double:
    """An image that another one makes superfluous."""

    kept: int
    """Position of the image that stays."""
    exact: bool
    """Whether all pixels are equal."""


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Returns the fingerprint of an image uint8 [C, S, S], with S a multiple of 32."""
    spectrum = np.asarray(dctn(shrink(image).mean(0)))[:8, :8].ravel()[1:]
    bits = np.packbits(np.append(spectrum > np.median(spectrum), False))
    return Fingerprint(hashlib.sha256(image.tobytes()).digest(), int.from_bytes(bits.tobytes()))


def shrink(image: np.ndarray) -> np.ndarray:
    """Returns an image [C, S, S] as float32 [C, 32, 32], the means of squares."""
    channels, size_px, _ = image.shape
    side = size_px // HASH_SIDE
    squares = image.astype(np.float32).reshape(channels, HASH_SIDE, side, HASH_SIDE, side)
    return squares.mean((2, 4))


def find_doubles(
    fingerprints: list[Fingerprint], pixels: Callable[[int], np.ndarray], *, near: bool = True
) -> dict[int, Double]:
    """Returns the images that are doubles of an earlier one, by position.

    Args:
        fingerprints: of each image, those to keep first.
        pixels: gives the image at a position, uint8 [C, S, S].
        near: look for near doubles too.
    """
    doubles: dict[int, Double] = {}
    first: dict[bytes, int] = {}
    for i, own in enumerate(fingerprints):
        if (kept := first.setdefault(own.pixels_sha256, i)) != i:
            doubles[i] = Double(kept, exact=True)
    if not near:
        return doubles
    single = [i for i in range(len(fingerprints)) if i not in doubles]
    hashes = np.array([fingerprints[i].hash for i in single], np.uint64)
    for a, b in _similar(hashes):
        kept, i = single[a], single[b]
        if i not in doubles and kept not in doubles and _alike(pixels(kept), pixels(i)):
            doubles[i] = Double(kept, exact=False)
    return doubles


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Says whether two images [C, S, S] are close enough to be the same photo."""
    a, b = shrink(a), shrink(b)
    if np.sqrt(np.mean((a - b) ** 2)) > MAX_DIFFERENCE:
        return False
    return bool(np.corrcoef(a.mean(0).ravel(), b.mean(0).ravel())[0, 1] >= MIN_CORRELATION)


def _similar(hashes: np.ndarray) -> list[tuple[int, int]]:
    """Returns pairs (i, j), i < j, of near hashes, ordered by j: earlier images are decided first."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK]
        distances = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        near = np.argwhere(distances <= MAX_HASH_BITS) + start
        pairs += [(int(i), int(j)) for i, j in near if i < j]
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]))
