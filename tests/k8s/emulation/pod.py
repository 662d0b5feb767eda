"""One pod: a service's process in its namespace, probed and ended as the kubelet does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.manifest_checks import Manifest
from tests.k8s.emulation.network import Network

_RESTART_DELAY_S = 10.0
_CONFINED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


class Pod:
    """Runs one container of a pod until it is told to end; a container that dies is started again."""

    def __init__(
        self,
        workload: str,
        spec: Manifest,
        environment: Mapping[str, str],
        network: Network,
        log: Path,
        on_change: Callable[[], None],
    ) -> None:
        """Starts the container; `on_change` is called whenever `ready` changes."""
        self.workload = workload
        self.node = ""
        self.ready = False
        self.was_ready = asyncio.Event()
        self.restarts = 0
        self.namespace, self.address = network.plug(workload)
        self._spec = spec
        self._container: Manifest = spec["containers"][0]
        self._environment = environment
        self._network = network
        self._log = log
        self._on_change = on_change
        self._ending = False
        self._process: asyncio.subprocess.Process | None = None
        self._running = asyncio.create_task(self._run(), name=f"{workload} {self.address}")

    def kill(self) -> None:
        """Kills the container, as a crash does."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)

    async def end(self) -> bool:
        """Ends the pod: out of the Service, preStop, SIGTERM, and SIGKILL when the grace period is over.

        Returns:
            Whether it ended by itself.
        """
        self._ending = True
        self._set_ready(False)
        process, deadline_s = self._process, self._spec["terminationGracePeriodSeconds"]
        in_time = True
        if process and process.returncode is None:
            try:
                async with asyncio.timeout(deadline_s):
                    await asyncio.sleep(self._container["lifecycle"]["preStop"]["sleep"]["seconds"])
                    with suppress(ProcessLookupError):
                        process.terminate()
                    in_time = await process.wait() == 0
            except TimeoutError:
                process.kill()
                in_time = False
        self._running.cancel()
        await asyncio.wait([self._running])
        self._network.unplug(self.namespace)
        return in_time

    async def _run(self) -> None:
        while not self._ending:
            probing = None
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *("nsenter", f"--net=/run/netns/{self.namespace}", *_CONFINED),
                    *(sys.executable, "-m", f"services.{self._container['name']}"),
                    env={**os.environ, **self._environment},
                    stderr=log,
                )
            probing = asyncio.create_task(self._probe())
            try:
                await self._process.wait()
            finally:
                probing.cancel()
                self._set_ready(False)
            if not self._ending:
                self.restarts += 1
                await asyncio.sleep(0 if self.restarts == 1 else _RESTART_DELAY_S)

    async def _probe(self) -> None:
        """Start-up until it succeeds, then readiness and liveness side by side."""
        if not await self._passes(self._container["startupProbe"], until=True):
            self.kill()
            return
        asyncio.current_task()
        readiness = asyncio.create_task(self._watch_readiness())
        try:
            if not await self._passes(self._container["livenessProbe"], until=False) and not self._ending:
                self.kill()
        finally:
            readiness.cancel()

    async def _watch_readiness(self) -> None:
        probe, failures = self._container["readinessProbe"], 0
        while True:
            if await self._ask(probe):
                failures = 0
                self._set_ready(not self._ending)
            else:
                failures += 1
                if failures >= probe["failureThreshold"]:
                    self._set_ready(False)
            await asyncio.sleep(probe["periodSeconds"])

    async def _passes(self, probe: Any, *, until: bool) -> bool:
        """Asks until it succeeds (`until`), or for ever; False once it failed as often as it may in a row."""
        failures = 0
        while failures < probe["failureThreshold"]:
            if await self._ask(probe):
                if until:
                    return True
                failures = 0
            else:
                failures += 1
            await asyncio.sleep(probe["periodSeconds"])
        return False

    async def _ask(self, probe: Any) -> bool:
        asked = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
        target = f"{self.address}:{probe['grpc']['port']}"
        async with grpc.aio.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(
                    asked, timeout=probe["timeoutSeconds"]
                )
            except grpc.aio.AioRpcError:
                return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    def _set_ready(self, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            if ready:
                self.was_ready.set()
            self._on_change()
