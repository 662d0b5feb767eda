"""The Kubernetes manifests: rendered, against the schemas, and against the servers they start."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import grpc
import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scripts.render_k8s import OVERLAYS, golden, render
from services.common.server import Server
from tests.deploy import manifest_checks as checks

pytestmark = pytest.mark.k8s

KUBERNETES_VERSIONS = ("1.30", "1.37")
"""The lowest supported, the first that has preStop's sleep by default, and the newest."""


def parse(text: str) -> list[checks.Manifest]:
    """Returns the manifests of a YAML stream."""
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[checks.Manifest]:
    """The manifests of each overlay as committed; that they are current is a test of its own."""
    return parse(golden(request.param).read_text(encoding="utf-8"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_committed_render_is_current(overlay: str) -> None:
    """deploy/k8s/rendered holds what kubectl makes of the overlay: else run scripts/render_k8s.py."""
    assert golden(overlay).read_text(encoding="utf-8") == render(overlay)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_manifest_fits_the_schema(version: str, manifests: list[checks.Manifest]) -> None:
    """Every supported Kubernetes knows each kind and each field."""
    for manifest in manifests:
        # The answer is the version used: one older than asked for would mean that none was there.
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_schema_refuses_a_field_that_does_not_exist(
    version: str, manifests: list[checks.Manifest]
) -> None:
    """A misspelt field or kind is refused."""
    deployment = copy.deepcopy(checks.of_kind(manifests, "Deployment")[0])
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, version, strict=True)
    deployment["kind"] = "Deplyment"
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        kubernetes_validate.validate(deployment, version, strict=True)


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_the_manifests_hold_together(check: checks.Check, manifests: list[checks.Manifest]) -> None:
    """No check finds a fault."""
    assert list(check(manifests)) == []


async def test_the_servers_answer_the_probes(manifests: list[checks.Manifest]) -> None:
    """A server started with the manifest's settings answers each of its probes with SERVING."""
    for _, container in checks.each_container(manifests):
        server = Server([checks.service(container, manifests)])
        address = await server.start("127.0.0.1:0")
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                    name = container[kind]["grpc"].get("service", "")
                    answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                    assert answer.status == health_pb2.HealthCheckResponse.SERVING, kind
        finally:
            await server.stop()


def find(manifests: list[checks.Manifest], kind: str, name: str) -> checks.Manifest:
    """Returns the manifest of a kind whose name starts with `name`."""
    return next(m for m in checks.of_kind(manifests, kind) if m["metadata"]["name"].startswith(name))


def seed(
    kind: str, path: str, value: Any, name: str = "generator"
) -> Callable[[list[checks.Manifest]], None]:
    """Returns a fault: sets the path a/b/c in a named manifest of a kind, or deletes it for None."""

    def apply(manifests: list[checks.Manifest]) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        node: Any = find(manifests, kind, name)
        for key in parents:
            node = node[key]
        if value is None:
            del node[last]
        else:
            node[last] = value

    return apply


def pod(path: str, value: Any) -> Callable[[list[checks.Manifest]], None]:
    """Returns a fault in the generator's pods."""
    return seed("Deployment", f"spec/template/spec/{path}", value)


def container(path: str, value: Any) -> Callable[[list[checks.Manifest]], None]:
    """Returns a fault in the generator's container."""
    return pod(f"containers/0/{path}", value)


def service(path: str, value: Any) -> Callable[[list[checks.Manifest]], None]:
    """Returns a fault in the generator's Service."""
    return seed("Service", f"spec/{path}", value)


def setting(name: str, value: str) -> Callable[[list[checks.Manifest]], None]:
    """Returns a fault in the generator's settings."""
    return seed("ConfigMap", f"data/GANPRESS_GENERATOR_{name}", value)


FAULTS: list[tuple[checks.Check, Callable[[list[checks.Manifest]], None], str]] = [
    (checks.selectors_match, service("selector", {}), "is empty"),
    (checks.selectors_match, service("selector", {"app": "generator"}), "no Deployment"),
    (checks.selectors_match, service("selector", {"app.kubernetes.io/part-of": "ganpress"}), "not of one"),
    (
        checks.selectors_match,
        seed("Deployment", "spec/selector/matchLabels", {"app.kubernetes.io/name": "compressor"}),
        "picks the pods of compressor",
    ),
    (checks.services_reach_ports, service("ports/0/targetPort", "http"), "targetPort http"),
    (checks.services_reach_ports, service("ports/0/port", 80), "port 80 differs"),
    (checks.services_reach_ports, service("ports/0/appProtocol", None), "HTTP/2"),
    (checks.servers_listen_on_ports, setting("PORT", "50050"), "the server binds 50050"),
    (checks.probes_ask_the_server, container("startupProbe", None), "startupProbe is no gRPC probe"),
    (checks.probes_ask_the_server, container("livenessProbe", {"httpGet": {}}), "livenessProbe is no gRPC"),
    (checks.probes_ask_the_server, container("livenessProbe/grpc/port", 8080), "asks port 8080"),
    (checks.probes_ask_the_server, container("readinessProbe/grpc/service", "Generator"), "does not know"),
    (checks.settings_are_known, setting("THREADZ", "2"), "GANPRESS_GENERATOR_THREADZ is no setting"),
    (checks.settings_are_known, setting("GRACE_S", "soon"), "grace_s"),
    (checks.references_resolve, pod("serviceAccountName", "nobody"), "ServiceAccount nobody"),
    (checks.references_resolve, seed("ConfigMap", "metadata/name", "generator"), "ConfigMap generator-s"),
    (checks.references_resolve, seed("ConfigMap", "metadata/namespace", "default"), "in its namespace"),
    (checks.references_resolve, pod("volumes", []), "volume tmp"),
    (checks.shutdown_fits, pod("terminationGracePeriodSeconds", 10), "terminationGracePeriodSeconds 10"),
    (checks.shutdown_fits, setting("GRACE_S", "60"), "grace 60"),
    (checks.images_are_of_this_version, container("image", "ganpress-generator:latest"), ":latest"),
    (checks.images_are_of_this_version, container("image", "ganpress-generator"), "none of ours"),
    (checks.pods_are_restricted, pod("securityContext/runAsUser", 0), "runs as root"),
    (checks.pods_are_restricted, pod("securityContext/runAsNonRoot", None), "runs as root"),
    (checks.pods_are_restricted, pod("securityContext/seccompProfile", None), "seccomp"),
    (
        checks.pods_are_restricted,
        container("securityContext/allowPrivilegeEscalation", True),
        "may gain privileges",
    ),
    (checks.pods_are_restricted, container("securityContext/capabilities", None), "keeps capabilities"),
    (checks.pods_are_restricted, container("securityContext/readOnlyRootFilesystem", None), "its root"),
    (checks.pods_are_restricted, pod("automountServiceAccountToken", None), "mounts a token"),
    (checks.pods_are_restricted, pod("enableServiceLinks", None), "service links"),
    (checks.resources_are_bounded, container("resources/limits/memory", None), "memory needs"),
    (checks.resources_are_bounded, container("resources/requests/cpu", "3"), "cpu request 3"),
    (
        checks.memory_holds_the_largest_images,
        seed("Deployment", "spec/template/spec/containers/0/resources/limits/cpu", "2", "compressor"),
        "that 2 x 4194304 pixels take",
    ),
    (
        checks.memory_holds_the_largest_images,
        seed("ConfigMap", "data/GANPRESS_COMPRESSOR_MAX_PIXELS", None, "compressor"),
        "that 1 x 67108864 pixels take",
    ),
    (checks.namespace_is_one, seed("Deployment", "metadata/namespace", None), "namespace None"),
    (checks.namespace_is_one, seed("ServiceAccount", "metadata/name", "compressor"), "exists 2 times"),
]


@pytest.mark.parametrize(("check", "fault", "sentence"), FAULTS, ids=[sentence for _, _, sentence in FAULTS])
def test_a_check_finds_its_fault(
    check: checks.Check,
    fault: Callable[[list[checks.Manifest]], None],
    sentence: str,
    manifests: list[checks.Manifest],
) -> None:
    """A seeded fault is told by the check that is there for it."""
    faulty = copy.deepcopy(manifests)
    fault(faulty)
    assert any(sentence in found for found in check(faulty))


def test_every_check_has_a_seeded_fault() -> None:
    """No check goes unproven."""
    assert {check for check, _, _ in FAULTS} == set(checks.CHECKS)
