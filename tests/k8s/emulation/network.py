"""Network namespaces on a bridge, names by dnsmasq, and network policies by nftables.

Each workload has a subnet of its own, so that a policy's rules need not change as pods come and go.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.deploy.manifest_checks import Manifest, of_kind

NODE = "10.77.0.1"
"""Where the node, and with it the kubelet's probes and DNS, is."""
_PREFIX = "10.77"


def run(*command: str, text: str | None = None) -> None:
    """Runs a command; raises what it said when it fails."""
    done = subprocess.run(command, input=text, text=True, check=False, capture_output=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr}")


class Network:
    """A bridge to which pods are plugged; names of Services resolve to pods that are ready."""

    def __init__(self, folder: Path, manifests: list[Manifest]) -> None:
        """Sets up the bridge and DNS in this process's namespace; keeps its files in `folder`."""
        self._policies = of_kind(manifests, "NetworkPolicy")
        self._subnets: dict[str, tuple[int, Mapping[str, str]]] = {}
        self._numbers: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(2))
        self._names = itertools.count()
        self._hosts = folder / "hosts"
        self._hosts.touch()
        Path("/run/netns").mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")  # the machine's own namespaces stay apart
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "nodes", "type", "bridge")
        run("ip", "address", "add", f"{NODE}/16", "dev", "nodes")
        run("ip", "link", "set", "nodes", "up")
        resolver = folder / "resolv.conf"
        resolver.write_text(f"nameserver {NODE}\noptions timeout:1 attempts:3\n", encoding="utf-8")
        run("mount", "--bind", str(resolver), "/etc/resolv.conf")
        self._dns = subprocess.Popen(
            [
                *(
                    "dnsmasq",
                    "--keep-in-foreground",
                    "--no-resolv",
                    "--no-hosts",
                    "--user=root",
                    "--pid-file=",
                ),
                *(f"--addn-hosts={self._hosts}", "--local-ttl=1", "--local=/cluster.local/"),
                *(f"--listen-address={NODE}", "--bind-interfaces", "--log-facility=-"),
            ],
            stderr=subprocess.DEVNULL,
        )

    def workload(self, name: str, labels: Mapping[str, str]) -> None:
        """Gives a workload its subnet; all must be known before the first pod starts."""
        self._subnets[name] = (len(self._subnets) + 1, labels)

    def plug(self, workload: str) -> tuple[str, str]:
        """Makes a namespace for a pod, under the policies for it; returns its name and address."""
        subnet, _ = self._subnets[workload]
        address = f"{_PREFIX}.{subnet}.{next(self._numbers[workload])}"
        number = next(self._names)
        name, outside = f"pod{number}", f"veth{number}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", outside, "master", "nodes", "up")
        for command in ("link set lo up", f"address add {address}/16 dev eth0", "link set eth0 up"):
            run("ip", "-n", name, *command.split())
        run("nsenter", f"--net=/run/netns/{name}", "nft", "-f", "-", text=self.rules(workload))
        return name, address

    def unplug(self, name: str) -> None:
        """Takes a pod's namespace away."""
        run("ip", "netns", "delete", name)

    def publish(self, hosts: Mapping[str, list[str]]) -> None:
        """Sets the addresses of each name."""
        lines = [f"{address} {name}\n" for name, addresses in hosts.items() for address in addresses]
        self._hosts.write_text("".join(lines), encoding="utf-8")
        self._dns.send_signal(signal.SIGHUP)

    def rules(self, workload: str) -> str:
        """Returns the nftables rules of a workload's pods; nothing passes that no policy allows."""
        inward = [f"ip saddr {NODE} accept"]  # the kubelet's probes always come in
        outward: list[str] = []
        _, labels = self._subnets[workload]
        for policy in self._policies:
            spec = policy["spec"]
            if not _matches(spec["podSelector"], labels):
                continue
            for rule in spec.get("ingress", []):
                inward += self._accepting("saddr", rule.get("from", []), rule.get("ports", []))
            for rule in spec.get("egress", []):
                outward += self._accepting("daddr", rule.get("to", []), rule.get("ports", []))
        chains = [
            ("input", "iif", inward),
            ("output", "oif", outward),
        ]
        return (
            "table inet pods {\n"
            + "".join(
                f"chain {hook} {{ type filter hook {hook} priority 0; policy drop;\n"
                f'{interface} "lo" accept\nct state established,related accept\n' + "\n".join(rules) + "\n}\n"
                for hook, interface, rules in chains
            )
            + "}\n"
        )

    def _accepting(self, side: str, peers: list[Any], ports: list[Any]) -> Iterator[str]:
        for peer in peers:
            for subnet in self._subnets_of(peer):
                for port in ports:
                    protocol = port.get("protocol", "TCP").lower()
                    yield f"ip {side} {subnet} {protocol} dport {port['port']} accept"
                if not ports:
                    yield f"ip {side} {subnet} accept"

    def _subnets_of(self, peer: Any) -> Iterator[str]:
        if "namespaceSelector" in peer:
            if peer["namespaceSelector"]["matchLabels"].get("kubernetes.io/metadata.name") == "kube-system":
                yield f"{NODE}/32"
            return
        for number, labels in self._subnets.values():
            if _matches(peer["podSelector"], labels):
                yield f"{_PREFIX}.{number}.0/24"


def _matches(selector: Any, labels: Mapping[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()
