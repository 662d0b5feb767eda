"""A request for images, checked as far as that needs no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.image_pb2 import IMAGE_FORMAT_JPEG, IMAGE_FORMAT_PNG, IMAGE_FORMAT_WEBP, ImageFormat

from client.errors import InputError

FileFormat = Literal["png", "jpeg", "webp"]
"""Formats of generated files."""
Priority = Literal["high", "normal", "low"]
"""Ranks of a request: a lower one waits while there is any of a higher one."""

MAX_SEED = 2**64 - 1

_FORMATS: dict[FileFormat, ImageFormat.ValueType] = {
    "png": IMAGE_FORMAT_PNG,
    "jpeg": IMAGE_FORMAT_JPEG,
    "webp": IMAGE_FORMAT_WEBP,
}
_PRIORITIES: dict[Priority, pb.Priority.ValueType] = {
    "high": pb.PRIORITY_HIGH,
    "normal": pb.PRIORITY_NORMAL,
    "low": pb.PRIORITY_LOW,
}


def generate_request(
    *,
    model: str = "",
    model_version: int = 0,
    label: str = "",
    label_mix: Mapping[str, float] | None = None,
    count: int = 1,
    seed: int | None = None,
    seeds: Sequence[int] = (),
    to_seed: int | None = None,
    truncation: float | None = None,
    file_format: FileFormat = "png",
    quality: int | None = None,
    priority: Priority = "normal",
) -> pb.GenerateRequest:
    """Returns the message for what `GanpressClient.generate` is asked.

    Raises:
        InputError: A number is larger than its field; narrower limits are the server's matter.
    """
    count = len(seeds) or count
    if not 0 <= count < 2**32:
        raise InputError(f"count is {count}: it must be at least 1 and within the generator's limit")
    check_range("model version", model_version, 0, 2**32 - 1)
    for number in (*seeds, seed, to_seed):
        if number is not None:
            check_range("seed", number, 0, MAX_SEED)
    if quality is not None:
        check_range("quality", quality, 1, 100)
    return pb.GenerateRequest(
        model=model,
        model_version=model_version,
        label=label,
        label_mix=label_mix,
        count=count,
        seed=seed,
        seeds=seeds,
        walk=None if to_seed is None else pb.Walk(to_seed=to_seed),
        truncation=truncation,
        format=_FORMATS[file_format],
        quality=quality,
        priority=_PRIORITIES[priority],
    )


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Checks that a field can hold a value.

    Raises:
        InputError: It cannot.
    """
    if not low <= value <= high:
        raise InputError(f"{name} is {value}: it must be a whole number from {low} to {high}")
