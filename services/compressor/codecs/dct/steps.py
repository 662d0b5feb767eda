"""From the header's numbers to the quantiser step of every coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

STEPS_PER_OCTAVE = 24
UNIT = 256
"""A step of 256 is one grey level of an orthonormal coefficient."""


def _base_steps() -> list[int]:
    """Returns round(64 * 2^(i / 24)): steps from a quarter of a grey level up to 395."""
    with localcontext() as context:
        context.prec = 40
        ratio, step, steps = Decimal(2) ** (Decimal(1) / 24), Decimal(64), list[int]()
        for _ in range(256):
            steps.append(int(step.to_integral_value()))
            step *= ratio
    return steps


BASE_STEPS = _base_steps()


@dataclass(frozen=True)
class Quantiser:
    """What the header says of the steps."""

    index: int
    """Base step, an index into BASE_STEPS."""
    slope: int
    """How much wider steps get per unit of frequency of an 8x8 block, in 1/128; 0..15, or even up to 30."""
    chroma: int
    """How much wider the steps of the second and third plane are, in 1/8; 0..15."""

    def tables(self, plane: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Returns a plane's steps, and what turns a coefficient into quarters of a step.

        Both are int32 [3 * 1024] for sizes of 8, 16 and 32: steps in 1/256 grey level, and 2^22 over them.
        """
        base = BASE_STEPS[self.index]
        if plane:
            base += base * self.chroma >> 3
        frequency = np.add.outer(np.arange(32), np.arange(32))
        steps = np.stack([base + (base * self.slope * (frequency << 3 - level) >> 10) for level in range(3)])
        return steps.reshape(-1).astype(np.int32), (4 * UNIT * 4096 // steps).reshape(-1).astype(np.int32)


def index_of_step(step: float) -> int:
    """Returns the index of the base step nearest to one in grey levels."""
    index = round(STEPS_PER_OCTAVE * float(np.log2(step * UNIT / BASE_STEPS[0])))
    return min(max(index, 0), len(BASE_STEPS) - 1)


def step_of_quality(quality: int) -> float:
    """Returns a base step in grey levels; it follows quality as the tables of libjpeg do."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    return max(32 * scale, 0.5)
