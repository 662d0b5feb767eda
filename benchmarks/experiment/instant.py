"""A compressor that answers at once, to find out how far the client itself goes.

`python -m benchmarks.experiment.instant` writes `listening on HOST:PORT` to stderr. Whatever it is sent, it
answers with the same 64x64 image.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import CodecInfo
from ganpress.v1.compressor_service_pb2_grpc import (
    CompressorServiceServicer,
    add_CompressorServiceServicer_to_server,
)
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8, ImageSize

from services.common.server import CHANNEL_OPTIONS
from services.compressor.codecs import list_codecs

SIZE = ImageSize(width_px=64, height_px=64, channels=3)
SAMPLES = bytes(64 * 64 * 3)
FILE = bytes(1000)


class Instant(CompressorServiceServicer):
    """Answers without work."""

    async def ListCodecs(self, request: pb.ListCodecsRequest, context: Any) -> pb.ListCodecsResponse:  # noqa: ARG002, N802
        """Lists the names of the codecs."""
        return pb.ListCodecsResponse(
            codecs=[CodecInfo(name=codec.id, technique="x") for codec in list_codecs()]
        )

    async def Compress(self, request: pb.CompressRequest, context: Any) -> pb.CompressResponse:  # noqa: ARG002, N802
        """Returns the same file for every image."""
        stats = pb.CompressionStats(
            size=SIZE,
            input_bytes=len(request.image),
            raw_bytes=len(SAMPLES),
            output_bytes=len(FILE),
            encode_ms=0.1,
        )
        return pb.CompressResponse(data=FILE, codec="jpeg", file_extension=".jpg", stats=stats)

    async def Decompress(self, request: pb.DecompressRequest, context: Any) -> pb.DecompressResponse:  # noqa: ARG002, N802
        """Returns the same samples for every file."""
        return pb.DecompressResponse(image=SAMPLES, format=IMAGE_FORMAT_RAW_U8, size=SIZE, decode_ms=0.1)


async def main() -> None:
    """Serves until it is killed."""
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    add_CompressorServiceServicer_to_server(Instant(), server)  # pyright: ignore[reportAbstractUsage]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
