"""A generator whose models clients may load and unload."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub

from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.servers import serving


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
