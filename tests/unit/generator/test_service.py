"""The generator service over a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
from collections.abc import AsyncIterator

import grpc
import numpy as np
import onnxruntime
import pytest
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1 import image_pb2
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from PIL import ExifTags, Image

from services.common.version import GANPRESS_VERSION
from services.generator.engine import instruction_set
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import BODY_TYPES, read_card, write_model
from tests.helpers.servers import serving

PNG, RAW = image_pb2.IMAGE_FORMAT_PNG, image_pb2.IMAGE_FORMAT_RAW_U8
JPEG, WEBP = image_pb2.IMAGE_FORMAT_JPEG, image_pb2.IMAGE_FORMAT_WEBP
NAME = "ganpress.v1.GeneratorService"


@pytest.fixture
async def channel(model_root, tmp_path) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a generator of the random models."""
    settings = GeneratorSettings(models=model_root, threads=2, max_batch_size=8, max_count=5000)
    async with serving([build_service(settings)], tmp_path) as channel:
        yield channel


@pytest.fixture
def stub(channel) -> GeneratorServiceStub:
    """A stub on that channel."""
    return GeneratorServiceStub(channel)


async def images_of(stub: GeneratorServiceStub, **fields) -> list[pb.GeneratedImage]:
    """All images of a request."""
    return list((await stub.Generate(pb.GenerateRequest(**fields))).images)


def streamed(stub: GeneratorServiceStub, timeout: float | None = None, **fields):
    """A call that streams images."""
    request = pb.GenerateStreamRequest(request=pb.GenerateRequest(**fields))
    return stub.GenerateStream(request, timeout=timeout)


async def test_list_models(stub, model_root):
    """ListModels gives every version, the runtime and the limits."""
    answer = await stub.ListModels(pb.ListModelsRequest())
    assert [(m.name, m.version, tuple(m.labels)) for m in answer.models] == [
        ("cars", 2, BODY_TYPES),
        ("cars", 1, BODY_TYPES),
        ("dogs", 1, ()),
    ]
    card = read_card(model_root / "cars" / "2")
    summary = answer.models[0]
    assert (summary.digest, summary.description) == (card.onnx_sha256, card.description)
    assert (summary.size.width_px, summary.size.height_px, summary.size.channels) == (16, 16, 3)
    assert answer.default_model == "cars"
    assert answer.runtime.execution_provider == "CPUExecutionProvider"
    assert answer.runtime.max_count == 5000
    assert answer.runtime.ganpress_version == GANPRESS_VERSION
    assert answer.runtime.onnxruntime_version


async def test_get_model(stub, model_root):
    """GetModel gives the card as it lies beside the model, the newest version's for 0, and what computes."""
    for version, directory in ((0, "2"), (1, "1")):
        answer = await stub.GetModel(pb.GetModelRequest(name="cars", version=version))
        assert answer.card == read_card(model_root / "cars" / directory)
        assert answer.runtime.execution_provider == "CPUExecutionProvider"
        assert answer.runtime.onnxruntime_version == onnxruntime.__version__
        assert answer.runtime.instruction_set == instruction_set()
        assert not answer.runtime.mixes_labels


async def test_probe_digest(stub):
    """The probe digest can be found by a client: it is that of the samples of seeds 0 to 7."""
    answer = await stub.GetModel(pb.GetModelRequest(name="cars"))
    images = await images_of(stub, model="cars", count=8, seed=0, format=RAW)
    digest = hashlib.sha256(b"".join(image.data for image in images)).hexdigest()
    assert answer.runtime.probe_digest == digest


