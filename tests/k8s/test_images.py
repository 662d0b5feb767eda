"""The real images, run as the rendered overlay `dev` says: locked in, at work, and ended in order."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scripts.render_k8s import golden
from tests.deploy.manifest_checks import Manifest, amount, of_kind
from tests.k8s.containers import Containers

pytestmark = pytest.mark.k8s

SERVICES = {"generator": 50051, "compressor": 50052}
NETWORK = "ganpress-test"
_READY_S = 180
_PROBE = """
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
channel = grpc.insecure_channel(sys.argv[1])
grpc.channel_ready_future(channel).result(float(sys.argv[3]))
request = health_pb2.HealthCheckRequest(service=sys.argv[2])
for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=float(sys.argv[3])):
    if answer.status == answer.SERVING:
        sys.exit(0)
"""

_GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
_WORKING = "ganpress_compressor_working_requests 1.0"


def played(service: str) -> list[Manifest]:
    """Returns what of the render podman plays: a Deployment and its settings.

    Without the ports' names: podman would forward each from the one host, which both services share.
    """
    manifests = list(yaml.safe_load_all(golden("dev").read_text(encoding="utf-8")))
    chosen = [m for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"].startswith(service)]
    chosen += [m for m in of_kind(manifests, "Deployment") if m["metadata"]["name"] == service]
    del chosen[-1]["spec"]["template"]["spec"]["containers"][0]["ports"]
    return chosen


@pytest.fixture(scope="module")
def addresses(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """Address of each service, built, started by `podman play kube` from the overlay `dev`, and ready."""
    for name in SERVICES:
        containers.build(f"services/{name}/Dockerfile", f"localhost/ganpress-{name}:0.1.0")
    folder = tmp_path_factory.mktemp("manifests")
    files = {name: folder / f"{name}.yaml" for name in SERVICES}
    containers.run("podman", "network", "create", NETWORK)
    try:
        found: dict[str, str] = {}
        for name, file in files.items():
            file.write_text(yaml.safe_dump_all(played(name)), encoding="utf-8")
            begun_s = time.monotonic()
            containers.run("podman", "play", "kube", "--network", NETWORK, str(file))
            pod = containers.inspect(container(name))["Pod"]
            (infra,) = [
                line
                for line in containers.run(
                    "podman", "ps", "--filter", f"pod={pod}", "--format", "{{.ID}} {{.IsInfra}}"
                ).splitlines()
                if line.endswith("true")
            ]
            network = containers.inspect(infra.split()[0])["NetworkSettings"]["Networks"][NETWORK]
            found[name] = f"{network['IPAddress']}:{SERVICES[name]}"
            asked = f"ganpress.v1.{name.capitalize()}Service"
            containers.run(sys.executable, "-c", _PROBE, found[name], asked, str(_READY_S))
            print(f"{name}: ready {time.monotonic() - begun_s:.1f} s after the start")
        yield found
    finally:
        for file in files.values():
            containers.run("podman", "play", "kube", "--down", str(file), check=False)
        containers.run("podman", "network", "rm", "--force", NETWORK, check=False)


def container(service: str) -> str:
    """Returns the name that podman gives a service's container."""
    return f"{service}-pod-0-{service}"


def client(addresses: dict[str, str], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Returns a command of the client and the variables that point it at the services."""
    variables = {f"GANPRESS_{name.upper()}": address for name, address in addresses.items()}
    return [str(Path(sys.executable).parent / "client"), *arguments], variables


@pytest.mark.parametrize("service", SERVICES)
def test_the_container_is_locked_in(service: str, containers: Containers, addresses: dict[str, str]) -> None:
    """It runs as user 65532, without capabilities or new privileges, on a root that it cannot write to."""
    known = containers.inspect(container(service))
    status = Path(f"/proc/{known['State']['Pid']}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {"65532"}
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert known["HostConfig"]["ReadonlyRootfs"]
    limits = of_kind(played(service), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ]
    assert known["HostConfig"]["Memory"] == amount(limits["limits"]["memory"])
    written = containers.run("podman", "exec", container(service), "touch", "/opt/x", check=False)
    assert written == ""
    assert "/opt/x" not in containers.run(
        "podman", "exec", container(service), "ls", "-d", "/opt/x", check=False
    )


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_holds_no_tools(service: str, containers: Containers, addresses: dict[str, str]) -> None:
    """There is no compiler and no PyTorch in it, and an SBOM that names its packages."""
    image = f"localhost/ganpress-{service}:0.1.0"
    assert containers.compilers(image) == ""
    packages = containers.packages(image)
    assert "grpcio" in packages
    assert "torch" not in packages
    assert ("s3fs" in packages) == (service == "generator")  # models may lie in a bucket


def test_an_image_is_drawn_and_compressed(
    containers: Containers, addresses: dict[str, str], tmp_path: Path
) -> None:
    """Generate in one container, Compress in the other: a palette PNG comes out."""
    drawn, small = tmp_path / "sedan.png", tmp_path / "small.png"
    command, variables = client(addresses, "generate", "--label", "sedan", "--seed", "7", "-o", str(drawn))
    containers.run(*command, env=variables)
    command, variables = client(addresses, "compress", str(drawn), "--method", "kmeans", "-o", str(small))
    containers.run(*command, env=variables)
    with Image.open(small) as image:
        assert (image.size, image.mode) == ((64, 64), "P")
    assert small.stat().st_size < drawn.stat().st_size


def test_a_running_stream_ends_before_the_container_does(
    containers: Containers, addresses: dict[str, str], tmp_path: Path
) -> None:
    """On SIGTERM a stream under way comes to its end, and the server exits with 0 within its grace period."""
    count, tar = 200, tmp_path / "cars.tar"
    command, variables = client(addresses, "generate", "--label", "suv", "-n", str(count), "--seed", "1")
    with tar.open("wb") as file, containers.start(command, variables, file) as drawing:
        while not tar.stat().st_size and drawing.poll() is None:  # until the first image is here
            time.sleep(0.01)
        containers.run("podman", "stop", "--time", "30", container("generator"))
    assert drawing.returncode == 0
    with tarfile.open(tar) as images:
        assert sum(name.endswith(".png") for name in images.getnames()) == count
    assert containers.inspect(container("generator"))["State"]["ExitCode"] == 0


def test_a_running_call_ends_before_the_container_does(
    containers: Containers, addresses: dict[str, str], tmp_path: Path
) -> None:
    """On SIGTERM an image in work is compressed to its end, and the server exits with 0."""
    large, small = tmp_path / "large.png", tmp_path / "small.avif"
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)  # noise is slow to encode
    Image.fromarray(pixels).save(large)
    command, variables = client(addresses, "compress", str(large), "--method", "avif", "-o", str(small))
    metrics = f"http://{addresses['compressor'].rpartition(':')[0]}:9090/metrics"
    with containers.start(command, variables, subprocess.DEVNULL) as compressing:
        while not (working := _WORKING in containers.run(sys.executable, "-c", _GET, metrics)):
            if compressing.poll() is not None:
                break
        containers.run("podman", "stop", "--time", "30", container("compressor"))
    assert working, "it was done before it was seen"
    assert compressing.returncode == 0
    with Image.open(small) as image:
        assert image.size == (1600, 1200)
    assert containers.inspect(container("compressor"))["State"]["ExitCode"] == 0
