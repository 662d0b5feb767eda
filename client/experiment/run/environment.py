"""What a run is done with: versions of libraries, and the CPU."""

from __future__ import annotations

import functools
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import cast

from numpy._core._multiarray_umath import __cpu_features__ as cpu_features  # pyright: ignore
from PIL import features

_PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "pillow",
    "scikit-image",
    "scikit-learn",
    "ssimulacra2",
    "onnxruntime-gpu",
)
_CODECS = ("libjpeg_turbo", "webp", "avif", "jpg_2000", "zlib", "libtiff")
_VECTORS = ("AVX512F", "AVX2", "AVX", "SSE42", "SVE", "ASIMD", "NEON")


@functools.cache
def libraries() -> str:
    """Returns the versions of Python and of the libraries that codecs and metrics use, as JSON."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for codec in _CODECS:
        version = features.version(codec)
        if version:
            versions[codec] = version
    return json.dumps(versions, sort_keys=True)


@functools.cache
def cpu() -> str:
    """Returns the CPU's name with the widest vector instructions, as in "Intel(R) Xeon(R) avx512f"."""
    found = cast("dict[str, bool]", cpu_features)
    vectors = next((name.lower() for name in _VECTORS if found.get(name)), "")
    return " ".join(part for part in (_name(), vectors) if part)


def _name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