@pytest.mark.parametrize("requested", [0, PNG])
async def test_png(stub, model_root, requested):
    """Images are PNG unless asked otherwise, with their provenance in the message and in the file."""
    (image,) = await images_of(stub, label="suv", count=1, seed=3, truncation=0.5, format=requested)
    digest = read_card(model_root / "cars" / "2").onnx_sha256
    assert (image.format, image.seed, image.label, image.truncation) == (PNG, 3, "suv", 0.5)
    assert (image.model, image.model_version, image.model_digest) == ("cars", 2, digest)
    with Image.open(io.BytesIO(image.data)) as file:
        assert file.size == (image.size.width_px, image.size.height_px) == (16, 16)
        assert file.text["ganpress:digest"] == digest
        assert file.text["ganpress:seed"] == "3"


async def test_raw(stub):
    """Raw samples are the PNG's pixels, row by row."""
    (raw,) = await images_of(stub, model="dogs", count=1, seed=3, format=RAW)
    (png,) = await images_of(stub, model="dogs", count=1, seed=3)
    size = raw.size
    pixels = np.frombuffer(raw.data, np.uint8).reshape(size.height_px, size.width_px, size.channels)
    with Image.open(io.BytesIO(png.data)) as file:
        assert np.array_equal(np.asarray(file), pixels)
    assert (raw.format, raw.label) == (RAW, "")


async def test_seed_zero_is_a_seed(stub):
    """Seed 0 is taken, not mistaken for none."""
    assert [image.seed for image in await images_of(stub, count=2, seed=0)] == [0, 1]


@pytest.mark.parametrize(("image_format", "name"), [(JPEG, "JPEG"), (WEBP, "WEBP")])
async def test_lossy_formats(stub, image_format, name):
    """JPEG and WebP come in the quality asked for, with their provenance inside."""
    sizes = []
    for quality in (20, 90, None):
        (image,) = await images_of(stub, label="suv", count=1, seed=3, format=image_format, quality=quality)
        with Image.open(io.BytesIO(image.data)) as file:
            assert (file.format, file.size) == (name, (16, 16))
            told = json.loads(file.getexif()[ExifTags.Base.ImageDescription])
        assert (told["model"], told["label"], told["seed"]) == ("cars", "suv", 3)
        assert image.format == image_format
        sizes.append(len(image.data))
    assert sizes[0] < sizes[1] == sizes[2]


async def test_given_seeds(stub):
    """A list of seeds gives an image each, in its order; a count may be left out."""
    seeds = [7, 2**64 - 1, 0, 7]
    images = await images_of(stub, label="suv", seeds=seeds)
    assert [image.seed for image in images] == seeds
    assert images[0] == images[3] == (await images_of(stub, label="suv", seed=7, count=1))[0]


async def test_walk(stub):
    """A walk's images name both seeds and their position, and each can be had again by these."""
    images = await images_of(stub, label="suv", seed=3, count=5, walk=pb.Walk(to_seed=9))
    assert [(i.seed, i.to_seed, i.position) for i in images] == [(3, 9, p) for p in (0, 0.25, 0.5, 0.75, 1)]
    assert images[0].data != images[4].data
    walk = pb.Walk(to_seed=9, start=0.25, stop=0.75)
    again = await images_of(stub, label="suv", seed=3, count=3, walk=walk)
    assert again == images[1:4]


