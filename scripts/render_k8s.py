"""Renders the Kubernetes manifests to deploy/k8s/rendered/.

`python scripts/render_k8s.py` writes every overlay and job, and each component that none of them uses upon
one that it goes with. A review then shows what a change does to the cluster, and the tests compare the files
with a fresh render.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

K8S_ROOT = Path(__file__).resolve().parent.parent / "deploy" / "k8s"
RENDERED = K8S_ROOT / "rendered"

COMPONENTS: dict[str, tuple[str, str]] = {
    "component-gateway": ("overlays/cpu", "gateway"),
    "component-gpu-mig": ("overlays/cpu", "gpu-mig"),
    "component-kueue": ("jobs/train", "kueue"),
    "component-model-image": ("overlays/cpu", "model-image"),
    "component-model-pvc": ("overlays/cpu", "model-pvc"),
    "component-trainjob": ("jobs/train", "trainjob"),
}
"""Renders of a component: what it is put upon, and its name."""


def _folders() -> dict[str, str]:
    """Returns the folder of each overlay and job by the name of its render."""
    overlays = {path.name: f"overlays/{path.name}" for path in (K8S_ROOT / "overlays").iterdir()}
    jobs = {f"job-{path.name}": f"jobs/{path.name}" for path in (K8S_ROOT / "jobs").iterdir()}
    return overlays | jobs


RENDERS = sorted([*_folders(), *COMPONENTS])
"""Names of all renders."""


def render(name: str) -> str:
    """Returns a render's manifests as YAML text, made by the kubectl of this Python environment."""
    if name in COMPONENTS:
        base, component = COMPONENTS[name]
        return compose(base, [component])
    return _kustomize(K8S_ROOT / _folders()[name])


def compose(base: str, components: Sequence[str]) -> str:
    """Returns the render of components upon an overlay or job."""
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.relpath(K8S_ROOT, Path(folder).resolve())
        lines = ["resources:", f"  - {root}/{base}", "components:"]
        lines += [f"  - {root}/components/{component}" for component in components]
        lines += [f"namespace: {_namespace(base)}"]
        Path(folder, "kustomization.yaml").write_text("\n".join(lines), encoding="utf-8")
        return _kustomize(Path(folder))


def golden(name: str) -> Path:
    """Returns the committed file that holds a render."""
    return RENDERED / f"{name}.yaml"


def _namespace(folder: str) -> str:
    lines = (K8S_ROOT / folder / "kustomization.yaml").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("namespace:"))


def _kustomize(folder: Path) -> str:
    kubectl = Path(sys.executable).parent / "kubectl"
    command = [str(kubectl), "kustomize", str(folder)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    RENDERED.mkdir(exist_ok=True)
    for stale in set(RENDERED.glob("*.yaml")) - {golden(name) for name in RENDERS}:
        stale.unlink()
    for name in RENDERS:
        golden(name).write_text(render(name), encoding="utf-8")
        print(golden(name))


if __name__ == "__main__":
    main()
