"""What is fuzzed: each target takes any bytes and may refuse them only by the errors it promises."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

_MODULES = {
    "codec_files": ("dct", "palette", "repack", "jpeg", "seed", "archive"),
    "image_files": ("images",),
    "model_files": ("card", "onnx"),
    "text_files": ("tar", "shard", "plan", "experiment", "sidecar"),
}
NAMES = [name for names in _MODULES.values() for name in names]
"""Names of all targets."""


@dataclass(frozen=True)
class Target:
    """One parser with all that comes after it."""

    name: str
    """Name on the command line, and of the folders of its inputs."""
    run: Callable[[bytes], object]
    """Takes an input; returns or refuses it properly, else it raises, and that is a finding."""
    seeds: Callable[[], list[bytes]]
    """Returns sound inputs to begin with."""
    max_bytes: int = 4096
    """Longest input."""


def load_target(name: str) -> Target:
    """Returns a target; imports no more than it needs."""
    (module,) = (module for module, names in _MODULES.items() if name in names)
    targets: tuple[Target, ...] = importlib.import_module(f"tests.fuzz.{module}").TARGETS
    return next(target for target in targets if target.name == name)
