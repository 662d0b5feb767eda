"""The overlay `prod` under mutual TLS, with certificates as cert-manager would issue them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.k8s.isolated import report_of

pytestmark = pytest.mark.k8s


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What the emulation says."""
    return report_of("tests.k8s.emulation.mutual_tls")


def test_no_call_is_lost(report: dict[str, Any]) -> None:
    """Pods become ready by health in plain text, and an update under TLS loses no call."""
    assert report["calls"] > 50
    assert report["errors"] == []
    assert report["ended_in_time"]


def test_a_renewed_certificate_is_shown_at_once(report: dict[str, Any]) -> None:
    """After cert-manager renewed it a running pod shows the new certificate."""
    assert report["renewed"]


def test_only_certificates_of_the_authority_get_in(report: dict[str, Any]) -> None:
    """No certificate, a foreign one, and plain text get no answer; the health port has health alone."""
    assert report["answers"] == {
        "its certificate": "models",
        "no certificate": "UnreachableError",
        "a foreign certificate": "UnreachableError",
        "plain text": "UnreachableError",
        "plain text on the health port": "ServiceError",
        "metrics": "metrics",
    }
