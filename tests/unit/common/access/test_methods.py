"""Access: every method of every service, as the descriptors list them, by every kind of caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ganpress.inference.grpc_service_pb2 import DESCRIPTOR as INFERENCE
from ganpress.v1.compressor_service_pb2 import DESCRIPTOR as COMPRESSOR
from ganpress.v1.generator_service_pb2 import DESCRIPTOR as GENERATOR
from ganpress.v1.model_repository_service_pb2 import DESCRIPTOR as REPOSITORY
from grpc_channelz.v1.channelz_pb2 import DESCRIPTOR as CHANNELZ
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import DESCRIPTOR as REFLECTION

from services.common.access.callers import token_digest
from services.common.server import Server, ServerOptions
from services.compressor.service import build_service as build_compressor
from services.compressor.settings import CompressorSettings
from services.generator.service import build_service as build_generator
from services.generator.settings import GeneratorSettings

SCOPES = ("generate", "compress", "admin", "metrics")
ADMIN = {
    "LoadModel",
    "UnloadModel",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "TraceSetting",
    "LogSettings",
}


def methods() -> list[tuple[str, str | None]]:
    """Path of every method but health's, with the scope that it has to want; None: any caller may."""
    found: list[tuple[str, str | None]] = []
    for file in (GENERATOR, REPOSITORY, INFERENCE, COMPRESSOR, CHANNELZ, REFLECTION):
        for service in file.services_by_name.values():
            scope = {COMPRESSOR: "compress", CHANNELZ: "admin", REFLECTION: None}.get(file, "generate")
            found += [
                (f"/{service.full_name}/{method.name}", "admin" if method.name in ADMIN else scope)
                for method in service.methods
            ]
    return found


@pytest.fixture(scope="module")
def callers_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caller for each scope, its token `token-SCOPE`."""
    file = tmp_path_factory.mktemp("callers") / "callers.toml"
    file.write_text(
        "\n".join(
            f'[callers.{scope}]\ntoken_sha256 = "{token_digest("token-" + scope)}"\nscopes = ["{scope}"]'
            for scope in SCOPES
        )
    )
    return file


@pytest.fixture
async def channel(callers_file, model_root, tmp_path) -> AsyncIterator[grpc.aio.Channel]:
    """Both services on one server that knows callers by their tokens."""
    services = [
        build_generator(GeneratorSettings(models=model_root, watch_s=0)),
        build_compressor(CompressorSettings(warm_up=False)),
    ]
    server = Server(services, ServerOptions(grace_s=0, callers=callers_file, channelz=True))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel
    await server.stop()


async def code_of(channel: grpc.aio.Channel, path: str, *metadata: tuple[str, str]) -> grpc.StatusCode:
    """Calls a method with an empty message and returns how it ended."""
    call = channel.stream_stream(path)(iter([b""]), metadata=metadata, timeout=20)
    async for _ in call:
        pass
    return await call.code()


async def codes_of(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> dict[str, grpc.StatusCode]:
    """Calls every method and returns how each ended."""

    async def one(path: str) -> grpc.StatusCode:
        while True:
            try:
                return await code_of(channel, path, *metadata)
            except grpc.aio.AioRpcError as error:
                # Refused before its message was sent, which is what gRPC's own side then tells.
                if error.details() != "Internal error from Core":
                    return error.code()

    paths = [path for path, _ in methods()]
    return dict(zip(paths, await asyncio.gather(*map(one, paths)), strict=True))


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer token-nobody")],
        [("authorization", "Basic token-generate")],
        [("authorization", "token-generate")],
    ],
)
async def test_strangers(channel, metadata):
    """Without a token that is known every method of every service is UNAUTHENTICATED."""
    codes = await codes_of(channel, *metadata)
    assert len(codes) > 35
    assert set(codes.values()) == {grpc.StatusCode.UNAUTHENTICATED}


async def test_health_is_for_all(channel):
    """Health answers without a token."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("scope", SCOPES)
async def test_scopes(channel, scope):
    """A token opens the methods of its scope, and no other."""
    codes = await codes_of(channel, ("authorization", f"Bearer token-{scope}"))
    for path, wanted in methods():
        refused = codes[path] in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
        # Loading models is refused to all by the setting model_control, to admins by its own sentence.
        by_setting = scope == "admin" and path.rpartition("/")[2] in ADMIN
        assert refused == (wanted not in {None, scope}) or by_setting, (path, codes[path])


async def test_refusal_names_scopes(channel):
    """A caller is told which scope is missing and which it has."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await code_of(
            channel, "/ganpress.v1.CompressorService/ListCodecs", ("authorization", "bearer token-generate")
        )
    assert caught.value.details() == (
        "/ganpress.v1.CompressorService/ListCodecs needs the scope 'compress'; caller 'generate' has generate"
    )
