"""A cluster of real services in network namespaces, under load, loses no call whatever happens to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.k8s.isolated import report_of

pytestmark = pytest.mark.k8s


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What the emulation says after a short run."""
    options = ("--rate", "40", "--seconds", "30", "--pause", "2", "--connection-age", "5")
    return report_of("tests.k8s.emulation", *options)


def test_no_call_is_lost(report: dict[str, Any]) -> None:
    """Killed containers, a drained node, updates of both services, scaling to 1, 4 and 1 lose no call."""
    assert report["all"]["calls"] > 1000
    assert report["all"]["lost"] == 0, report["errors"]
    assert report["ended_in_time"], "a pod was killed, or failed, when its grace period was over"


def test_new_pods_take_their_share(report: dict[str, Any]) -> None:
    """Each of four pods gets calls, three of which started under the load."""
    least, *_, most = report["calls_of_each_of_four"]
    assert least > most / 3


def test_a_corrupt_model_takes_no_traffic(report: dict[str, Any]) -> None:
    """A pod whose model is corrupt never becomes ready, while the one before goes on."""
    assert not report["corrupt_was_ready"]
    assert report["corrupt_restarts"] >= 1
    assert report["phases"]["corrupt model"]["calls"] > 0


def test_only_what_a_policy_allows_gets_through(report: dict[str, Any]) -> None:
    """Clients reach the services; strangers, other ports and services among themselves are refused."""
    assert report["reached"] == {
        "client to generator": True,
        "client to metrics": False,
        "stranger to generator": False,
        "generator to compressor": False,
    }