async def test_label_mix(tmp_path):
    """A model that mixes labels says so, and its images tell their shares."""
    write_model(tmp_path, "cars", mixes_labels=True)
    async with serving([build_service(GeneratorSettings(models=tmp_path, threads=1))], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        assert (await stub.GetModel(pb.GetModelRequest(name="cars"))).runtime.mixes_labels
        (image,) = await images_of(stub, count=1, seed=3, label_mix={"suv": 1, "coupe": 3})
    assert (image.label, dict(image.label_mix)) == ("", {"suv": 0.25, "coupe": 0.75})


@pytest.mark.parametrize("image_format", [PNG, RAW])
async def test_large_stream(stub, image_format):
    """A large request arrives in seed order in messages of at most 1 MB."""
    sizes, seeds = [], []
    async for answer in streamed(stub, count=2000, seed=50, format=image_format):
        sizes.append(answer.ByteSize())
        seeds += [image.seed for image in answer.images]
    assert seeds == list(range(50, 2050))
    assert max(sizes) <= 1_000_000


@pytest.mark.parametrize("image_format", [PNG, RAW, JPEG])
async def test_stream_and_answer_agree(stub, image_format):
    """The same request gives the same images in one answer and as a stream."""
    fields = {"label": "suv", "count": 40, "seed": 11, "format": image_format}
    images = [image async for answer in streamed(stub, **fields) for image in answer.images]
    assert images == await images_of(stub, **fields)


async def test_an_answer_holds_one_megabyte(stub):
    """More images than one answer holds are refused with the number that it holds; the stream gives them."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await images_of(stub, count=1000)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    match = re.search(
        r"1000 images of 768 bytes are too many for one answer, which holds (\d+): ask for them as a stream",
        caught.value.details(),
    )
    assert match
    most = int(match[1])
    answer = await stub.Generate(pb.GenerateRequest(count=most, seed=0, format=RAW))
    assert len(answer.images) == most
    assert 400_000 < answer.ByteSize() <= 1_000_000


async def test_large_images(tmp_path):
    """An image larger than a message's usual size has a message of its own."""
    write_model(tmp_path, image_size_px=1024, width=1, labels=())
    settings = GeneratorSettings(models=tmp_path, threads=1)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        answers = [answer async for answer in streamed(stub, count=2, format=RAW)]
        assert len(await images_of(stub, count=1)) == 1
    assert [len(answer.images[0].data) for answer in answers] == [1024 * 1024 * 3] * 2


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"count": 0}, grpc.StatusCode.INVALID_ARGUMENT, "count has to be 1 to 5000, not 0"),
        ({"count": 5001}, grpc.StatusCode.INVALID_ARGUMENT, "count has to be 1 to 5000, not 5001"),
        ({"seed": 2**64 - 1, "count": 2}, grpc.StatusCode.INVALID_ARGUMENT, "seeds go from 0 to"),
        ({"truncation": 0.0}, grpc.StatusCode.INVALID_ARGUMENT, "above 0 and at most 1, not 0.0"),
        ({"truncation": float("inf")}, grpc.StatusCode.INVALID_ARGUMENT, "above 0 and at most 1, not inf"),
        ({"label": "bus"}, grpc.StatusCode.INVALID_ARGUMENT, "the labels are cars: coupe, sedan, suv"),
        ({"format": 7}, grpc.StatusCode.INVALID_ARGUMENT, "format 7 is not known"),
        (
            {"format": JPEG, "quality": 0},
            grpc.StatusCode.INVALID_ARGUMENT,
            "quality has to be 1 to 100, not 0",
        ),
        ({"quality": 101}, grpc.StatusCode.INVALID_ARGUMENT, "quality has to be 1 to 100, not 101"),
        ({"priority": 9}, grpc.StatusCode.INVALID_ARGUMENT, "priority 9 is not known: PRIORITY_"),
        ({"seeds": [1, 2]}, grpc.StatusCode.INVALID_ARGUMENT, "count is 1, but 2 seeds are given"),
        ({"walk": {"to_seed": 1, "start": 2}}, grpc.StatusCode.INVALID_ARGUMENT, "2.0 is not among them"),
        ({"label_mix": {"suv": 1}}, grpc.StatusCode.INVALID_ARGUMENT, "cannot mix labels"),
        ({"count": 2**32 - 1}, grpc.StatusCode.INVALID_ARGUMENT, "count has to be 1 to 5000, not 4294967295"),
        ({"model": "cats"}, grpc.StatusCode.NOT_FOUND, "there is no model 'cats'; the models are cars, dogs"),
        ({"model_version": 9}, grpc.StatusCode.NOT_FOUND, "model 'cars' has no version 9"),
    ],
)
async def test_refusal(stub, fields, code, message):
    """A bad request is answered with the right code and a sentence that says what is accepted."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await images_of(stub, **{"count": 1, **fields})
    assert caught.value.code() == code
    assert message in caught.value.details()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await streamed(stub, **{"count": 1, **fields}).read()
    assert (caught.value.code(), message in caught.value.details()) == (code, True)


async def test_get_unknown_model(stub):
    """GetModel of an unknown model is NOT_FOUND and names those that exist."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetModel(pb.GetModelRequest(name="cats"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "cars, dogs" in caught.value.details()


