"""The Open Inference Protocol over a real socket, with our own stubs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from ganpress.inference import grpc_service_pb2 as pb
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scripts.gen_docs import DOCS
from services.generator import noise
from services.generator.inference.parameters import NAMES
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import BODY_TYPES, read_card, write_model
from tests.helpers.servers import serving

NAME = "inference.GRPCInferenceService"
Z = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)


@pytest.fixture
async def channel(model_root, tmp_path) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a generator of the random models that clients may load and unload."""
    settings = GeneratorSettings(
        models=model_root, threads=2, max_batch_size=2, max_count=5000, model_control=True
    )
    async with serving([build_service(settings)], tmp_path) as channel:
        yield channel


@pytest.fixture
def stub(channel) -> GRPCInferenceServiceStub:
    """A stub on that channel."""
    return GRPCInferenceServiceStub(channel)


def parameter(value: object) -> pb.InferParameter:
    """A value as a parameter."""
    match value:
        case bool():
            return pb.InferParameter(bool_param=value)
        case int():
            return (
                pb.InferParameter(int64_param=value)
                if value < 2**63
                else pb.InferParameter(uint64_param=value)
            )
        case float():
            return pb.InferParameter(double_param=value)
        case _:
            return pb.InferParameter(string_param=str(value))


def request(
    model: str = "cars",
    *,
    z: np.ndarray | None = None,
    label: np.ndarray | None = None,
    version: str = "",
    outputs: dict[str, dict[str, object]] | None = None,
    name: str = "",
    **parameters: object,
) -> pb.ModelInferRequest:
    """A request with raw inputs and parameters."""
    message = pb.ModelInferRequest(model_name=model, model_version=version, id=name)
    for key, array in (("z", z), ("label", label)):
        if array is not None:
            datatype = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}[array.dtype]
            message.inputs.add(name=key, datatype=datatype, shape=array.shape)
            message.raw_input_contents.append(array.tobytes())
    for key, own in (outputs or {}).items():
        message.outputs.add(name=key, parameters={k: parameter(v) for k, v in own.items()})
    for key, value in parameters.items():
        message.parameters[key].CopyFrom(parameter(value))
    return message


def output(response: pb.ModelInferResponse, name: str = "image") -> np.ndarray:
    """An output as an array."""
    dtypes = {"FP32": np.float32, "UINT8": np.uint8, "INT64": np.int64}
    for tensor, data in zip(response.outputs, response.raw_output_contents, strict=True):
        if tensor.name == name:
            return np.frombuffer(data, dtypes[tensor.datatype]).reshape(tensor.shape)
    raise AssertionError(f"no output {name}")


