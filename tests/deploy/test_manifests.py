"""The Kubernetes manifests: rendered, against the schemas, and against the servers they start."""

from __future__ import annotations

import json
from functools import cache

import grpc
import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scripts.render_k8s import RENDERS, golden, render
from services.common.server import Server
from tests.deploy import manifest_checks as checks
from tests.deploy import resource_schemas
from tests.deploy.cluster_checks import CLUSTER_CHECKS

pytestmark = pytest.mark.k8s

KUBERNETES_VERSIONS = ("1.30", "1.37")
"""The lowest supported, the first that has preStop's sleep by default, and the newest."""

LOWEST = {"component-model-image": "1.35"}
"""The lowest for renders that need a newer one."""


def load(name: str) -> list[checks.Manifest]:
    """Returns a committed render's manifests; that it is current is a test of its own."""
    return list(yaml.load_all(golden(name).read_text(encoding="utf-8"), yaml.CSafeLoader))


@pytest.fixture(scope="module", params=RENDERS)
def manifests(request: pytest.FixtureRequest) -> list[checks.Manifest]:
    """The manifests of each render."""
    return load(request.param)


def schema_faults(manifest: checks.Manifest, version: str) -> list[str]:
    """Returns what the schema of a Kubernetes version, or of an operator, has against a manifest."""
    if resource_schemas.is_known(manifest):
        return list(resource_schemas.faults(manifest))
    return _schema_faults(json.dumps(manifest), version)


@cache  # renders have most manifests in common
def _schema_faults(manifest: str, version: str) -> list[str]:
    try:
        # The answer is the version used: one older than asked for would mean that none was there.
        assert kubernetes_validate.validate(json.loads(manifest), version, strict=True) == version
    except kubernetes_validate.SchemaNotFoundError:
        return [f"there is no kind {json.loads(manifest)['kind']}"]
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("name", RENDERS)
def test_the_committed_render_is_current(name: str) -> None:
    """deploy/k8s/rendered holds what kubectl makes of the tree: else run scripts/render_k8s.py."""
    assert golden(name).read_text(encoding="utf-8") == render(name)


@pytest.mark.parametrize("name", RENDERS)
def test_every_manifest_fits_the_schema(name: str) -> None:
    """Every supported Kubernetes knows each kind and each field, or the kind's operator does."""
    lowest, newest = KUBERNETES_VERSIONS
    for version in (LOWEST.get(name, lowest), newest):
        for manifest in load(name):
            assert schema_faults(manifest, version) == []


@pytest.mark.parametrize("check", [*checks.CHECKS, *CLUSTER_CHECKS], ids=lambda check: check.__name__)
def test_the_manifests_hold_together(check: checks.Check, manifests: list[checks.Manifest]) -> None:
    """No check finds a fault."""
    assert list(check(manifests)) == []


@pytest.mark.parametrize("name", ["dev", "prod"])
async def test_the_servers_answer_the_probes(name: str) -> None:
    """A server started with the manifest's settings answers each of its probes with SERVING."""
    manifests = load(name)
    for _, container in checks.servers(manifests):
        server = Server([checks.service(container, manifests)])
        address = await server.start("127.0.0.1:0")
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                    asked = container[kind]["grpc"].get("service", "")
                    answer = await health.Check(health_pb2.HealthCheckRequest(service=asked))
                    assert answer.status == health_pb2.HealthCheckResponse.SERVING, kind
        finally:
            await server.stop()
