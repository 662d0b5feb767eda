"""Kept images of an experiment for the report's viewer: originals, and what codecs made of them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from client.experiment.report.blocks import Comparison, Picture, Viewer
from client.experiment.report.data import Results
from client.experiment.report.groups import Source
from client.experiment.report.measures import SEARCH
from services.compressor.codecs import decode

MAX_BYTES = 4_500_000
"""Of all pictures together: base64 makes them a third larger, and the page is to stay under 10 MB."""
MAX_SIDE_PX = 768
"""Of larger images the middle is shown."""
PER_SOURCE = 3
_BROWSERS_SHOW = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif"}
"""Formats of files that go into the page as they are."""


def viewer(results: Results, sources: Sequence[Source]) -> Viewer | None:
    """Returns the viewer of the kept images, some of each source; None when the plan kept none.

    The sources take turns, so that all have their first image before one has its second, until the pictures
    would be too many bytes. Of a first image with too many results every n-th is shown.
    """
    kept = {source.name: _kept(results, source) for source in sources}
    comparisons: list[tuple[str, int, Comparison]] = []
    room = MAX_BYTES
    for turn in range(PER_SOURCE):
        for source in sources:
            if turn >= len(kept[source.name]):
                continue
            comparison = _comparison(results, source, kept[source.name][turn])
            if turn == 0:
                comparison = _thinned(comparison, room)
            if (size_bytes := _size_bytes(comparison)) <= room:
                room -= size_bytes
                comparisons.append((source.name, turn, comparison))
    order = [source.name for source in sources]
    comparisons.sort(key=lambda one: (order.index(one[0]), one[1]))
    return Viewer([comparison for _, _, comparison in comparisons]) if comparisons else None


def _thinned(comparison: Comparison, room: int) -> Comparison:
    """Returns the comparison with as many results, evenly taken, as there is room for; at least one."""
    results = comparison.results
    for step in range(1, len(results) + 1):
        thinned = Comparison(comparison.title, comparison.original, results[::step])
        if _size_bytes(thinned) <= room:
            return thinned
    return comparison


def _size_bytes(comparison: Comparison) -> int:
    return sum(len(one.data) for one in (comparison.original, *comparison.results))


def _kept(results: Results, source: Source) -> list[str]:
    """Returns the images of a source whose files were kept; of several labels one each first."""
    rows = results.query(
        "select image, any_value(label) from plain where source = $source and input_file is not null "
        "and output_file is not null group by image order by min(cell_index)",
        source=source.name,
    )
    seen: dict[str | None, int] = {}
    ranked: list[tuple[int, int, str]] = []
    for place, (image, label) in enumerate(rows):
        seen[label] = seen.get(label, 0) + 1
        ranked.append((seen[label], place, image))
    return [image for _, _, image in sorted(ranked)]


def _comparison(results: Results, source: Source, image: str) -> Comparison:
    rows = results.query(
        "select codec, setting, input_file, output_file, original_bytes, compressed_bytes, psnr_rgb_db, ssim "
        "from plain where source = $source and image = $image and output_file is not null "
        "and not coalesce(isinf(psnr_rgb_db), false) order by cell_index",
        source=source.name,
        image=image,
    )
    if not rows:  # nothing lost anything: the original stands beside itself
        rows = results.query(
            "select codec, setting, input_file, output_file, original_bytes, compressed_bytes, "
            "psnr_rgb_db, ssim "
            "from plain where source = $source and image = $image and output_file is not null order by "
            "cell_index",
            source=source.name,
            image=image,
        )
    before = results.store.get(rows[0][2]) or b""
    original = _picture("original", f"{rows[0][4] / 1024:.2f} KB", before)
    shown = [
        _picture(
            f"{codec} {setting.replace(SEARCH, 'at the size of ')}",
            f"{size / 1024:.2f} KB, {_quality(psnr, ssim)}",
            results.store.get(output) or b"",
        )
        for codec, setting, _, output, _, size, psnr, ssim in rows
    ]
    return Comparison(f"{source.name}: {image}", original, shown)


def _quality(psnr_db: float | None, ssim: float | None) -> str:
    parts = [f"{psnr_db:.2f} dB"] if psnr_db is not None else []
    return ", ".join(parts + ([f"SSIM {ssim:.4f}"] if ssim is not None else []))


def _picture(title: str, detail: str, data: bytes) -> Picture:
    """Returns a picture that browsers show: the file itself, or else its pixels as lossless WebP."""
    pixels = decode(data)
    height_px, width_px = pixels.shape[:2]
    media_type = _media_type(data)
    if media_type is None or max(height_px, width_px) > MAX_SIDE_PX:
        top, left = max(height_px - MAX_SIDE_PX, 0) // 2, max(width_px - MAX_SIDE_PX, 0) // 2
        middle = pixels[top : top + MAX_SIDE_PX, left : left + MAX_SIDE_PX]
        data, media_type = _webp(middle), "image/webp"
        height_px, width_px = middle.shape[:2]
    return Picture(title, detail, data, media_type, width_px, height_px)


def _media_type(data: bytes) -> str | None:
    """Returns the type of a file whose pixels browsers show as our codecs decode them, None of others."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            is_plain = image.mode in ("RGB", "L", "P") and "icc_profile" not in image.info
            return _BROWSERS_SHOW.get(image.format or "") if is_plain else None
    except OSError:
        return None


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, "WEBP", lossless=True, quality=60, method=4)
    return buffer.getvalue()
