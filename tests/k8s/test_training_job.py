"""The training job's own command, in two processes as its two pods run it, on CPUs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scripts.render_k8s import golden
from tests.deploy.manifest_checks import of_kind, pod_spec

pytestmark = pytest.mark.k8s

_OPTIONS = (
    "--preset dcgan --image-size-px 32 --generator-features 4 --discriminator-features 4 --batch-size 4"
)
_LIMIT_S = 600


def free_port() -> int:
    """Returns a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_pods(values: dict[str, str]) -> None:
    """Runs the command of the rendered job once for each index, all at the same time."""
    manifests = list(yaml.safe_load_all(golden("job-train").read_text(encoding="utf-8")))
    (job,) = of_kind(manifests, "Job")
    container = pod_spec(job)["containers"][0]
    declared = {entry["name"]: entry["value"] for entry in container["env"]}
    port = str(free_port())
    (script,) = container["args"]
    command = [*container["command"], script.replace("--master-port 29400", f"--master-port {port}")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    pods = [
        subprocess.Popen(
            command,
            env={**os.environ, "PATH": path, **declared, **values, "JOB_COMPLETION_INDEX": str(index)},
        )
        for index in range(job["spec"]["completions"])
    ]
    try:
        assert [pod.wait(_LIMIT_S) for pod in pods] == [0] * len(pods)
    finally:
        for pod in pods:
            pod.kill()


def test_two_pods_train_one_run_and_resume_it(tmp_path: Path) -> None:
    """Both pods train together and end well; started again, they resume the run that is there."""
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    random = np.random.default_rng(0)
    for index in range(40):
        pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(data / f"{index}.png")
    values = {"DATA": str(data), "RUN": str(run), "MASTER": "127.0.0.1"}
    run_pods({**values, "OPTIONS": f"{_OPTIONS} --epochs 1 --device cpu"})
    first = (run / "checkpoint.pt").stat()
    run_pods({**values, "OPTIONS": "--none-such"})  # unused by resume
    assert (run / "checkpoint.pt").stat().st_mtime >= first.st_mtime
