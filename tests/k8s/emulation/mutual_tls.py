"""Runs the overlay `prod`, with certificates for all, and prints what came of it as JSON.

`python -m tests.k8s.emulation.mutual_tls`: the client calls under mutual TLS while a certificate is renewed
and the generator updated; others try to get in.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from cryptography import x509

from client.api import GanpressClient
from client.errors import GanpressError
from client.security import Security
from tests.helpers.certificates import Authority
from tests.k8s.emulation.cluster import PORTS, Cluster
from tests.k8s.emulation.ending import run_to_the_end
from tests.k8s.emulation.secrets import security_of

_RATE = 20.0
_PAUSE_S = 2.0
_CLIENT_SECRET = "ganpress-client-tls"
_HEALTH_PORT = 8081


def context_of(secret: Path) -> ssl.SSLContext:
    """Returns TLS as a client with this Secret speaks it."""
    context = ssl.create_default_context(cafile=str(secret / "ca.crt"))
    context.load_cert_chain(secret / "tls.crt", secret / "tls.key")
    return context


def serial_number(address: str, port: int, secret: Path) -> int:
    """Returns the serial number of the certificate that a server shows."""
    context = context_of(secret)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((address, port), 5) as plain,
        context.wrap_socket(plain, server_hostname="ganpress") as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown).serial_number


async def answer(address: str, security: Security) -> str:
    """Returns "models" when a generator tells its models, else the class of the error."""
    async with GanpressClient(generator=address, timeout_s=5, security=security) as client:
        try:
            await client.list_models()
        except GanpressError as error:
            return type(error).__name__
        return "models"


def metrics(address: str, secret: Path) -> str:
    """Returns "metrics" when Prometheus could read them under TLS, else the class of the error."""
    context = context_of(secret)
    context.check_hostname = False  # Prometheus is told another name than the address
    try:
        url = f"https://{address}:9090/metrics"
        return "metrics" if "grpc_server" in urlopen(url, timeout=5, context=context).read().decode() else ""
    except OSError as error:
        return type(error).__name__


async def main() -> None:
    """Runs the cluster and prints the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster("prod", folder, {})
        secret = cluster.secrets.path(_CLIENT_SECRET)
        await asyncio.gather(cluster.generator.scale(1), cluster.compressor.scale(1))
        print(f"{time.strftime('%X')} ready", file=sys.stderr, flush=True)
        load = await cluster.load(_RATE, secret)
        assert load.stdout
        reading = asyncio.create_task(load.stdout.read())
        await asyncio.sleep(_PAUSE_S)

        pod = cluster.generator.ready[0].address
        before = await asyncio.to_thread(serial_number, pod, PORTS["generator"], secret)
        renewed = cluster.secrets.issue("generator")
        after = await asyncio.to_thread(serial_number, pod, PORTS["generator"], secret)
        await asyncio.sleep(_PAUSE_S)
        await cluster.generator.update()
        await asyncio.sleep(_PAUSE_S)

        address = cluster.address("generator")
        foreign = Authority(folder / "foreign")
        stranger = foreign.issue("ganpress-client")
        ca = secret / "ca.crt"
        answers = {
            "its certificate": await answer(address, security_of(secret)),
            "no certificate": await answer(address, Security(ca=ca)),
            "a foreign certificate": await answer(
                address, Security(ca=ca, certificate=stranger.certificate, key=stranger.key)
            ),
            "plain text": await answer(address, Security()),
            "plain text on the health port": await answer(
                f"{cluster.generator.ready[0].address}:{_HEALTH_PORT}", Security()
            ),
            "metrics": await asyncio.to_thread(metrics, cluster.generator.ready[0].address, secret),
        }
        load.terminate()
        calls = [json.loads(line) for line in (await reading).decode().splitlines() if line.startswith("[")]
        await asyncio.gather(*[workload.stop() for workload in cluster.workloads.values()])
        report = {
            "calls": len(calls),
            "errors": sorted({call[3] for call in calls if call[3]}),
            "renewed": after == renewed != before,
            "answers": answers,
            "ended_in_time": all(workload.ended_in_time for workload in cluster.workloads.values()),
        }
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    run_to_the_end(main())
