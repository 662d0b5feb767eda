"""One image, compressed as a request asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter

from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.goal_pb2 import GoalReport

from services.compressor.codecs import Codec, FileCodec, InvalidOptionError, Pixels, get_codec
from services.compressor.errors import RequestError
from services.compressor.goals import DEFAULT_CANDIDATES, Goal, Judge, Subject, choose, search
from services.compressor.inputs import Picture, Wishes, read
from services.compressor.options import check_goal_options, codec_from, goal_from, judge_from, wishes_from
from services.compressor.reports import choice_report, goal_report, report_input


@dataclass(frozen=True)
class _Encoded:
    data: bytes
    codec: Codec
    report: GoalReport | None


@dataclass(frozen=True)
class Order:
    """What a request wants done to its images."""

    codecs: Sequence[Codec]
    """The codec asked for, or those to be tried."""
    judge: Judge | None
    """What compares those to be tried; None leaves it to the library."""
    is_auto: bool
    """Whether the best of the codecs is to be found."""
    goal: Goal | None
    """What the files have to reach."""
    wishes: Wishes
    """How the images are read."""
    skip_metrics: bool
    """Whether nothing is measured."""


def order_of(request: pb.CompressRequest | pb.CompressBatchRequest) -> Order:
    """Returns what a request wants.

    Raises:
        CodecError: An option's value is not accepted, or the codec cannot do as wished.
        RequestError: Options and goal do not go together.
    """
    codecs, is_auto = _codecs(request), request.options.WhichOneof("codec") == "auto"
    return Order(
        codecs,
        judge_from(request.options.auto.judged_by) if is_auto else None,
        is_auto,
        goal_from(request.goal) if request.HasField("goal") else None,
        wishes_from(request.input, [type(codec) for codec in codecs]),
        request.skip_metrics,
    )


def encode(
    response: pb.CompressResponse, order: Order, image: bytes, max_pixels: int, go_on: Callable[[], None]
) -> None:
    """Reads, compresses and measures one image, and fills in the response, which is not copied then.

    What `go_on` raises between steps ends it.
    """
    begun_s = perf_counter()
    picture = read(image, order.wishes, max_pixels=max_pixels)
    read_s = perf_counter()
    go_on()
    subject = _subject(picture, max_pixels, go_on)
    encoded = _encode(order, image, subject, max_pixels)
    encoded_s = perf_counter()
    go_on()
    stats = response.stats
    _tell_sizes(stats, picture, len(image), len(encoded.data))
    stats.input_decode_ms, stats.encode_ms = 1000 * (read_s - begun_s), 1000 * (encoded_s - read_s)
    if not order.skip_metrics:
        _measure(stats, subject, encoded, order.goal)
    codec = encoded.codec
    response.data, response.codec = encoded.data, codec.id
    response.media_type, response.file_extension = codec.media_type, codec.file_extension
    if encoded.report:
        response.goal.CopyFrom(encoded.report)
    report_input(response.input, picture)


def _codecs(request: pb.CompressRequest | pb.CompressBatchRequest) -> list[Codec]:
    """Returns the codec asked for, or those to be tried."""
    options = request.options
    if options.WhichOneof("codec") != "auto":
        if request.HasField("goal"):
            check_goal_options(options)
        return [codec_from(options)]
    if not request.HasField("goal"):
        raise RequestError("auto needs a goal, by which the codecs are compared: set one")
    if options.auto.candidates:
        for candidate in options.auto.candidates:
            check_goal_options(candidate)
        return [codec_from(candidate) for candidate in options.auto.candidates]
    codecs = [get_codec(codec_id) for codec_id in DEFAULT_CANDIDATES]
    able = [codec for codec in codecs if _is_able(request, codec)]
    return able or codecs


def _is_able(request: pb.CompressRequest | pb.CompressBatchRequest, codec: Codec) -> bool:
    try:
        wishes_from(request.input, [type(codec)])
    except InvalidOptionError:
        return False
    return True


def _encode(order: Order, image: bytes, subject: Subject, max_pixels: int) -> _Encoded:
    codec, goal = order.codecs[0], order.goal
    if isinstance(codec, FileCodec):
        if goal:
            raise RequestError(f"{codec.id} takes no goal: its files are as they are")
        return _Encoded(codec.encode_file(image, max_pixels=max_pixels), codec, None)
    if goal is None:
        return _Encoded(subject.encode(codec), codec, None)
    if order.is_auto:
        choice = choose(subject, goal, order.codecs, order.judge)
        return _Encoded(choice.found.data, choice.found.codec, choice_report(choice))
    found = search(subject, codec, goal)
    return _Encoded(found.data, found.codec, goal_report(found))


def _subject(picture: Picture, max_pixels: int, go_on: Callable[[], None]) -> Subject:
    """Returns the picture with the way to its files and back."""

    def write(codec: Codec) -> bytes:
        return codec.encode_frames(
            picture.frames, picture.extras, durations_ms=picture.durations_ms, loops=picture.loops
        )

    def decode(codec: Codec, data: bytes) -> tuple[Pixels, ...]:
        if len(picture.frames) == 1:
            return (codec.decode(data, max_pixels=max_pixels),)
        wishes = Wishes(keeps_profile=True, takes_all_frames=True)
        return _aligned(read(data, wishes, max_pixels=2 * max_pixels), picture.durations_ms)

    return Subject(picture.frames, write, decode, go_on)


def _aligned(decoded: Picture, durations_ms: tuple[int, ...]) -> tuple[Pixels, ...]:
    """Returns the decoded frame that is shown when each of the original ones is: equal ones are merged."""
    if len(decoded.frames) == len(durations_ms):
        return decoded.frames
    ends_ms = list(accumulate(max(1, duration_ms) for duration_ms in decoded.durations_ms))
    starts_ms = [0, *accumulate(max(1, duration_ms) for duration_ms in durations_ms)][:-1]
    return tuple(
        next(
            (frame for frame, end_ms in zip(decoded.frames, ends_ms, strict=False) if start_ms < end_ms),
            decoded.frames[-1],
        )
        for start_ms in starts_ms
    )


def _tell_sizes(stats: pb.CompressionStats, picture: Picture, input_bytes: int, output_bytes: int) -> None:
    size, frames = stats.size, len(picture.frames)
    size.height_px, size.width_px, size.channels = height_px, width_px, channels = picture.first.shape
    stats.frames = frames
    stats.input_bytes, stats.output_bytes = input_bytes, output_bytes
    stats.raw_bytes = height_px * width_px * channels * frames
    stats.ratio = input_bytes / output_bytes
    stats.bits_per_pixel = 8 * output_bytes / (width_px * height_px * frames)


def _measure(stats: pb.CompressionStats, subject: Subject, encoded: _Encoded, goal: Goal | None) -> None:
    begun_s = perf_counter()
    decoded = subject.decode(encoded.codec, encoded.data)
    stats.decode_ms = 1000 * (perf_counter() - begun_s)
    psnr_db = subject.compare("psnr", decoded)
    assert psnr_db is not None  # noqa: S101 - every image has one
    stats.psnr_db = psnr_db
    if (similarity := subject.compare("ssim", decoded)) is not None:
        stats.ssim = similarity
    if goal and goal.kind == "ssimulacra2" and encoded.report:
        stats.ssimulacra2 = encoded.report.reached
