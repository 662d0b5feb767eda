"""Means over the images of each source under each setting, and the sources' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from client.experiment.report.data import Results
from client.experiment.report.measures import MEASURES, SEARCH


@dataclass(frozen=True)
class Source:
    """One source of images."""

    name: str
    """Its name in the plan."""
    kind: str
    """real or generated."""
    images: int
    """Images that came through some setting."""
    width_px: int | None
    """Mean width; None when no image came through."""
    height_px: int | None
    """Mean height."""

    @property
    def title(self) -> str:
        """Its name with what its images are."""
        size = f", {self.width_px}×{self.height_px}" if self.width_px else ""
        kind = "photographs" if self.kind == "real" else "generated"
        return f"{self.name} ({kind}{size})"


@dataclass(frozen=True)
class Means:
    """Means over the images of one source under one setting, those that failed left out."""

    source: str
    """The source's name."""
    codec: str
    """The codec."""
    setting: str
    """Its setting."""
    images: int
    """Number of images, at least 1."""
    original_bytes: float
    """Mean size before."""
    compressed_bytes: float
    """Mean size after."""
    bits_per_pixel: float
    """Mean of the images' rates."""
    exact: int
    """Images that came back without loss."""
    encode_ms: float
    """Median time to compress."""
    decode_ms: float
    """Median time to decompress."""
    quality: Mapping[str, float | None]
    """Mean of each measure over the images that have it and lost something; infinite when none lost any."""

    @property
    def compression_percent(self) -> float:
        """How much smaller all the images became together, in per cent of their size before."""
        return 100 * (1 - self.compressed_bytes / self.original_bytes)

    @property
    def is_search(self) -> bool:
        """Tells whether the setting was searched for to reach a size."""
        return self.setting.startswith(SEARCH)


def sources(results: Results) -> list[Source]:
    """Returns the sources in the plan's order."""
    rows = results.query(
        "select source, any_value(source_kind), count(distinct image) filter (error is null), "
        "round(avg(width_px)), round(avg(height_px)) from cells group by source order by min(cell_index)"
    )
    return [
        Source(name, kind, images, width and int(width), height and int(height))
        for name, kind, images, width, height in rows
    ]


def means(results: Results) -> list[Means]:
    """Returns the means of each source and setting without perturbation, in the plan's order."""
    qualities = ", ".join(
        f"avg({one.column}) filter (isfinite({one.column})), bool_or(isinf({one.column}))" for one in MEASURES
    )
    rows = results.query(
        "select source, codec, setting, count(*), avg(original_bytes), avg(compressed_bytes), "
        "avg(bits_per_pixel), count(*) filter (isinf(psnr_rgb_db)), coalesce(median(encode_ms), 0), "
        f"coalesce(median(decode_ms), 0), {qualities} "
        "from plain group by source, codec, setting order by min(cell_index)"
    )
    return [
        Means(source, codec, setting, images, before, after, rate, exact, encode, decode, _quality(quality))
        for source, codec, setting, images, before, after, rate, exact, encode, decode, *quality in rows
    ]


def _quality(pairs: Sequence[float | bool | None]) -> dict[str, float | None]:
    return {
        one.column: float("inf") if pairs[2 * i] is None and pairs[2 * i + 1] else pairs[2 * i]
        for i, one in enumerate(MEASURES)
    }
