"""Podman for the tests that run real images."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator

import pytest

from tests.k8s.containers import Containers, missing_tools


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Containers]:
    """Podman in a network namespace of its own, with the images' base."""
    if missing := missing_tools():
        pytest.skip(f"building and running images needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("building and running images needs root")
    namespace, folder = f"ganpress{os.getpid()}", tmp_path_factory.mktemp("containers")
    added = subprocess.run(["ip", "netns", "add", namespace], stderr=subprocess.PIPE, text=True, check=False)
    if added.returncode:
        pytest.skip(f"building and running images needs a network namespace: {added.stderr.strip()}")
    try:
        found = Containers(namespace, folder)
        found.run("ip", "link", "set", "lo", "up")
        found.build_base(folder)
        yield found
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=True)