def samples(images: np.ndarray) -> np.ndarray:
    """Images of the graph, FP32 [N, C, H, W], as samples (docs/noise.md)."""
    return np.rint(np.clip((images + 1) * np.float32(127.5), 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)


async def test_given_latents(stub, model_root):
    """Images of given z and label come in the order of the rows, the same alone, together and as samples."""
    label = np.array([0, 1, 2, 1, 0])
    whole = await stub.ModelInfer(request(z=Z, label=label, name="abc"))
    images = output(whole)
    assert (images.dtype, images.shape) == (np.float32, (5, 3, 16, 16))
    assert output(whole, "label").tolist() == [[0], [1], [2], [1], [0]]
    assert (whole.id, whole.model_name, whole.model_version) == ("abc", "cars", "2")
    card = read_card(model_root / "cars" / "2")
    assert whole.parameters["digest"].string_param == card.onnx_sha256
    assert set(whole.parameters) == {"digest"}
    for row in range(5):
        alone = await stub.ModelInfer(request(z=Z[row : row + 1], label=label[row : row + 1, None]))
        np.testing.assert_array_equal(output(alone)[0], images[row])
    pixels = output(await stub.ModelInfer(request(z=Z, label=label, format="UINT8")))
    np.testing.assert_array_equal(pixels, samples(images))


async def test_seed_gives_the_image_of_the_generator_service(stub, channel):
    """A seed gives the very images that GeneratorService gives, with the labels that it draws."""
    asked = request(seed=7, count=6, truncation=0.5, format="UINT8")
    answer = await stub.ModelInfer(asked)
    wanted = await GeneratorServiceStub(channel).Generate(
        generator_pb.GenerateRequest(
            model="cars", seed=7, count=6, truncation=0.5, format=IMAGE_FORMAT_RAW_U8
        )
    )
    assert [pixels.tobytes() for pixels in output(answer)] == [image.data for image in wanted.images]
    assert [BODY_TYPES[i] for i in output(answer, "label").ravel()] == [
        image.label for image in wanted.images
    ]
    assert answer.parameters["seed"].int64_param == 7
    assert answer.parameters["truncation"].double_param == 0.5


@pytest.mark.parametrize("model", ["cars", "dogs"])
async def test_what_is_not_given_is_drawn(stub, model):
    """A request without any input gets one image of a seed that it is told, and gets it again with that."""
    first = await stub.ModelInfer(request(model))
    assert output(first).shape == (1, 3, 16, 16)
    again = await stub.ModelInfer(request(model, seed=first.parameters["seed"].int64_param))
    np.testing.assert_array_equal(output(again), output(first))


async def test_labels_of_given_latents_are_drawn(stub):
    """Rows without a label get the ones that their seeds draw."""
    answer = await stub.ModelInfer(request(z=Z, seed=2**64 - 5))
    seeds = range(2**64 - 5, 2**64)
    labels = np.array([noise.drawn_label_index(seed, 3) for seed in seeds])
    np.testing.assert_array_equal(output(answer, "label").ravel(), labels)
    assert answer.parameters["seed"].uint64_param == 2**64 - 5
    given = await stub.ModelInfer(request(z=Z, label=labels))
    np.testing.assert_array_equal(output(answer), output(given))


async def test_latents_of_given_labels_are_drawn(stub):
    """Labels without z get images of a seed, as many as there are labels."""
    answer = await stub.ModelInfer(request(label=np.array([2, 0]), seed=3))
    z = noise.latents([3, 4], 12)
    given = await stub.ModelInfer(request(z=z, label=np.array([2, 0])))
    np.testing.assert_array_equal(output(answer), output(given))


async def test_label_names_and_typed_contents(stub):
    """Labels may be named, and elements may be in typed contents."""
    message = pb.ModelInferRequest(model_name="cars")
    message.inputs.add(name="z", datatype="FP32", shape=Z.shape)
    message.inputs[0].contents.fp32_contents.extend(Z.ravel().tolist())
    message.inputs.add(name="label", datatype="BYTES", shape=[5, 1])
    message.inputs[1].contents.bytes_contents.extend([b"suv", b"coupe", b"suv", b"sedan", b"coupe"])
    named = await stub.ModelInfer(message)
    given = await stub.ModelInfer(request(z=Z, label=np.array([2, 0, 2, 1, 0])))
    np.testing.assert_array_equal(output(named), output(given))


async def test_mixed_labels(tmp_path):
    """A model that mixes labels takes weights, and tells them."""
    write_model(tmp_path / "models", "cars", mixes_labels=True)
    settings = GeneratorSettings(models=tmp_path / "models", threads=1)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GRPCInferenceServiceStub(channel)
        weights = np.eye(3, dtype=np.float32)
        mixed = await stub.ModelInfer(request(z=Z[:3], label=weights))
        plain = await stub.ModelInfer(request(z=Z[:3], label=np.arange(3)))
    np.testing.assert_array_equal(output(mixed), output(plain))
    np.testing.assert_array_equal(output(mixed, "label"), weights)


async def test_outputs(stub):
    """Only the outputs that are wanted come, in their order; an output may have its own format."""
    wanted = {"label": {}, "image": {"format": "UINT8"}}
    answer = await stub.ModelInfer(request(seed=1, outputs=wanted))
    assert [tensor.name for tensor in answer.outputs] == ["label", "image"]
    assert output(answer).dtype == np.uint8
    answer = await stub.ModelInfer(request(seed=1, outputs={"label": {}}))
    assert [tensor.name for tensor in answer.outputs] == ["label"]


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
REFUSED = [
    (request("cats"), NOT_FOUND, "there is no model 'cats'; the models are cars, dogs"),
    (request(""), NOT_FOUND, "there is no model ''"),
    (request(version="3"), NOT_FOUND, "model 'cars' has no version 3; its versions are 1, 2"),
    (request(version="-1"), INVALID, "version has to be a number from 1 on, or empty"),
    (request(z=Z[:, :11]), INVALID, "'z' of model 'cars' has to have the shape [N, 12], not [5, 11]"),
    (request(z=Z[0]), INVALID, "has to have the shape [N, 12], not [12]"),
    (request(z=Z * np.float32(np.nan)), INVALID, "'z' has to hold finite numbers"),
    (request(z=Z, label=np.array([0, 1, 2, 3, 0])), INVALID, "indices of model 'cars' go from 0 to 2, not 3"),
    (request(z=Z, label=np.array([-1] * 5)), INVALID, "go from 0 to 2, not -1"),
    (request(z=Z, label=np.zeros((5, 2), np.int64)), INVALID, "shape [N] or [N, 1], not [5, 2]"),
    (request(z=Z, label=np.zeros(4, np.int64)), INVALID, "same everywhere, not 5 by 'z', 4 by 'label'"),
    (
        request(z=Z, label=np.zeros((5, 3), np.float32)),
        INVALID,
        "'label' has to be INT64 or BYTES, not 'FP32'",
    ),
    (request(z=Z, count=4), INVALID, "same everywhere, not 5 by 'z', 4 by 'count'"),
    (request("dogs", label=np.zeros(1, np.int64)), INVALID, "no input 'label'; the inputs are z"),
    (request(z=Z[:0]), INVALID, "may ask for 1 to 5000 images in this format, not for 0"),
    (request(count=5001), INVALID, "may ask for 1 to 5000 images in this format, not for 5001"),
    (request(count=10_000_000), INVALID, "not for 10000000"),
    (request(count=0), INVALID, "'count' has to be 1 to"),
    (request(seed=-1), INVALID, "'seed' has to be 0 to 18446744073709551615, not -1"),
    (request(seed="7"), INVALID, "'seed' has to be an integer, not '7'"),
    (request(seed=True), INVALID, "'seed' has to be an integer, not True"),
    (request(seed=2**64 - 1, count=2), INVALID, "seeds go from 0 to"),
    (request(z=Z, label=np.zeros(5, np.int64), seed=1), INVALID, "'seed' is for what is not given"),
    (request(truncation=0.0), INVALID, "'truncation' has to be above 0 and at most 1, not 0.0"),
    (request(truncation=float("nan")), INVALID, "at most 1, not nan"),
    (request(truncation="1"), INVALID, "'truncation' has to be a number, not '1'"),
    (request(z=Z, truncation=0.5), INVALID, "'truncation' goes with a seed, not with a given z"),
    (request(format="JPEG"), INVALID, "'format' has to be 'FP32' or 'UINT8', not 'JPEG'"),
    (request(priority=4), INVALID, "'priority' has to be 0 to 3, not 4"),
    (request(timeout=-1), INVALID, "'timeout' has to be 0 to"),
    (request(trunctation=1.0), INVALID, "'trunctation' is not known: seed, count, truncation, format"),
    (request(outputs={"label": {}, "mask": {}}), INVALID, "no output 'mask'; its outputs are image, label"),
    (request(outputs={"image": {"classification": 3}}), INVALID, "'classification' of output 'image' is not"),
]


@pytest.mark.parametrize(("message", "code", "sentence"), REFUSED, ids=[case[2] for case in REFUSED])
async def test_refusal(stub, message, code, sentence):
    """A bad request is answered as Triton answers it, with a sentence that says what would be accepted."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(message)
    assert caught.value.code() == code
    assert sentence in caught.value.details()


async def test_unknown_label_name(stub):
    """A label that the model does not have is refused by name, also one that is not text."""
    message = pb.ModelInferRequest(model_name="cars")
    message.inputs.add(name="label", datatype="BYTES", shape=[1])
    message.inputs[0].contents.bytes_contents.append(b"bus\xff")
    with pytest.raises(grpc.aio.AioRpcError, match="no label 'bus\ufffd'; its labels are coupe, sedan, suv"):
        await stub.ModelInfer(message)


async def test_most_images_of_a_message(tmp_path):
    """The largest request whose answer fits into a message is answered, a larger one refused."""
    write_model(tmp_path / "models", "large", labels=(), image_size_px=1024, width=1)
    settings = GeneratorSettings(models=tmp_path / "models", threads=2)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GRPCInferenceServiceStub(channel)
        most = (await stub.ModelConfig(pb.ModelConfigRequest(name="large"))).config.max_batch_size
        assert most == 5
        assert len(output(await stub.ModelInfer(request("large", count=most)))) == most
        for count, form, limit in ((6, "FP32", 5), (22, "UINT8", 21)):
            with pytest.raises(grpc.aio.AioRpcError, match=f"1 to {limit} images in this format, not for"):
                await stub.ModelInfer(request("large", count=count, format=form))


async def test_stream(stub):
    """A stream's requests are answered in their order, each failing one by a message that names it."""
    asked = [request(seed=seed, name=str(seed)) for seed in range(100)]
    asked[50] = request("cats", name="50", seed=1)
    answers = [answer async for answer in stub.ModelStreamInfer(iter(asked))]
    assert [answer.infer_response.id for answer in answers] == [str(seed) for seed in range(100)]
    assert "no model 'cats'" in answers[50].error_message
    alone = await stub.ModelInfer(asked[51])
    np.testing.assert_array_equal(output(answers[51].infer_response), output(alone))
    assert all(a.infer_response.parameters["triton_final_response"].bool_param for a in answers)
    assert not any(answer.error_message for answer in [*answers[:50], *answers[51:]])


async def test_stream_that_ends_on_an_error(stub):
    """Where the client wants it, a failing request ends the stream with its status."""
    asked = iter([request(seed=1), request("cats")])
    call = stub.ModelStreamInfer(asked, metadata=(("triton_grpc_error", "true"),))
    assert (await call.read()).infer_response.model_name == "cars"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == NOT_FOUND


async def test_overload(model_root, tmp_path):
    """A full queue is UNAVAILABLE at once, as in Triton."""
    settings = GeneratorSettings(models=model_root, threads=1, max_batch_size=4, queue_size=8)
    async with serving([build_service(settings)], tmp_path) as channel:
        stalled = GeneratorServiceStub(channel).GenerateStream(
            generator_pb.GenerateStreamRequest(
                request=generator_pb.GenerateRequest(count=100_000, format=IMAGE_FORMAT_RAW_U8)
            )
        )
        await stalled.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await GRPCInferenceServiceStub(channel).ModelInfer(request(count=8))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "the queue is full" in caught.value.details()
        stalled.cancel()


async def test_timeout_in_the_queue(tmp_path):
    """A request that waits longer than its `timeout` is UNAVAILABLE, its own deadline DEADLINE_EXCEEDED."""
    write_model(tmp_path / "models", "slow", labels=(), image_size_px=512, width=16)
    settings = GeneratorSettings(models=tmp_path / "models", threads=1)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GRPCInferenceServiceStub(channel)
        busy = asyncio.ensure_future(stub.ModelInfer(request("slow", count=10, format="UINT8", priority=1)))
        codes = set()
        while not busy.done() and len(codes) < 2:
            late = (
                stub.ModelInfer(request("slow", timeout=1)),
                stub.ModelInfer(request("slow"), timeout=0.05),
            )
            codes |= {await call.code() for call in late} - {grpc.StatusCode.OK}
        assert codes == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert len(output(await busy)) == 10


async def test_ready(stub):
    """Server and models are ready; what does not exist is not."""
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    for name, version, ready in (
        ("cars", "", True),
        ("cars", "1", True),
        ("cars", "3", False),
        ("cats", "", False),
    ):
        asked = pb.ModelReadyRequest(name=name, version=version)
        assert (await stub.ModelReady(asked)).ready == ready


async def test_metadata_and_config(stub):
    """Metadata and configuration tell the tensors; of a model without labels there is no label."""
    metadata = await stub.ModelMetadata(pb.ModelMetadataRequest(name="cars"))
    assert list(metadata.versions) == ["1", "2"]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
        ("z", "FP32", [-1, 12]),
        ("label", "INT64", [-1, 1]),
    ]
    assert [(t.name, list(t.shape)) for t in metadata.outputs] == [
        ("image", [-1, 3, 16, 16]),
        ("label", [-1, 1]),
    ]
    config = (await stub.ModelConfig(pb.ModelConfigRequest(name="cars"))).config
    assert config.max_batch_size == 5000
    assert list(config.dynamic_batching.preferred_batch_size) == [2]
    assert config.parameters["labels"].string_value == '["coupe", "sedan", "suv"]'
    dogs = (await stub.ModelConfig(pb.ModelConfigRequest(name="dogs"))).config
    assert [tensor.name for tensor in (*dogs.input, *dogs.output)] == ["z", "image"]
    for call in (stub.ModelMetadata, stub.ModelConfig):
        kind = pb.ModelMetadataRequest if call == stub.ModelMetadata else pb.ModelConfigRequest
        with pytest.raises(grpc.aio.AioRpcError, match="no model 'cats'"):
            await call(kind(name="cats"))


