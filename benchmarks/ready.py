"""Waiting for servers that have been started."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


async def wait_until_serving(address: str, timeout_s: float = 600) -> None:
    """Waits until the health of the server at an address is SERVING; ends the program after `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    async with grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < end_s:
            with suppress(grpc.aio.AioRpcError):
                answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=10)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(0.2)
    raise SystemExit(f"the server at {address} did not become ready within {timeout_s:.0f} s")
