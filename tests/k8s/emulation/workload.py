"""A Deployment's controller: so many pods, updated one after the other, never fewer ready than asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.deploy.manifest_checks import Manifest, environment, of_kind
from tests.k8s.emulation.network import Network
from tests.k8s.emulation.pod import Pod
from tests.k8s.emulation.secrets import Secrets

NODES = ("node-a", "node-b", "node-c")


class Workload:
    """The pods of one Deployment."""

    def __init__(
        self,
        name: str,
        manifests: list[Manifest],
        network: Network,
        secrets: Secrets,
        folder: Path,
        on_change: Callable[[], None],
        extra: Mapping[str, str],
    ) -> None:
        """Takes the Deployment of this name, with `extra` variables; starts nothing."""
        (deployment,) = [m for m in of_kind(manifests, "Deployment") if m["metadata"]["name"] == name]
        self.name = name
        self.pods: list[Pod] = []
        self._spec: Manifest = deployment["spec"]["template"]["spec"]
        container = self._spec["containers"][0]
        image = {f"GANPRESS_{name.upper()}_HOST": "0.0.0.0"}  # what the image itself sets
        own = secrets.mounted(self._spec, environment(container, manifests))
        self._environment = image | own | dict(extra)
        self._network = network
        self._log = folder / f"{name}.log"
        self._on_change = on_change
        self._ending: set[asyncio.Task[bool]] = set()
        self.ended_in_time = True

    @property
    def connection_age_s(self) -> float:
        """Seconds after which its pods end a connection, give or take a tenth."""
        return float(self._environment[f"GANPRESS_{self.name.upper()}_MAX_CONNECTION_AGE_S"])

    @property
    def ready(self) -> list[Pod]:
        """The pods that take calls."""
        return [pod for pod in self.pods if pod.ready]

    def start(self, *, avoid: str = "", extra: Mapping[str, str] | None = None) -> Pod:
        """Starts a pod on the node with the fewest."""
        pod = Pod(
            self.name,
            self._spec,
            {**self._environment, **(extra or {})},
            self._network,
            self._log,
            self._on_change,
        )
        used = [other.node for other in self.pods]
        pod.node = min((node for node in NODES if node != avoid), key=used.count)
        self.pods.append(pod)
        return pod

    def end(self, pod: Pod) -> None:
        """Ends a pod, which goes on by itself."""
        self.pods.remove(pod)
        task = asyncio.create_task(pod.end())
        self._ending.add(task)
        task.add_done_callback(self._ended)

    async def scale(self, count: int) -> None:
        """Starts or ends pods until there are `count`, and waits until all are ready."""
        while len(self.pods) < count:
            self.start()
        while len(self.pods) > count:
            self.end(self.pods[-1])
        await self.settled()

    async def settled(self) -> None:
        """Waits until every pod was ready and those that end have ended."""
        for pod in self.pods:
            await pod.was_ready.wait()
        while self._ending:
            await asyncio.wait(self._ending)

    async def update(self) -> None:
        """Replaces each pod: a new one is ready before an old one goes."""
        for old in list(self.pods):
            new = self.start()
            await new.was_ready.wait()
            self.end(old)
        await self.settled()

    async def drain(self, node: str) -> None:
        """Evicts the pods of a node one at a time, the next when the replacement is ready."""
        for pod in [pod for pod in self.pods if pod.node == node]:
            self.end(pod)
            replacement = self.start(avoid=node)
            await replacement.was_ready.wait()
        await self.settled()

    async def stop(self) -> None:
        """Ends all pods."""
        for pod in list(self.pods):
            self.end(pod)
        await self.settled()

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._ending.discard(task)
        self.ended_in_time &= task.result()
