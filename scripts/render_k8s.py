"""Renders every Kubernetes overlay to deploy/k8s/rendered/<overlay>.yaml.

`python scripts/render_k8s.py` writes them; a review then shows what a change does to the cluster, and
the tests compare them with a fresh render.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

K8S_ROOT = Path(__file__).resolve().parent.parent / "deploy" / "k8s"
OVERLAYS = sorted(path.name for path in (K8S_ROOT / "overlays").iterdir() if path.is_dir())


def render(overlay: str) -> str:
    """Returns the overlay's manifests as YAML text, made by the kubectl of this Python environment."""
    kubectl = Path(sys.executable).parent / "kubectl"
    command = [str(kubectl), "kustomize", str(K8S_ROOT / "overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def golden(overlay: str) -> Path:
    """Returns the committed file that holds the overlay's manifests."""
    return K8S_ROOT / "rendered" / f"{overlay}.yaml"


def main() -> None:
    for overlay in OVERLAYS:
        path = golden(overlay)
        path.parent.mkdir(exist_ok=True)
        path.write_text(render(overlay), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
