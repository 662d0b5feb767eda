"""The client's image: at work with both services inside it, and as the pods of the experiment's job."""

from __future__ import annotations

import copy
import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from scripts.render_k8s import golden
from tests.deploy.manifest_checks import Manifest, of_kind, pod_spec
from tests.k8s.containers import Containers

pytestmark = pytest.mark.k8s

IMAGE = "localhost/ganpress-client:0.1.0"
_LOCKED_IN = (
    *("podman", "run", "--rm", "--interactive", "--network", "none", "--read-only", "--tmpfs", "/tmp"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", IMAGE),
)
_USER = 65532
_COUNT = 6
_PLAN = {
    "name": "cars",
    "sources": [{"name": "cars", "kind": "generated", "model": "cars", "labels": ["suv"], "count": _COUNT}],
    "codecs": [{"codec": "kmeans", "options": {"k": 16}}, {"codec": "jpeg"}],
}


@pytest.fixture(scope="module")
def client(containers: Containers) -> Containers:
    """Podman with the client's image built."""
    containers.build("client/Dockerfile", IMAGE)
    return containers


def pods(folder: Path) -> list[Manifest]:
    """Returns the pods of the rendered job, one for each index, with a folder here as their claim."""
    manifests = list(yaml.safe_load_all(golden("job-experiment").read_text(encoding="utf-8")))
    (job,), (plan,) = of_kind(manifests, "Job"), of_kind(manifests, "ConfigMap")
    plan["data"] = {"plan.yaml": yaml.safe_dump(_PLAN)}
    found = [plan]
    for index in range(job["spec"]["completions"]):
        spec = copy.deepcopy(pod_spec(job))
        spec["containers"][0]["env"].append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
        for volume in spec["volumes"]:
            if volume.pop("persistentVolumeClaim", None):
                volume["hostPath"] = {"path": str(folder)}
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"index{index}"}, "spec": spec})
    return found


def test_it_draws_and_compresses_by_itself(client: Containers) -> None:
    """Locked in and without a network, one container draws a car and the next makes a palette PNG of it."""
    drawn = client.output(*_LOCKED_IN, "generate", "--label", "sedan", "--seed", "7")
    small = client.output(*_LOCKED_IN, "compress", "--method", "kmeans", given=drawn)
    with Image.open(io.BytesIO(small)) as image:
        assert (image.size, image.mode) == ((64, 64), "P")
    assert len(small) < len(drawn)


def test_it_holds_no_tools(client: Containers) -> None:
    """There is no compiler and no PyTorch in it, and an SBOM that names its packages."""
    assert client.compilers(IMAGE) == ""
    packages = client.packages(IMAGE)
    assert {"duckdb", "grpcio", "onnxruntime", "s3fs"} <= packages
    assert "torch" not in packages


def test_the_pods_of_the_job_do_one_plan_together(client: Containers, tmp_path: Path) -> None:
    """Each pod does its shard, locked in as the job says, and the last one merges them all."""
    folder, file = tmp_path / "claim", tmp_path / "pods.yaml"
    folder.mkdir()
    os.chown(folder, _USER, _USER)  # as Kubernetes does for fsGroup
    manifests = pods(folder)
    file.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    names = [f"{pod['metadata']['name']}-experiment" for pod in of_kind(manifests, "Pod")]
    try:
        client.run("podman", "play", "kube", "--network", "none", str(file))
        codes = client.run("podman", "wait", *names).split()
        logs = "\n".join(client.run("podman", "logs", name) for name in names)
    finally:
        client.run("podman", "play", "kube", "--down", str(file), check=False)
    assert codes == ["0"] * len(names), logs
    assert pq.read_table(folder / "results" / "results.parquet").num_rows == _COUNT * len(_PLAN["codecs"])
