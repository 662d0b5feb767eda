"""Means over the images of each source under each setting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from client.experiment.results import Row


@dataclass(frozen=True)
class Means:
    """Means over the images of one source under one setting, those that failed left out."""

    images: int
    """Number of images, at least 1."""
    input_bytes: float
    """Mean size before."""
    output_bytes: float
    """Mean size after."""
    bits_per_pixel: float
    """Mean of the images' rates."""
    psnr_db: float
    """Mean over the images that lost something, in dB; infinity when none did."""
    ssim: float | None
    """Mean over the images that have one, None when none has."""

    @property
    def reduction_percent(self) -> float:
        """How much smaller all the images became together, in per cent of their size before."""
        return 100 * (1 - self.output_bytes / self.input_bytes)


@dataclass(frozen=True)
class Line:
    """One setting with the means of both sources."""

    codec: str
    """Codec name."""
    technique: str
    """Technique."""
    setting: str
    """Setting, as in the rows."""
    generated: Means | None
    """Means of the generated images; None when none came through."""
    real: Means | None
    """Means of the real images; None when there are none or none came through."""


def summarize(rows: Iterable[Row]) -> list[Line]:
    """Returns a line for each setting, in the order in which the rows name them."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.technique, row.setting), []).append(row)
    return [
        Line(*setting, *(_means([row for row in group if row.source == s]) for s in ("generated", "real")))
        for setting, group in groups.items()
    ]


def _means(rows: Sequence[Row]) -> Means | None:
    done = [row for row in rows if row.error is None]
    if not done:
        return None
    lossy_db = [row.psnr_db for row in done if row.psnr_db is not None and math.isfinite(row.psnr_db)]
    ssims = [row.ssim for row in done if row.ssim is not None]
    return Means(
        images=len(done),
        input_bytes=fmean(row.input_bytes or 0 for row in done),
        output_bytes=fmean(row.output_bytes or 0 for row in done),
        bits_per_pixel=fmean(row.bits_per_pixel or 0 for row in done),
        psnr_db=fmean(lossy_db) if lossy_db else math.inf,
        ssim=fmean(ssims) if ssims else None,
    )
