"""Images built and run without an engine, by buildah, podman and runc, upon a base of Debian's packages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("buildah", "podman", "runc", "mmdebstrap", "nsenter", "ip", "iptables")
BASE = "localhost/python:3.11-slim-bookworm"
"""What the Dockerfiles' base is called here; the same Python, of Debian."""

_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Containers:
    """Runs podman and other commands in a network namespace."""

    def __init__(self, namespace: str, folder: Path) -> None:
        """Takes the namespace's name, and a folder for the configuration."""
        self._enter = ("nsenter", f"--net=/run/netns/{namespace}")
        config = folder / "containers.conf"
        config.write_text(_CONTAINERS_CONF, encoding="utf-8")
        self.environment = {**os.environ, "CONTAINERS_CONF": str(config)}

    def run(self, *command: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
        """Returns what a command in the namespace prints.

        Raises:
            AssertionError: It failed, and `check` is set; the message is what it said.
        """
        done = subprocess.run(
            [*self._enter, *command],
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def output(self, *command: str, given: bytes = b"") -> bytes:
        """Returns what a command in the namespace writes, given bytes to read.

        Raises:
            AssertionError: It failed; the message is what it said.
        """
        done = subprocess.run(
            [*self._enter, *command], env=self.environment, input=given, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr.decode()}"
        return done.stdout

    def start(
        self, command: Sequence[str], env: Mapping[str, str], output: BinaryIO | int
    ) -> subprocess.Popen[bytes]:
        """Starts a command in the namespace that writes to a file."""
        return subprocess.Popen([*self._enter, *command], env={**self.environment, **env}, stdout=output)

    def inspect(self, container: str) -> dict[str, Any]:
        """Returns what podman knows of a container."""
        return json.loads(self.run("podman", "inspect", container))[0]

    def compilers(self, image: str) -> str:
        """Returns the paths of compilers in an image, a line each."""
        script = "for name in gcc cc c++ clang as ld make; do command -v $name; done; true"
        return self.run(
            "podman", "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script
        )

    def packages(self, image: str) -> set[str]:
        """Returns the names of the Python packages in an image, by the SBOM that its label names."""
        (known,) = json.loads(self.run("podman", "image", "inspect", image))
        sbom = known["Labels"]["ganpress.sbom"]
        read = ("podman", "run", "--rm", "--network", "none", "--entrypoint", "cat", image, sbom)
        return {component["name"] for component in json.loads(self.run(*read))["components"]}

    def build_base(self, folder: Path) -> None:
        """Makes the base image, unless it is there."""
        if BASE in self.run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}"):
            return
        archive = folder / "base.tar"
        packages = "python3,python3-venv,ca-certificates"
        options = ("--variant=minbase", f"--include={packages}")
        # Outside the namespace, which reaches no mirror.
        subprocess.run(["mmdebstrap", "--quiet", *options, "bookworm", str(archive), mirror()], check=True)
        self.run("podman", "import", "--quiet", str(archive), BASE)
        archive.unlink()

    def build(self, dockerfile: str, tag: str) -> None:
        """Builds an image from the repository."""
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
        options = ("--layers", "--isolation", "chroot", "--network", "host", "--pull-never")
        done = subprocess.run(
            ["buildah", "bud", *options, "-v", certificates, "-t", tag, "-f", dockerfile, "."],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def missing_tools() -> list[str]:
    """Returns the tools that this machine lacks."""
    return [tool for tool in TOOLS if not shutil.which(tool)]


def mirror() -> str:
    """Returns the first mirror of this machine's APT sources."""
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*.sources")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    found = re.search(r"^(?:URIs:|deb)\s+(?:\[.*\]\s+)?(\S+)", text, re.MULTILINE)
    assert found, "no mirror in /etc/apt"
    return found[1]
