"""The locked packages, and the script that checks them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the script reads."""
    for name in ("pyproject.toml", "requirements/base.txt", "requirements/dev.txt", "scripts/check_locks.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def checked(project: Path) -> str:
    """Returns what the script says; nothing when it finds nothing."""
    command = [sys.executable, str(project / "scripts/check_locks.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode == 0) == (result.stderr == "")
    return result.stderr


def test_locks_of_this_repository(project: Path) -> None:
    """The locked versions are among those that pyproject.toml allows, and each has hashes."""
    assert checked(project) == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", '"click>=8.1.7"', '"click>=99"', "base.txt has click"),
        ("pyproject.toml", '"click>=8.1.7"', '"click>=8.1.7", "unheard-of"', "base.txt lacks unheard-of"),
        ("pyproject.toml", '"ruff>=0.12"', '"ruff<0.1"', "dev.txt has ruff"),
        ("requirements/base.txt", "--hash=sha256:", "--hash=md5:", "base.txt has no hash of"),
    ],
)
def test_what_does_not_fit(project: Path, file: str, old: str, new: str, problem: str) -> None:
    """A version out of range, a package that is missing, and one without a hash are named."""
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    assert problem in checked(project)