async def test_full_queue(model_root, tmp_path):
    """A full queue is RESOURCE_EXHAUSTED with advice to try again; the request under way ends well."""
    settings = GeneratorSettings(
        models=model_root, threads=1, max_batch_size=4, queue_size=8, max_count=10_000
    )
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        large = aiter(streamed(stub, count=2000, seed=0, format=RAW))
        received = len((await anext(large)).images)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await images_of(stub, count=1)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "try again" in caught.value.details()
        async for answer in large:
            received += len(answer.images)
        assert received == 2000
        assert len(await images_of(stub, count=1)) == 1


async def admitted(stub: GeneratorServiceStub) -> bool:
    """Asks for an image: False when the queue is full."""
    try:
        return len(await images_of(stub, count=1)) == 1
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            return False
        raise


@pytest.mark.parametrize("ending", ["cancel", "deadline"])
async def test_left_call_frees_its_room(model_root, tmp_path, ending):
    """A call that was cancelled or passed its deadline is dropped: its room in the queue is free again."""
    settings = GeneratorSettings(
        models=model_root, threads=1, max_batch_size=4, queue_size=8, max_count=10**9
    )
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        endless = streamed(stub, 0.3 if ending == "deadline" else None, count=10**9, format=RAW)
        if ending == "cancel":
            await endless.read()
            endless.cancel()
        else:
            assert await endless.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        while not await admitted(stub):
            pass


async def test_a_deadline_shorter_than_the_queue(model_root, tmp_path):
    """A call that cannot be done before its deadline is refused or ends then, and disturbs nobody."""
    settings = GeneratorSettings(models=model_root, threads=1, max_batch_size=1, max_count=10**9)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        busy = streamed(stub, count=10**9, format=RAW, priority=pb.PRIORITY_HIGH)
        await busy.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Generate(pb.GenerateRequest(count=500, priority=pb.PRIORITY_LOW), timeout=0.05)
        late = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert caught.value.code() in late
        busy.cancel()
        assert len(await images_of(stub, count=1)) == 1


async def test_a_client_that_stops_reading(model_root, tmp_path):
    """A client that does not read holds a bounded number of images; others are served meanwhile."""
    settings = GeneratorSettings(models=model_root, threads=1, max_batch_size=8, max_count=10**9)
    service = build_service(settings)
    async with serving([service], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        stalled = streamed(stub, count=10**9, format=RAW)
        await stalled.read()
        for _ in range(20):
            assert len(await images_of(stub, count=20)) == 20
        stalled.cancel()


async def test_concurrent_calls(stub):
    """Calls at the same time get their own images, the same ones as alone."""
    requests = [
        {"label": label, "seed": seed, "count": 5} for label in BODY_TYPES for seed in range(0, 50, 5)
    ]
    alone = [await images_of(stub, **request) for request in requests]
    together = await asyncio.gather(*(images_of(stub, **request) for request in requests))
    assert together == alone


async def test_health_and_reflection(channel):
    """The service reports SERVING and its methods can be found by reflection."""
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", NAME):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    question = reflection_pb2.ServerReflectionRequest(file_containing_symbol=NAME)
    (answer,) = [answer async for answer in reflection.ServerReflectionInfo(iter([question]))]
    assert b"GenerateRequest" in answer.file_descriptor_response.file_descriptor_proto[0]
