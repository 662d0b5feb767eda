"""The Open Inference Protocol over a real socket, with our own stubs: all that is beside single requests."""

from __future__ import annotations

import asyncio
import re

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
from services.generator.inference.parameters import NAMES
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.inference import output, request
from tests.helpers.models import write_model
from tests.helpers.servers import serving

NAME = "inference.GRPCInferenceService"


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
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


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
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
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
        (pb.RepositoryModelLoadRequest(model_name="cats"), grpc.StatusCode.NOT_FOUND),
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
