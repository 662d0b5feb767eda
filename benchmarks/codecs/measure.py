"""What one setting does to one image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.codecs.contenders import Contender, Setting
from services.compressor.codecs import Pixels, bd_rate, bits_per_pixel, psnr, psnr_y, ssim, ssimulacra2

T = TypeVar("T")

METRICS: dict[str, Callable[[Pixels, Pixels], float | None]] = {
    "PSNR-RGB": psnr,
    "PSNR-Y": psnr_y,
    "SSIM": ssim,
    "SSIMULACRA2": ssimulacra2,
}


@dataclass(frozen=True)
class Point:
    """One setting on one image."""

    setting: str
    bits_per_pixel: float
    size_bytes: int
    pixels: int
    quality: dict[str, float]
    """By metric; those that the image is too small for are left out."""
    encode_s: float
    """Seconds of processor time, of all threads together."""
    decode_s: float
    """Seconds of processor time."""


def measure(setting: Setting, image: Pixels, runs: int, metrics: tuple[str, ...]) -> Point:
    """Encodes, decodes and compares; of several runs the median time counts."""
    data, encode_s = timed(lambda: setting.encode(image), runs)
    decoded, decode_s = timed(lambda: setting.decode(data), runs)
    found = {name: METRICS[name](image, decoded) for name in metrics}
    quality = {name: value for name, value in found.items() if value is not None}
    pixels = image.shape[0] * image.shape[1]
    return Point(
        setting.name, bits_per_pixel(len(data), image), len(data), pixels, quality, encode_s, decode_s
    )


def timed(step: Callable[[], T], runs: int) -> tuple[T, float]:
    """Returns a step's result and the median of its seconds of processor time."""
    seconds: list[float] = []
    result: T | None = None
    for _ in range(runs):
        start_s = time.process_time()
        result = step()
        seconds.append(time.process_time() - start_s)
    assert result is not None
    return result, statistics.median(seconds)


def warm(contender: Contender, image: Pixels) -> None:
    """Lets libraries load and functions compile before anything is timed."""
    for setting in (contender.settings[0], contender.settings[-1]):
        setting.decode(setting.encode(image))


def mean_bd_rate(anchor: list[list[Point]], test: list[list[Point]], metric: str) -> float | None:
    """Returns the mean over images of the BD-rate in per cent, None when no image has one."""
    rates = [
        rate
        for a, b in zip(anchor, test, strict=True)
        if (rate := bd_rate(_curve(a, metric), _curve(b, metric))) is not None
    ]
    return statistics.fmean(rates) if rates else None


def megapixels_per_s(points: list[list[Point]], seconds: Callable[[Point], float]) -> float:
    """Returns the speed over all settings and images together."""
    every = [point for image in points for point in image]
    return sum(point.pixels for point in every) / 1e6 / max(sum(map(seconds, every)), 1e-9)


def _curve(points: list[Point], metric: str) -> list[tuple[float, float]]:
    return [(point.bits_per_pixel, point.quality[metric]) for point in points if metric in point.quality]
