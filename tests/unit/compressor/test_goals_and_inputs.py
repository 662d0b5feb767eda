"""Goals, wishes for the input, batches and evaluation over a real socket."""

from __future__ import annotations

import io
import math
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from ganpress.v1 import codec_pb2, goal_pb2, input_pb2
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import AutoOptions, CodecOptions, JpegOptions, WebpOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from ganpress.v1.input_pb2 import InputOptions
from PIL import ExifTags, Image

from services.compressor.codecs import decode, get_codec, psnr, resized, ssim
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings
from tests.helpers.images import image_file, png_file, smooth_image
from tests.helpers.servers import serving
from tests.unit.compressor.test_service import failure

PNG = png_file()
JPEG, WEBP = CodecOptions(jpeg=JpegOptions()), CodecOptions(webp=WebpOptions())


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncGenerator[Any]:
    """A stub of a compressor of two threads."""
    settings = CompressorSettings(threads=2, warm_up=False, isolation="thread", max_batch_images=40)
    async with serving([build_service(settings)], tmp_path) as channel:
        yield CompressorServiceStub(channel)


def request(image: bytes = PNG, options: CodecOptions = JPEG, **fields: Any) -> pb.CompressRequest:
    """Returns a request."""
    return pb.CompressRequest(image=image, options=options, **fields)


def animation() -> bytes:
    """Returns an animation of three frames, two of them nearly equal: WebP merges such ones."""
    pixels = smooth_image(48, 32)
    frames = [Image.fromarray(np.roll(pixels, shift, axis=1)) for shift in (0, 0, 20)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], duration=[40, 50, 60], quality=95)
    return buffer.getvalue()


async def test_size_goals(stub: Any) -> None:
    """A goal in bytes and the same one in bits a pixel are kept, and the answer tells how."""
    for goal in (Goal(target_bytes=1200), Goal(target_bpp=8 * 1200 / (64 * 48))):
        response = await stub.Compress(request(goal=goal))
        assert 1000 < len(response.data) <= 1200
        report = response.goal
        assert (report.setting, 1 <= report.encodes <= 9) == ("quality", True)
        assert response.data == get_codec("jpeg", quality=int(report.setting_value)).encode(decode(PNG))


async def test_quality_goals(stub: Any) -> None:
    """A file is at least as good as asked."""
    image = decode(PNG)
    response = await stub.Compress(request(goal=Goal(target_psnr_db=36)))
    assert response.goal.reached == pytest.approx(psnr(image, decode(response.data)))
    assert response.goal.reached >= 36
    response = await stub.Compress(request(options=WEBP, goal=Goal(target_ssim=0.9)))
    assert (ssim(image, decode(response.data)) or 0) >= 0.9
    large = png_file(140, 130)
    response = await stub.Compress(request(large, goal=Goal(target_ssimulacra2=70)))
    assert response.stats.ssimulacra2 == response.goal.reached >= 70


async def test_a_resized_image_has_a_goal_of_its_first_size(stub: Any) -> None:
    """The quality of an image that is encoded smaller is that of the image scaled back."""
    options = CodecOptions(jpeg=JpegOptions(resize=0.5))
    response = await stub.Compress(request(options=options, goal=Goal(target_psnr_db=20)))
    assert psnr(decode(PNG), resized(decode(response.data), 64, 48)) >= 20


