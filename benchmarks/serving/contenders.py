"""The servers that are measured: ours, and others from PyPI, each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.asking import Asking, by_http, by_open_inference, by_our_api

SERVERS = Path(__file__).parent / "servers"
ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".venv-peers"


@dataclass(frozen=True)
class Peer:
    """A server from PyPI, as its users would set it up: batching, one one-thread session a core."""

    name: str
    """Of it, and of its environment."""
    packages: Sequence[str]
    """What is installed."""
    command: Sequence[str]
    """Arguments for its environment's Python."""
    asking: Asking
    """How it is asked."""
    interpreter: str = sys.executable
    """Python for its environment."""

    def python(self) -> Path:
        """Returns its Python; installs it the first time, which takes minutes.

        Raises:
            RuntimeError: It cannot be installed; the message has pip's reason.
        """
        folder = ENVIRONMENTS / self.name
        python, complete = folder / "bin" / "python", folder / "complete"
        if not complete.exists():
            print(f"installing {self.name} in {folder}", file=sys.stderr)
            make = [self.interpreter, "-m", "venv", "--clear", folder]
            pip = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *self.packages,
            ]
            for command in (make, pip):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(
                        f"{self.name} cannot be installed: {(done.stderr or done.stdout).strip()[-500:]}"
                    )
            complete.touch()
        return python


PEERS = (
    Peer(
        "pytriton",
        ("nvidia-pytriton==0.7.0", "onnxruntime"),
        (str(SERVERS / "pytriton_server.py"),),
        by_open_inference(),
        # Its Triton has a Python 3.11.2 inside, which newer releases' standard library does not fit.
        "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable,
    ),
    Peer(
        "kserve", ("kserve==0.21.0", "onnxruntime"), (str(SERVERS / "kserve_server.py"),), by_open_inference()
    ),
    Peer(
        "mlserver",
        ("mlserver==1.7.1", "onnxruntime", "uvloop<0.22"),
        (str(SERVERS / "mlserver_server.py"),),
        by_open_inference(),
    ),
    Peer("litserve", ("litserve==0.2.19", "onnxruntime"), (str(SERVERS / "litserve_server.py"),), by_http),
    Peer(
        "bentoml",
        ("bentoml==1.4.39", "onnxruntime"),
        ("-m", "bentoml", "serve", "bentoml_server:Generator", "--working-dir", str(SERVERS)),
        by_http,
    ),
)

OURS: Mapping[str, Asking] = {
    "ours": by_our_api,
    "ours, Open Inference Protocol": by_open_inference(ours=True),
}


def our_command(root: Path, port: int, options: Sequence[str] = ()) -> list[str]:
    """Returns the command of our server in its default configuration, with further options."""
    return [sys.executable, "-m", "services.generator", "--port", str(port), "--models", str(root), *options]
