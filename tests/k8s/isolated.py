"""Programs that make a cluster, in namespaces of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_TOOLS = ("unshare", "nsenter", "setpriv", "ip", "nft", "dnsmasq", "mount")
_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_LIMIT_S = 900


def report_of(module: str, *options: str) -> dict[str, Any]:
    """Returns what a program says as JSON; the test is skipped where it cannot run."""
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        pytest.skip(f"the emulated cluster needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("the emulated cluster needs root, to make network namespaces")
    may = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if may.returncode:
        pytest.skip(f"the emulated cluster needs namespaces of its own: {may.stderr.strip()}")
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [*_NAMESPACES, sys.executable, "-m", module, *options],
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_S,
        check=True,
    )
    return json.loads(done.stdout)
