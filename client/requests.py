"""Requests for compression, checked as far as that needs no server, and the outcomes of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import CompressRequest, CompressResponse, DecompressResponse
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.input_pb2 import InputOptions

from client.errors import GanpressError, InputError
from services.common.server import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES - 2**16
"""Largest image file that a message holds; the rest is left for what describes it."""


@dataclass(frozen=True)
class Compressed:
    """The outcome of one request of `compress_many`."""

    key: str
    """The request's key."""
    result: CompressResponse | GanpressError
    """The compressed image, or why there is none."""


@dataclass(frozen=True)
class Decompressed:
    """The outcome of one file of `decompress_many`."""

    key: str
    """The file's key."""
    result: DecompressResponse | GanpressError
    """The image, or why there is none."""


def compress_request(
    image: bytes | NDArray[np.uint8],
    options: CodecOptions,
    *,
    skip_metrics: bool = False,
    goal: Goal | None = None,
    reading: InputOptions | None = None,
) -> CompressRequest:
    """Returns a request for `compress_many`.

    Args:
        image: An image file, or pixels as uint8 [H, W], [H, W, 3] or [H, W, 4].
        options: Codec and options, from `GanpressClient.codec_options`.
        skip_metrics: Leave PSNR and SSIM out.
        goal: What the file has to reach, from `client.compression.goal`.
        reading: How the file is read, from `client.compression.input_options`.

    Raises:
        InputError: The array is no image, or the file is larger than a message.
    """
    if not isinstance(image, bytes):
        # Only who gives arrays pays for the import of numpy and Pillow.
        from client.images import to_png

        image = to_png(image)
    check_size(image)
    return CompressRequest(image=image, options=options, skip_metrics=skip_metrics, goal=goal, input=reading)


def check_size(image: bytes) -> None:
    """Raises InputError when a file does not fit into a message."""
    if len(image) > MAX_IMAGE_BYTES:
        raise InputError(
            f"the file has {len(image) / 2**20:.1f} MB: at most {MAX_IMAGE_BYTES / 2**20:.1f} MB can be sent"
        )
