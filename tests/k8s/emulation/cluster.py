"""Both services, a client and a stranger on one network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import yaml

from scripts.render_k8s import golden
from tests.deploy.manifest_checks import of_kind, pod_labels
from tests.k8s.emulation.network import Network
from tests.k8s.emulation.secrets import Secrets
from tests.k8s.emulation.workload import Workload

_DOMAIN = "{}-headless.{}.svc.cluster.local"
PORTS = {"generator": 50051, "compressor": 50052}
_CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


class Cluster:
    """What a render says, run."""

    def __init__(self, render: str, folder: Path, extra: dict[str, dict[str, str]]) -> None:
        manifests = list(yaml.load_all(golden(render).read_text(encoding="utf-8"), yaml.CSafeLoader))
        self._namespace = of_kind(manifests, "Namespace")[0]["metadata"]["name"]
        self.network = Network(folder, manifests)
        self.secrets = Secrets(folder / "secrets", manifests)
        for deployment in of_kind(manifests, "Deployment"):
            self.network.workload(deployment["metadata"]["name"], pod_labels(deployment))
        self.network.workload("client", {"ganpress-client": "true"})
        self.network.workload("stranger", {})
        self.workloads = {
            name: Workload(
                name, manifests, self.network, self.secrets, folder, self.publish, extra.get(name, {})
            )
            for name in PORTS
        }
        self.generator, self.compressor = self.workloads["generator"], self.workloads["compressor"]
        self.client, _ = self.network.plug("client")
        self.stranger, _ = self.network.plug("stranger")

    def publish(self) -> None:
        """Tells DNS which pods are ready."""
        self.network.publish(
            {
                _DOMAIN.format(name, self._namespace): [pod.address for pod in workload.ready]
                for name, workload in self.workloads.items()
            }
        )

    def address(self, name: str) -> str:
        """Returns what a client calls a service by."""
        return f"{_DOMAIN.format(name, self._namespace)}:{PORTS[name]}"

    async def load(self, rate: float, secret: Path | None = None) -> asyncio.subprocess.Process:
        """Starts the client's load of so many calls a second, with the certificate in `secret`."""
        load = await asyncio.create_subprocess_exec(
            *("nsenter", f"--net=/run/netns/{self.client}"),
            *(sys.executable, "-m", "tests.k8s.emulation.load"),
            *(self.address("generator"), self.address("compressor"), str(rate)),
            *([str(secret)] if secret else []),
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        assert load.stdout
        assert await load.stdout.readline() == b"ready\n"
        return load

    def reaches(self, namespace: str, address: str, port: int) -> bool:
        """Whether a TCP connection from a pod's namespace to an address is made."""
        command = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", _CONNECT]
        return (
            subprocess.run([*command, address, str(port)], capture_output=True, check=False).returncode == 0
        )
