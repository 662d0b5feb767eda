"""What a file has to reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from services.compressor.codecs import CodecError

GoalKind = Literal["bytes", "bpp", "psnr_db", "ssim", "ssimulacra2"]

_ACCEPTS: dict[GoalKind, tuple[str, float, float]] = {
    "bytes": ("a whole number of at least 1", 1, 2**63),
    "bpp": ("a number above 0", math.nextafter(0, 1), 1e9),
    "psnr_db": ("above 0, at most 100", math.nextafter(0, 1), 100),
    "ssim": ("above 0, at most 1", math.nextafter(0, 1), 1),
    "ssimulacra2": ("-1000 to 100", -1000, 100),
}
_UNITS: dict[GoalKind, str] = {
    "bytes": "{:.0f} bytes",
    "bpp": "{:.4g} bits a pixel",
    "psnr_db": "a PSNR of {:.2f} dB",
    "ssim": "an SSIM of {:.4f}",
    "ssimulacra2": "an SSIMULACRA2 score of {:.2f}",
}


class GoalError(CodecError):
    """A goal that makes no sense for an image or a codec; the message says what would."""


class UnreachableGoalError(CodecError):
    """No setting reaches the goal; the message tells the closest."""

    def __init__(self, message: str, encodes: int = 0) -> None:
        """Takes the message, and how many files were written in vain."""
        super().__init__(message)
        self.encodes = encodes


@dataclass(frozen=True)
class Goal:
    """A limit: on the size, which a file may not exceed, or on the quality, below which it may not fall."""

    kind: GoalKind
    """What is limited; sizes are `bytes` and `bpp`."""
    target: float
    """The limit, in the kind's unit."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(GoalKind):
            raise GoalError(f"goals are {', '.join(get_args(GoalKind))}, not {self.kind!r}")
        accepts, low, high = _ACCEPTS[self.kind]
        if not low <= self.target <= high:
            raise GoalError(f"goal target_{self.kind} takes {accepts}, not {self.target:g}")

    @property
    def is_size(self) -> bool:
        """Whether it limits the size."""
        return self.kind in ("bytes", "bpp")

    def is_met(self, reached: float) -> bool:
        """Whether a file that has `reached`, in the goal's unit, is within the limit."""
        return reached <= self.target if self.is_size else reached >= self.target

    def is_closer(self, reached: float, other: float) -> bool:
        """Whether `reached` is nearer to the limit, from the wrong side, than `other`."""
        return reached < other if self.is_size else reached > other

    def in_words(self, reached: float) -> str:
        """Returns a value of the goal's unit for a sentence."""
        return _UNITS[self.kind].format(reached)
