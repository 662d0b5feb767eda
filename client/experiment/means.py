"""The means of a run, as a table for the terminal."""

from __future__ import annotations

import math
from typing import Any

from client.experiment.store.reading import Rows
from client.tables import print_table

_QUERY = """
select codec || ' ' || setting, source_kind, min(cell_index), count(*),
    100 * (1 - sum(compressed_bytes) / sum(original_bytes)),
    avg(bits_per_pixel), avg(psnr_rgb_db) filter (isfinite(psnr_rgb_db)), avg(ssim)
from {rows} where error is null and perturbation = 'none' group by all order by 3
"""


def print_means(rows: Rows) -> None:
    """Prints a line for each setting: of generated and of real images, how small and how good they became.

    Images that a plan has changed do not count, nor cells that failed. PSNR is the mean over the images
    that lost something.
    """
    found = rows.query(_QUERY)
    kinds = [kind for kind in ("generated", "real") if any(line[1] == kind for line in found)]
    lines: dict[str, dict[str, tuple[Any, ...]]] = {}
    for setting, kind, _, *means in found:
        lines.setdefault(setting, {})[kind] = tuple(means)
    titles = [
        f"{kind}:\n{title}" for kind in kinds for title in ("images", "smaller by", "bpp", "PSNR", "SSIM")
    ]
    table = [
        [setting, *(cell for kind in kinds for cell in _cells(means.get(kind)))]
        for setting, means in lines.items()
    ]
    if table:
        print_table(["setting", *titles], table)


def _cells(means: tuple[Any, ...] | None) -> list[str]:
    if not means:
        return [""] * 5
    images, percent, bits, psnr_db, ssim = means
    return [
        str(images),
        f"{percent:.2f} %",
        f"{bits:.3f}",
        "exact" if psnr_db is None or not math.isfinite(psnr_db) else f"{psnr_db:.2f}",
        "" if ssim is None else f"{ssim:.4f}",
    ]
