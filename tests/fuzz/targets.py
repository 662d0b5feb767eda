"""What is fuzzed: each target takes any bytes and may refuse them only by the errors it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One parser with all that comes after it."""

    name: str
    """Name on the command line, and of the folders of its inputs."""
    run: Callable[[bytes], object]
    """Takes an input; returns or refuses it properly, else it raises, and that is a finding."""
    seeds: Callable[[], list[bytes]]
    """Returns sound inputs to begin with."""
    has_kernels: bool = False
    """Whether loops compiled by Numba are involved, which are fuzzed interpreted as well."""
    max_bytes: int = 4096
    """Longest input."""


def all_targets() -> dict[str, Target]:
    """Returns the targets by name; imports all that they need."""
    from tests.fuzz import codec_files, image_files, model_files, text_files

    targets = [*codec_files.TARGETS, *image_files.TARGETS, *model_files.TARGETS, *text_files.TARGETS]
    return {target.name: target for target in targets}
