"""Fixtures for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.models import write_model

# No test may fail because a machine is busy.
settings.register_profile("ganpress", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ganpress")

HEAVY = {"browser", "fuzz", "k8s", "large", "node", "quantize", "training", "triton"}
"""Marks of tests that need minutes or programs of their own: they have the mark `heavy`, too."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared/data"


def pytest_configure() -> None:
    """Lets Ctrl-C end the commands under test: a shell lets ignore it what it starts in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks heavy tests as such, before they are chosen by their marks."""
    for item in items:
        if HEAVY & {mark.name for mark in item.iter_markers()}:
            item.add_marker("heavy")


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random models of 16x16 px: `cars` (labels coupe, sedan, suv; versions 1 and 2), `dogs` (no labels)."""
    root = tmp_path_factory.mktemp("models")
    write_model(root, "cars", 1, seed=1)
    write_model(root, "cars", 2, seed=2)
    write_model(root, "dogs", 1, labels=(), seed=3)
    return root


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the archives of real photographs; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the photographs are not in {SHARED_DATA}")
    return SHARED_DATA