async def test_statistics(stub, channel):
    """Statistics count the images, requests and batches of both APIs; every duration counts each request."""
    before = await counts(stub)
    await stub.ModelInfer(request("dogs", count=5))
    generator = GeneratorServiceStub(channel)
    await generator.Generate(generator_pb.GenerateRequest(model="dogs", count=3))
    while (after := await counts(stub)).inference_count < before.inference_count + 8:
        pass
    assert after.inference_count == before.inference_count + 8
    stats = after.inference_stats
    assert stats.success.count == before.inference_stats.success.count + 2
    durations = (stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output)
    assert {duration.count for duration in durations} == {stats.success.count}
    assert all(duration.ns > 0 for duration in durations)
    assert sum(batch.batch_size * batch.compute_infer.count for batch in after.batch_stats) == 8
    assert sum(batch.compute_infer.count for batch in after.batch_stats) == after.execution_count
    assert max(batch.batch_size for batch in after.batch_stats) <= 2
    everything = await stub.ModelStatistics(pb.ModelStatisticsRequest())
    assert [(m.name, m.version) for m in everything.model_stats] == [
        ("cars", "2"),
        ("cars", "1"),
        ("dogs", "1"),
    ]
    with pytest.raises(grpc.aio.AioRpcError, match="no model 'cats'"):
        await stub.ModelStatistics(pb.ModelStatisticsRequest(name="cats"))


