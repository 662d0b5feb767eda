"""A short run of the fuzzer itself: `pytest -m fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import NAMES

TOTAL_S = int(os.environ.get("GANPRESS_FUZZ_SECONDS", "120"))


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzzer's folder, which holds compiled code for all targets."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.fuzz
@pytest.mark.parametrize("target", NAMES)
def test_fuzzing(target: str, work: Path) -> None:
    """In its share of two minutes the fuzzer finds nothing that makes a parser fail."""
    pytest.importorskip("atheris")
    seconds = max(1, TOTAL_S // len(NAMES))
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"GANPRESS_FUZZ_DIR": str(work)},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = [path.read_text() for path in work.glob(f"{target}/found/*.txt")]
    assert finished.returncode == 0, "\n".join([finished.stdout, finished.stderr, *findings])
