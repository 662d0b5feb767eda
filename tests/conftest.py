"""Fixtures of all tests."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared/data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs; a test that needs it is marked `data` and skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real photographs are not at {SHARED_DATA}")
    return SHARED_DATA