async def test_automatic_choice(stub: Any) -> None:
    """The best of the candidates is kept and all are told; without candidates, all usual ones are tried."""
    auto = CodecOptions(auto=AutoOptions(candidates=[JPEG, WEBP]))
    response = await stub.Compress(request(options=auto, goal=Goal(target_bytes=900)))
    assert len(response.data) <= 900
    best = max(response.goal.candidates, key=lambda candidate: candidate.judged)
    assert response.codec == best.codec
    assert response.goal.judged_by == goal_pb2.QUALITY_METRIC_PSNR
    assert response.goal.encodes == sum(candidate.encodes for candidate in response.goal.candidates)
    everything = CodecOptions(auto=AutoOptions())
    response = await stub.Compress(request(options=everything, goal=Goal(target_psnr_db=34)))
    codecs = (await stub.ListCodecs(pb.ListCodecsRequest())).codecs
    usual = sorted(info.name for info in codecs if info.is_tried_by_default)
    assert [candidate.codec for candidate in response.goal.candidates] == usual
    wishes = InputOptions(metadata=input_pb2.METADATA_KEEP)
    response = await stub.Compress(request(options=everything, goal=Goal(target_psnr_db=34), input=wishes))
    assert {candidate.codec for candidate in response.goal.candidates} == {"avif", "jpeg", "png", "webp"}


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"goal": Goal()}, "INVALID_ARGUMENT", "set one of target_bytes"),
        ({"goal": Goal(target_ssim=2)}, "INVALID_ARGUMENT", "target_ssim takes above 0, at most 1"),
        ({"goal": Goal(target_bytes=20)}, "OUT_OF_RANGE", "the closest is"),
        ({"goal": Goal(target_psnr_db=99)}, "OUT_OF_RANGE", "the closest is"),
        ({"goal": Goal(target_ssimulacra2=50)}, "INVALID_ARGUMENT", "128 pixels"),
        (
            {"goal": Goal(target_bytes=900), "options": CodecOptions(jpeg=JpegOptions(quality=5))},
            "INVALID_ARGUMENT",
            "jpeg takes a goal or quality, not both",
        ),
        (
            {"goal": Goal(target_bytes=900), "options": CodecOptions(repack=codec_pb2.RepackOptions())},
            "INVALID_ARGUMENT",
            "repack takes",
        ),
        ({"options": CodecOptions(auto=AutoOptions())}, "INVALID_ARGUMENT", "auto needs a goal"),
        ({"input": InputOptions(background="red")}, "INVALID_ARGUMENT", "such as #ffffff"),
        ({"input": InputOptions(frames=7)}, "INVALID_ARGUMENT", "FRAMES_ALL"),
        ({"input": InputOptions(frames=input_pb2.FRAMES_ALL)}, "INVALID_ARGUMENT", "can: avif, png, webp"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense(stub: Any, fields: dict[str, Any], code: str, words: str) -> None:
    """A goal or wish that cannot be had is refused with what could."""
    found, details = await failure(stub.Compress(request(**fields)))
    assert (found.name, words in details) == (code, True), details


async def test_input_report(stub: Any) -> None:
    """An answer tells what was changed on the way in, and keeps what it is told to."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    data = image_file(smooth_image(48, 32), "JPEG", exif=exif) + b"tail"
    response = await stub.Compress(request(data, WEBP))
    assert (response.stats.size.width_px, response.stats.size.height_px) == (32, 48)
    assert [change.kind for change in response.input.changes] == [
        input_pb2.INPUT_CHANGE_KIND_ORIENTATION_APPLIED,
        input_pb2.INPUT_CHANGE_KIND_METADATA_DROPPED,
        input_pb2.INPUT_CHANGE_KIND_TRAILING_BYTES_DROPPED,
    ]
    assert [change.is_loss for change in response.input.changes] == [False, True, True]
    kept = await stub.Compress(request(data, WEBP, input=InputOptions(metadata=input_pb2.METADATA_KEEP)))
    kept_exif = Image.open(io.BytesIO(kept.data)).getexif()
    assert (kept_exif[ExifTags.Base.Make], kept_exif.get(ExifTags.Base.Orientation, 1)) == ("Maker", 1)
    back = await stub.Decompress(
        pb.DecompressRequest(data=kept.data, input=InputOptions(metadata=input_pb2.METADATA_KEEP))
    )
    assert Image.open(io.BytesIO(back.image)).getexif()[ExifTags.Base.Make] == "Maker"
    code, details = await failure(
        stub.Decompress(
            pb.DecompressRequest(
                data=PNG, format=IMAGE_FORMAT_RAW_U8, input=InputOptions(metadata=input_pb2.METADATA_KEEP)
            )
        )
    )
    assert (code, "ask for PNG" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


@pytest.mark.parametrize("codec", ["webp", "avif"])
async def test_animations(stub: Any, codec: str) -> None:
    """All frames go through, with a goal too, and are measured; else the first does, and that is told."""
    options = CodecOptions()
    getattr(options, codec).SetInParent()
    everything = InputOptions(frames=input_pb2.FRAMES_ALL)
    response = await stub.Compress(request(animation(), options, input=everything))
    assert response.stats.frames == 3
    assert response.stats.psnr_db > 28
    assert getattr(Image.open(io.BytesIO(response.data)), "n_frames") in (2, 3)  # noqa: B009
    goal = await stub.Compress(
        request(animation(), options, input=everything, goal=Goal(target_bytes=len(response.data) - 100))
    )
    assert len(goal.data) <= len(response.data) - 100
    first = await stub.Compress(request(animation(), options))
    assert (first.stats.frames, first.input.frames) == (1, 3)
    assert first.input.changes[0].kind == input_pb2.INPUT_CHANGE_KIND_FRAMES_DROPPED


async def test_transparency_on_a_background(stub: Any) -> None:
    """A transparent image becomes a JPEG when it is told on which colour."""
    image = png_file(channels=4)
    response = await stub.Compress(request(image, input=InputOptions(background="#ffffff")))
    assert decode(response.data).shape == (48, 64, 3)
    opaque = smooth_image(64, 48, 4)
    opaque[..., 3] = 255
    assert (await stub.Compress(request(image_file(opaque)))).data


async def test_batch(stub: Any) -> None:
    """A batch has one answer an image, in order, each the same as alone; a broken one has its own error."""
    images = [png_file(20 + i, 16, seed=i) for i in range(30)]
    images[7] = images[7][:60]
    batch = pb.CompressBatchRequest(
        images=[pb.BatchImage(key=str(i), image=image) for i, image in enumerate(images)], options=WEBP
    )
    answers = (await stub.CompressBatch(batch)).answers
    assert [answer.key for answer in answers] == [str(i) for i in range(30)]
    for i, answer in enumerate(answers):
        if i == 7:
            assert answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        else:
            assert answer.response.data == get_codec("webp").encode(decode(images[i]))
            assert math.isfinite(answer.response.stats.psnr_db)
    assert not (await stub.CompressBatch(pb.CompressBatchRequest())).answers
    code, details = await failure(stub.CompressBatch(pb.CompressBatchRequest(images=[pb.BatchImage()] * 41)))
    assert (code, "at most 40 images" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_batch_with_goal_and_wishes(stub: Any) -> None:
    """Goal and wishes of a batch are those of each of its images."""
    batch = pb.CompressBatchRequest(
        images=[pb.BatchImage(image=png_file(channels=4, seed=i)) for i in range(3)],
        options=JPEG,
        goal=Goal(target_bytes=1000),
        input=InputOptions(background="#000000"),
        skip_metrics=True,
    )
    for answer in (await stub.CompressBatch(batch)).answers:
        assert len(answer.response.data) <= 1000
        assert not answer.response.stats.HasField("psnr_db")


async def test_decompress_stream(stub: Any) -> None:
    """Files come back in order; a broken one has its own error."""
    files = [get_codec(codec).encode(decode(PNG)) for codec in ("jpeg", "webp", "png")] + [b"x"]
    asked = [
        pb.DecompressStreamRequest(key=str(i), request=pb.DecompressRequest(data=data))
        for i, data in enumerate(files)
    ]
    answers = [answer async for answer in stub.DecompressStream(iter(asked))]
    assert [answer.key for answer in answers] == ["0", "1", "2", "3"]
    for answer, data in zip(answers[:3], files, strict=False):
        assert np.array_equal(decode(answer.response.image), decode(data))
    assert "not an image" in answers[3].error.message


async def test_evaluate(stub: Any) -> None:
    """Two images are measured by every metric; those of two sizes cannot be."""
    original = png_file(200, 170)
    decoded = get_codec("webp", quality=30).encode(decode(original))
    response = await stub.Evaluate(pb.EvaluateRequest(original=original, decoded=decoded))
    assert response.psnr_db == pytest.approx(psnr(decode(original), decode(decoded)))
    assert response.ssim == pytest.approx(ssim(decode(original), decode(decoded)))
    assert 0 < response.ms_ssim < 1
    assert response.ssimulacra2 < 100
    assert (response.codec, response.original_input.format) == ("webp", "png")
    assert response.bits_per_pixel == pytest.approx(8 * len(decoded) / (200 * 170))
    code, details = await failure(stub.Evaluate(pb.EvaluateRequest(original=original, decoded=PNG)))
    assert (code, "200 x 170 and 64 x 48" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_what_codecs_can(stub: Any) -> None:
    """The list of codecs tells what each keeps and what a goal searches, and which formats are read."""
    response = await stub.ListCodecs(pb.ListCodecsRequest())
    codecs = {info.name: info for info in response.codecs}
    assert (codecs["kmeans"].goal_setting, codecs["jpeg"].goal_setting, codecs["png"].goal_setting) == (
        "k",
        "quality",
        "",
    )
    assert {name for name, info in codecs.items() if info.keeps_frames} == {"avif", "png", "webp"}
    assert not codecs["jpeg"].keeps_transparency
    assert response.max_batch_images == 40
    assert "jpeg" in response.input_formats
