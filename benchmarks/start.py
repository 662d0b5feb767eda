"""From a process's start to its first image: `python -m benchmarks.start`.

Each row is the median of processes that take turns: until the image is encoded, and until the process has
ended, which for Numba means to free what LLVM holds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from time import time

import click

_IMAGE = "import numpy as np; image = np.full((64, 64, 3), 99, np.uint8); image[9:40, 9:40] = 0"
_OURS = _IMAGE + "; from services.compressor.codecs import get_codec; get_codec({!r}).encode(image)"
_PEER = _IMAGE + "; import io; from PIL import Image; Image.fromarray(image).save(io.BytesIO(), {!r})"
_PROGRAMS = {
    "Python alone": "pass",
    "NumPy": "import numpy",
    "Numba, which `dct` needs": "import numba",
    "Pillow, JPEG": _PEER.format("JPEG"),
    "Pillow, AVIF": _PEER.format("AVIF"),
    "jpeg": _OURS.format("jpeg"),
    "kmeans": _OURS.format("kmeans"),
    "dct": _OURS.format("dct"),
}
"""Peers and limits, then our codecs, each in a process of its own."""
_TELL = "; import time; print(time.time())"


@click.command()
@click.option(
    "--rounds", type=click.IntRange(1), default=9, help="Processes of each kind.", show_default=True
)
def main(rounds: int) -> None:
    """Measures how long a fresh process takes until its first image of 64 x 64 pixels is encoded."""
    firsts_s: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    wholes_s: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    for number in range(rounds + 1):
        for name, program in _PROGRAMS.items():
            start_s = time()  # which the other process reads, too
            told = subprocess.run([sys.executable, "-c", program + _TELL], check=True, capture_output=True)
            end_s = time()
            if number:  # the first one reads files into memory, and compiles what never was
                firsts_s[name].append(float(told.stdout) - start_s)
                wholes_s[name].append(end_s - start_s)
    limit_s = statistics.median(firsts_s["Numba, which `dct` needs"])
    click.echo("| process | first image, s | of Numba's import | ended, s |\n| --- | ---: | ---: | ---: |")
    for name, firsts in firsts_s.items():
        first_s, whole_s = statistics.median(firsts), statistics.median(wholes_s[name])
        click.echo(f"| {name} | {first_s:.2f} | {first_s / limit_s:.2f} | {whole_s:.2f} |")


if __name__ == "__main__":
    main()