async def counts(stub: GRPCInferenceServiceStub) -> pb.ModelStatistics:
    """What the model dogs did."""
    (one,) = (await stub.ModelStatistics(pb.ModelStatisticsRequest(name="dogs"))).model_stats
    return one


async def test_repository(stub):
    """A model is unloaded, gone for callers, listed as unavailable with the reason, and loaded again."""
    await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="dogs"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(request("dogs"))
    assert caught.value.code() == NOT_FOUND
    index = await stub.RepositoryIndex(pb.RepositoryIndexRequest())
    states = {(model.name, model.version): model for model in index.models}
    assert states["cars", "2"].state == "READY"
    assert states["dogs", "1"].state == "UNAVAILABLE"
    assert states["dogs", "1"].reason == "it was unloaded by request"
    ready = await stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
    assert {model.name for model in ready.models} == {"cars"}
    await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="dogs"))
    assert output(await stub.ModelInfer(request("dogs"))).shape == (1, 3, 16, 16)


async def test_repository_refusals(stub, model_root, tmp_path):
    """A model that is not there is NOT_FOUND, overrides UNIMPLEMENTED; control by clients is a setting."""
    load, unimplemented = stub.RepositoryModelLoad, grpc.StatusCode.UNIMPLEMENTED
    config = {"config": pb.ModelRepositoryParameter(string_param="{}")}
    for asked, code in (
        (pb.RepositoryModelLoadRequest(model_name="cats"), NOT_FOUND),
        (pb.RepositoryModelLoadRequest(model_name="cars", parameters=config), unimplemented),
        (pb.RepositoryModelLoadRequest(model_name="cars", repository_name="r"), unimplemented),
    ):
        assert await load(asked).code() == code
    settings = GeneratorSettings(models=model_root, threads=1)
    directory = tmp_path / "other"
    directory.mkdir()
    async with serving([build_service(settings)], directory) as channel:
        call = GRPCInferenceServiceStub(channel).RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name="cars")
        )
        assert await call.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_what_is_not_implemented(channel):
    """Shared memory, traces and log settings are UNIMPLEMENTED with a sentence."""
    methods = [m.name for m in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods]
    told = {}
    for method in methods:
        if "SharedMemory" in method or "Setting" in method:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{NAME}/{method}")(b"")
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
            told[method] = caught.value.details()
    assert len(told) == 8
    assert told["CudaSharedMemoryRegister"] == told["SystemSharedMemoryStatus"]
    assert "send tensors in the request" in told["SystemSharedMemoryStatus"]
    assert "log_level" in told["LogSettings"]


async def test_reflection(channel):
    """The protocol is described under its own name beside our own services."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=NAME),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="ganpress.v1.GeneratorService"),
    ]
    listing, inference, generator = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert NAME in {service.name for service in listing.list_services_response.service}
    assert b"ModelInferRequest" in inference.file_descriptor_response.file_descriptor_proto[0]
    assert b"GenerateRequest" in generator.file_descriptor_response.file_descriptor_proto[0]


def test_the_page_names_every_parameter():
    """docs/inference.md lists the parameters that a request may have, and no other."""
    text = (DOCS / "inference.md").read_text(encoding="utf-8")
    table = text.split("## Parameters")[1].split("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NAMES)
