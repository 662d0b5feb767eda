"""Administration of the models over a real socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1 import model_repository_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceStub

from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import read_card, replace_model, write_model
from tests.helpers.servers import serving

READY, NOT_LOADED = pb.MODEL_STATE_READY, pb.MODEL_STATE_NOT_LOADED


@asynccontextmanager
async def stubs_of(root, socket_dir, **settings):
    """Stubs of both services of a generator."""
    service = build_service(
        GeneratorSettings(**{"models": root, "threads": 1, "model_control": True, **settings})
    )
    async with serving([service], socket_dir) as channel:
        yield ModelRepositoryServiceStub(channel), GeneratorServiceStub(channel)


async def refusal(call) -> tuple[grpc.StatusCode, str]:
    """Status and message of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


@pytest.fixture
def root(tmp_path):
    """Versions 1 and 2 of `cars`."""
    for version in (1, 2):
        write_model(tmp_path / "models", version=version, seed=version)
    return tmp_path / "models"


async def test_list(root, tmp_path):
    """All versions are listed with their states, and why they are not served."""
    broken = write_model(root, version=3, seed=3)
    (broken / "model.onnx").unlink()
    async with stubs_of(root, tmp_path, versions="latest") as (repository, _):
        answer = await repository.ListModelVersions(pb.ListModelVersionsRequest())
        assert (answer.repository, answer.problem) == (str(root), "")
        failed, ready, left_out = answer.versions
        assert (failed.version, failed.state, failed.digest) == (3, pb.MODEL_STATE_FAILED, "")
        assert "model.onnx: No such file" in failed.reason
        assert (ready.name, ready.version, ready.state, ready.reason) == ("cars", 2, READY, "")
        assert ready.digest == read_card(root / "cars" / "2").onnx_sha256
        assert ready.HasField("loaded_at")
        assert (left_out.version, left_out.state) == (1, NOT_LOADED)
        root.rename(tmp_path / "elsewhere")
        answer = await repository.ListModelVersions(pb.ListModelVersionsRequest())
        assert "cannot be read" in answer.problem
        assert len(answer.versions) == 3


async def test_load_and_unload(root, tmp_path):
    """A version is loaded and unloaded by request; requests get what is served, or NOT_FOUND."""
    async with stubs_of(root, tmp_path, versions="latest") as (repository, generator):
        answer = await repository.LoadModel(pb.LoadModelRequest(name="cars", version=1))
        assert [version.state for version in answer.versions] == [READY, READY]
        models = (await generator.ListModels(generator_pb.ListModelsRequest())).models
        assert [model.version for model in models] == [2, 1]
        answer = await repository.UnloadModel(pb.UnloadModelRequest(name="cars"))
        assert [version.state for version in answer.versions] == [NOT_LOADED, NOT_LOADED]
        code, message = await refusal(generator.Generate(generator_pb.GenerateRequest(count=1)))
        assert (code, message) == (grpc.StatusCode.NOT_FOUND, "there is no model 'cars'; the models are none")
        await repository.LoadModel(pb.LoadModelRequest(name="cars"))
        assert (await generator.Generate(generator_pb.GenerateRequest(count=1))).images[0].model_version == 2


async def test_refusals(root, tmp_path):
    """Each refusal has its status and one sentence."""
    broken = write_model(root, version=3, seed=3)
    (broken / "card.json").write_text("{}")
    async with stubs_of(root, tmp_path) as (repository, _):
        for method, request in (
            (repository.LoadModel, pb.LoadModelRequest),
            (repository.UnloadModel, pb.UnloadModelRequest),
        ):
            assert (await refusal(method(request(name="cats"))))[0] == grpc.StatusCode.NOT_FOUND
            assert (await refusal(method(request(name="cars", version=9))))[0] == grpc.StatusCode.NOT_FOUND
        code, message = await refusal(repository.LoadModel(pb.LoadModelRequest(name="cars", version=3)))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert message.endswith("format_version 0 is not known; served of model 'cars': 2, 1")
        root.rename(tmp_path / "elsewhere")
        code, _ = await refusal(repository.LoadModel(pb.LoadModelRequest(name="cars")))
        assert code == grpc.StatusCode.FAILED_PRECONDITION


async def test_control_is_off(root, tmp_path):
    """Unless the setting allows it a client may list, but neither load nor unload."""
    async with stubs_of(root, tmp_path, model_control=False) as (repository, _):
        assert len((await repository.ListModelVersions(pb.ListModelVersionsRequest())).versions) == 2
        for call in (
            repository.LoadModel(pb.LoadModelRequest(name="cars")),
            repository.UnloadModel(pb.UnloadModelRequest(name="cars")),
        ):
            code, message = await refusal(call)
            assert code == grpc.StatusCode.PERMISSION_DENIED
            assert "model_control" in message


async def test_a_stream_outlives_its_model(root, tmp_path):
    """A long stream under way is finished by the version it began with, while others get the new one."""
    async with stubs_of(root, tmp_path) as (repository, generator):
        image = generator_pb.GenerateRequest(model="cars", count=5000, seed=0, format=IMAGE_FORMAT_RAW_U8)
        stream = aiter(generator.GenerateStream(generator_pb.GenerateStreamRequest(request=image)))
        images = list((await anext(stream)).images)
        old = images[0].model_digest
        replace_model(root, version=2, seed=22)
        await repository.LoadModel(pb.LoadModelRequest(name="cars"))
        newest, _ = (await repository.ListModelVersions(pb.ListModelVersionsRequest())).versions
        assert newest.digest != old
        assert newest.calls == 1
        (other,) = (await generator.Generate(generator_pb.GenerateRequest(count=1))).images
        assert other.model_digest == newest.digest
        async for answer in stream:
            images += answer.images
        assert len(images) == 5000
        assert {image.model_digest for image in images} == {old}
        await asyncio.sleep(0.1)
        newest, _ = (await repository.ListModelVersions(pb.ListModelVersionsRequest())).versions
        assert newest.calls == 0
