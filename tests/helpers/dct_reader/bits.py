"""The sections "Range coder", "Models" and "Priors"."""

from __future__ import annotations

import lzma
import math
from collections.abc import Sequence
from pathlib import Path

PRIORS = Path(__file__).parents[3] / "services/compressor/codecs/dct/priors.xz"
MODELS, SETS, FILTER_NUMBERS = 225616, 478, 288

SQUASH = [round(65536 / (1 + math.exp(-x / 256))) for x in range(-2048, 2048)]


def _stretch() -> list[int]:
    found: list[int] = []
    x = -2048
    for i in range(4096):
        while x < 2047 and SQUASH[x + 2048] < 16 * i + 8:
            x += 1
        found.append(max(x, -2047))
    return found


STRETCH = _stretch()


def clip(value: int, low: int, high: int) -> int:
    """Returns the value limited to low..high."""
    return min(max(value, low), high)


class Bits:
    """A stream that is read bit by bit, with the models and weights of its decisions."""

    def __init__(
        self, data: bytes, models: list[list[int]], weights: list[int], limit: int, rate: int
    ) -> None:
        self._data, self._position = data, 4
        self._low, self._high = 0, 2**32 - 1
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self.models, self._weights, self._limit, self._rate = models, weights, limit, rate

    def bit(self, p: int = 32768) -> int:
        """Reads a bit that is 1 with probability p / 65536."""
        middle = self._low + ((self._high - self._low) * p >> 16)
        bit = int(self._code <= middle)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while self._low >> 24 == self._high >> 24:
            byte = self._data[self._position] if self._position < len(self._data) else 0
            self._position += 1
            self._low = self._low << 8 & 0xFFFFFFFF
            self._high = self._high << 8 & 0xFFFFFFFF | 255
            self._code = self._code << 8 & 0xFFFFFFFF | byte
        return bit

    def adaptive(self, model: list[int], limit: int | None = None) -> int:
        """Reads an adaptive bit."""
        bit = self.bit(clip(model[0] >> 6, 32, 65503))
        _learn(model, bit, self._limit if limit is None else limit)
        return bit

    def voted(self, indices: Sequence[int], first_weight: int) -> int:
        """Reads a voted bit."""
        models = [self.models[i] for i in indices]
        s = [STRETCH[q >> 10] for q, _ in models]
        w = self._weights
        total = sum(s_k * w[first_weight + k] for k, s_k in enumerate(s))
        p = SQUASH[clip(total >> 16, -2047, 2047) + 2048]
        bit = self.bit(p)
        e = ((bit << 16) - p) * self._rate
        for k, s_k in enumerate(s):
            w[first_weight + k] = clip(w[first_weight + k] + ((s_k * e + 2**19) >> 20), -(2**20), 2**20)
        for model in models:
            _learn(model, bit, self._limit)
        return bit

    def gamma(self, models: list[list[int]], longest: int, limit: int | None = None) -> int:
        """An Elias gamma code with adaptive bits for its length."""
        length = 0
        while length < longest and self.adaptive(models[length], limit):
            length += 1
        value = 1
        for _ in range(length):
            value = 2 * value + self.bit()
        return value


def _learn(model: list[int], bit: int, limit: int) -> None:
    q, n = model
    model[0] = q + ((bit * (2**22 - 1) - q) * (655360 // (10 * n + 16)) >> 16)
    model[1] = min(n + 1, limit)


def fresh_models(count: int) -> list[list[int]]:
    """Returns models that know nothing: q and n."""
    return [[2**21, 0] for _ in range(count)]


def prior(number: int) -> tuple[list[list[int]], list[int], list[int]]:
    """Models, weights and the filters' numbers that a stream with this prior begins with."""
    if number == 0:
        return fresh_models(MODELS), [20000] * (8 * SETS), [0] * FILTER_NUMBERS
    data = lzma.decompress(PRIORS.read_bytes())
    start = (number - 1) * (2 * MODELS + 16 * SETS + FILTER_NUMBERS)
    logits, counts = data[start : start + MODELS], data[start + MODELS : start + 2 * MODELS]
    models = [
        [SQUASH[min(16 * logit, 4095)] << 6, count] if count else [2**21, 0]
        for logit, count in zip(logits, counts, strict=True)
    ]
    start += 2 * MODELS
    pairs = data[start : start + 16 * SETS]
    weights = [16 * int.from_bytes(pairs[i : i + 2], "little", signed=True) for i in range(0, len(pairs), 2)]
    start += 16 * SETS
    numbers = [byte - 256 if byte > 127 else byte for byte in data[start : start + FILTER_NUMBERS]]
    return models, weights, numbers
