"""The client library, against the real services in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from ganpress.v1.compressor_service_pb2 import CompressRequest, CompressResponse
from google.protobuf.message import Message

from client.api import GanpressClient, compress_request, run
from client.errors import GanpressError, InputError, ServiceError, TimeoutExceededError, UnreachableError
from client.images import from_png, to_png
from client.inspection import inspect_image
from tests.helpers.images import jpeg_file, smooth_image

IMAGE = smooth_image(16, 12)


@pytest.fixture
async def client(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[GanpressClient]:
    """A client with services of its own."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    async with GanpressClient() as client:
        yield client


async def test_models_and_cards(client: GanpressClient) -> None:
    """What is listed can be asked for by name."""
    names = {model.name for model in (await client.list_models()).models}
    assert names == {"cars", "dogs"}
    assert (await client.get_model("cars", 1)).version == 1
    assert (await client.get_model("cars")).version == 2
    with pytest.raises(ServiceError, match="there is no model 'cats'") as caught:
        await client.get_model("cats")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


async def test_images_come_in_the_order_of_their_seeds(client: GanpressClient) -> None:
    """Image i has seed + i, and alone it is the same file."""
    images = [image async for image in client.generate(model="cars", label="suv", count=5, seed=7)]
    assert [image.seed for image in images] == [7, 8, 9, 10, 11]
    (alone,) = [image async for image in client.generate(model="cars", label="suv", seed=9)]
    assert alone.data == images[2].data
    assert from_png(alone.data).shape == (16, 16, 3)


async def test_seeds_walks_and_formats(client: GanpressClient) -> None:
    """Given seeds, the way between two, and the other formats come as asked for."""
    given = [image async for image in client.generate(label="suv", seeds=[9, 3], priority="high")]
    assert [image.seed for image in given] == [9, 3]
    walk = [image async for image in client.generate(label="suv", seed=9, to_seed=3, count=4)]
    assert [walk[0].data == given[0].data, walk[3].position, walk[3].to_seed] == [False, 1, 3]
    np.testing.assert_array_equal(from_png(walk[0].data), from_png(given[0].data))
    np.testing.assert_array_equal(from_png(walk[3].data), from_png(given[1].data))
    (jpeg,) = [image async for image in client.generate(seed=9, file_format="jpeg", quality=50)]
    assert inspect_image(jpeg.data).codec == "jpeg"
    assert inspect_image(jpeg.data).provenance["seed"] == "9"


async def test_servers_that_agree_tell_the_same_probe_digest(client: GanpressClient) -> None:
    """What computes a model's images can be asked; versions differ in it."""
    runtime = await client.get_runtime("cars")
    assert runtime.execution_provider == "CPUExecutionProvider"
    assert runtime.probe_digest != (await client.get_runtime("cars", 1)).probe_digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": 2**64},
        {"to_seed": -1},
        {"count": -1},
        {"count": 2**32},
        {"model_version": -1},
        {"quality": 0},
        {"quality": 101},
    ],
)
async def test_numbers_that_no_message_holds_are_refused(
    client: GanpressClient, wrong: dict[str, int]
) -> None:
    """The message names the value, and nothing is sent."""
    with pytest.raises(InputError, match=str(*wrong.values())):
        await anext(client.generate(**wrong))


async def test_an_array_survives_a_lossless_codec(client: GanpressClient) -> None:
    """Pixels in, pixels out."""
    compressed = await client.compress(IMAGE, "png")
    back = await client.decompress(compressed.data)
    assert back.codec == "png"
    np.testing.assert_array_equal(from_png(back.image), IMAGE)
    assert compressed.stats.psnr_db == float("inf")


async def test_options_are_checked_before_any_image(client: GanpressClient) -> None:
    """A value of a wrong type or out of range is told with what the codec takes."""
    assert (await client.codec_options("kmeans", {"k": "16"})).kmeans.k == 16
    for value in ("0", 257, -1, "many"):
        with pytest.raises(GanpressError, match=r"kmeans option k takes 1\.\.256, not "):
            await client.codec_options("kmeans", {"k": value})


