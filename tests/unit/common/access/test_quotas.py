"""Allowances: rates, calls under way, and whose they are."""

from __future__ import annotations

from contextlib import suppress

import grpc
import pytest
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from hypothesis import given
from hypothesis import strategies as st

from services.common.access import Allowance, Guard, QuotaError
from services.common.access.quotas import Quota
from services.common.server import Server, ServerOptions
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now_s


@given(
    st.floats(0.1, 1000),
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 5)), min_size=1, max_size=60),
)
def test_rate_is_kept(rate, requests):
    """However requests come, what passes before the last one is at most the rate's, and a second's worth."""
    clock = Clock()
    quota = Quota(Allowance(images_per_s=rate), clock)
    passed: list[int] = []
    for images, pause_s in requests:
        clock.now_s += pause_s
        with suppress(QuotaError):
            quota.spend(images, 0)
            passed.append(images)
    assert sum(passed[:-1]) <= rate * (clock.now_s - 100 + 1) * (1 + 1e-6) + max(passed[:-1], default=0)


def test_retry_hint_is_right():
    """A caller that waits as long as it is told to passes."""
    clock = Clock()
    quota = Quota(Allowance(megapixels_per_s=2), clock)
    quota.spend(1, 10_000_000)
    with pytest.raises(QuotaError, match="the allowance of 2 megapixels a second is used up") as caught:
        quota.spend(1, 1)
    assert caught.value.retry_after_s == pytest.approx(4)
    clock.now_s += caught.value.retry_after_s
    quota.spend(1, 1)


def test_calls():
    """One call more than may be under way is refused, until one has ended."""
    quota = Quota(Allowance(max_calls=2))
    with quota.call():
        with quota.call(), pytest.raises(QuotaError, match="2 calls of this caller are under way"):
            quota.call().__enter__()
        with quota.call():
            pass
    assert quota.calls == 0


def test_new_connections_are_the_same_caller():
    """An unknown caller does not get a fresh allowance by connecting from another port."""
    guard = Guard(allowance=Allowance(images_per_s=1))
    first = guard.identify((), dict, "ipv4:10.0.0.1:1111")
    assert guard.identify((), dict, "ipv4:10.0.0.1:2222").quota is first.quota
    assert guard.identify((), dict, "ipv4:10.0.0.2:1111").quota is not first.quota


@pytest.mark.parametrize("stream", [False, True])
async def test_service(model_root, tmp_path, stream):
    """A service counts images: calls above the rate are RESOURCE_EXHAUSTED with a hint, streams are paced."""
    service = build_service(GeneratorSettings(models=model_root, watch_s=0))
    server = Server([service], ServerOptions(grace_s=0, allowance=Allowance(images_per_s=20)))
    address = await server.start(f"unix:{tmp_path / 's'}")
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = GeneratorServiceStub(channel)
            request = pb.GenerateRequest(model="dogs", count=22)
            await stub.Generate(request)
            if stream:
                answers = stub.GenerateStream(pb.GenerateStreamRequest(request=request))
                assert sum([len(answer.images) async for answer in answers]) == 22
            else:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.Generate(request)
                assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "20 images a second" in (caught.value.details() or "")
                pushback = dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]
                assert 1 <= int(pushback) <= 100
    finally:
        await server.stop()