async def test_many_are_answered_in_order_with_their_own_errors(client: GanpressClient) -> None:
    """One outcome for each request, in order; a broken image costs no other."""
    images = [to_png(smooth_image(8 + number, 8)) for number in range(60)]
    images[20] = b"no image"
    options = await client.codec_options("jpeg")

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        for number, image in enumerate(images):
            yield str(number), compress_request(image, options, skip_metrics=True)

    outcomes = [outcome async for outcome in client.compress_many(requests())]
    assert [outcome.key for outcome in outcomes] == [str(number) for number in range(60)]
    for number, outcome in enumerate(outcomes):
        if number == 20:
            assert isinstance(outcome.result, ServiceError)
            assert outcome.result.code is grpc.StatusCode.INVALID_ARGUMENT
        else:
            assert isinstance(outcome.result, CompressResponse)
            assert outcome.result.stats.size.width_px == 8 + number


async def test_requests_are_taken_as_answers_come(client: GanpressClient) -> None:
    """However many requests there are, at most 32 are taken ahead of the answers."""
    options = await client.codec_options("png")
    taken = answered = furthest = 0

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield "", compress_request(IMAGE, options, skip_metrics=True)

    async for _ in client.compress_many(requests()):
        furthest = max(furthest, taken - answered)
        answered += 1
    assert answered == 200
    assert furthest <= 32 + 1  # and the one that waits to be sent


async def test_what_the_requests_raise_comes_after_their_answers(client: GanpressClient) -> None:
    """A broken input does not lose what it gave before."""
    options = await client.codec_options("png")

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        yield "a", compress_request(IMAGE, options)
        raise InputError("broken input")

    outcomes = client.compress_many(requests())
    assert (await anext(outcomes)).key == "a"
    with pytest.raises(InputError, match="broken input"):
        await anext(outcomes)


async def test_many_files_are_decompressed_in_order(client: GanpressClient) -> None:
    """Files that cannot be read have their own error."""
    files = [
        ("a", jpeg_file(8, 8)),
        ("b", b"no image"),
        ("c", jpeg_file(9, 8)),
        *[("d", jpeg_file(8, 8))] * 5,
    ]

    async def source() -> AsyncIterator[tuple[str, bytes]]:
        for file in files:
            yield file

    outcomes = [outcome async for outcome in client.decompress_many(source())]
    assert [outcome.key for outcome in outcomes] == [key for key, _ in files]
    assert [isinstance(outcome.result, Message) for outcome in outcomes] == [key != "b" for key, _ in files]


async def test_only_what_is_used_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressing needs no model."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(tmp_path))
    async with GanpressClient() as client:
        assert (await client.list_codecs()).codecs
        with pytest.raises(GanpressError, match=r"the built-in generator cannot start: .*no sound model"):
            await client.list_models()


async def test_a_bad_setting_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable and its value are named."""
    monkeypatch.setenv("GANPRESS_COMPRESSOR_MAX_PIXELS", "0")
    async with GanpressClient() as client:
        with pytest.raises(GanpressError, match=r"GANPRESS_COMPRESSOR_MAX_PIXELS.*'0'"):
            await client.list_codecs()


async def test_embedded_sockets_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket's folder goes with the client; a path too long for a socket means a TCP port."""
    for folder in (tmp_path / "short", tmp_path / ("long" * 30)):
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        async with GanpressClient() as client:
            await client.list_codecs()
        assert not list(folder.iterdir())


async def test_an_absent_server_is_named() -> None:
    """Nobody listening is an UnreachableError with the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with GanpressClient(generator=address) as client:
            with pytest.raises(UnreachableError, match=address):
                await client.list_models()
            with pytest.raises(UnreachableError, match=address):
                await anext(client.generate())


async def test_a_silent_server_runs_into_the_timeout() -> None:
    """A server that accepts and never answers ends every kind of call in a TimeoutExceededError."""

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        yield "", CompressRequest(image=b"-")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, GanpressClient(generator=address, compressor=address, timeout_s=0.05) as client:
        with pytest.raises(TimeoutExceededError, match="--timeout"):
            await client.list_models()
        with pytest.raises(TimeoutExceededError, match=address):
            await anext(client.generate())
        with pytest.raises(TimeoutExceededError, match=address):
            await anext(client.compress_many(requests()))


def test_run_is_the_way_in_for_plain_code(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without an event loop gets what its coroutine returns."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))

    async def work(client: GanpressClient) -> str:
        return (await client.compress(IMAGE, "pillow", {"quality": 85})).codec

    assert run(work) == "jpeg"
