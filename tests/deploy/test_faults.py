"""The gate finds what it is there for: seeded faults, each told by the check that guards against it."""

from __future__ import annotations

import copy

import pytest

from tests.deploy import cluster_checks as cluster
from tests.deploy import manifest_checks as checks
from tests.deploy.faults import Fault, added, container, pod, policy, seed, service, setting, train, without
from tests.deploy.test_manifests import load, schema_faults

pytestmark = pytest.mark.k8s

_SCALER = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "second", "namespace": "ganpress"},
    "spec": {"scaleTargetRef": {"name": "generator"}, "minReplicaCount": 2, "maxReplicaCount": 3},
}

FAULTS: list[tuple[checks.Check, str, Fault, str]] = [
    (checks.selectors_match, "cpu", service("selector", {}), "is empty"),
    (checks.selectors_match, "cpu", service("selector", {"app": "generator"}), "nobody"),
    (
        checks.selectors_match,
        "cpu",
        service("selector", {"app.kubernetes.io/part-of": "ganpress"}),
        "not of one",
    ),
    (
        checks.selectors_match,
        "cpu",
        seed("Deployment", "spec/selector/matchLabels", {"app.kubernetes.io/name": "compressor"}),
        "picks the pods of compressor",
    ),
    (checks.services_reach_ports, "cpu", service("ports/0/targetPort", "http"), "targetPort http"),
    (checks.services_reach_ports, "cpu", service("ports/0/port", 80), "port 80 differs"),
    (checks.services_reach_ports, "cpu", service("ports/0/appProtocol", None), "HTTP/2"),
    (checks.servers_listen_on_ports, "cpu", setting("PORT", "50050"), "the server binds 50050"),
    (checks.servers_listen_on_ports, "cpu", setting("METRICS_PORT", "9100"), "the server binds 9100"),
    (checks.probes_ask_the_server, "cpu", container("startupProbe", None), "startupProbe is no gRPC probe"),
    (checks.probes_ask_the_server, "cpu", container("livenessProbe", {"httpGet": {}}), "livenessProbe is no"),
    (checks.probes_ask_the_server, "cpu", container("livenessProbe/grpc/port", 8080), "asks port 8080"),
    (checks.probes_ask_the_server, "cpu", container("readinessProbe/grpc/service", "G"), "does not know"),
    (checks.settings_are_known, "cpu", setting("THREADZ", "2"), "GANPRESS_GENERATOR_THREADZ is no setting"),
    (checks.settings_are_known, "cpu", setting("GRACE_S", "soon"), "grace_s"),
    (checks.references_resolve, "cpu", pod("serviceAccountName", "nobody"), "ServiceAccount nobody"),
    (
        checks.references_resolve,
        "cpu",
        seed("ConfigMap", "metadata/name", "generator"),
        "ConfigMap generator-s",
    ),
    (
        checks.references_resolve,
        "cpu",
        seed("ConfigMap", "metadata/namespace", "default"),
        "in its namespace",
    ),
    (checks.references_resolve, "cpu", pod("volumes", []), "volume tmp"),
    (
        checks.references_resolve,
        "component-model-pvc",
        without("PersistentVolumeClaim", "models"),
        "PersistentVolumeClaim models",
    ),
    (
        checks.shutdown_fits,
        "cpu",
        pod("terminationGracePeriodSeconds", 10),
        "terminationGracePeriodSeconds 10",
    ),
    (checks.shutdown_fits, "cpu", setting("GRACE_S", "60"), "grace 60"),
    (checks.images_are_of_this_version, "cpu", container("image", "ganpress-generator:latest"), ":latest"),
    (checks.images_are_of_this_version, "cpu", container("image", "ganpress-generator"), "none of ours"),
    (checks.pods_are_restricted, "cpu", pod("securityContext/runAsUser", 0), "runs as root"),
    (checks.pods_are_restricted, "cpu", pod("securityContext/runAsNonRoot", None), "runs as root"),
    (checks.pods_are_restricted, "cpu", pod("securityContext/seccompProfile", None), "seccomp"),
    (
        checks.pods_are_restricted,
        "cpu",
        container("securityContext/allowPrivilegeEscalation", True),
        "may gain privileges",
    ),
    (
        checks.pods_are_restricted,
        "cpu",
        container("securityContext/capabilities", None),
        "keeps capabilities",
    ),
    (
        checks.pods_are_restricted,
        "cpu",
        container("securityContext/readOnlyRootFilesystem", None),
        "its root",
    ),
    (checks.pods_are_restricted, "cpu", pod("automountServiceAccountToken", None), "mounts a token"),
    (checks.pods_are_restricted, "cpu", pod("enableServiceLinks", None), "service links"),
    (checks.resources_are_bounded, "cpu", container("resources/limits/memory", None), "memory needs"),
    (checks.resources_are_bounded, "cpu", container("resources/requests/cpu", "3"), "cpu request 3"),
    (
        checks.memory_holds_the_largest_images,
        "dev",
        seed("Deployment", "spec/template/spec/containers/0/resources/limits/cpu", "2", "compressor"),
        "that 2 x 4194304 pixels take",
    ),
    (
        checks.memory_holds_the_largest_images,
        "dev",
        seed("ConfigMap", "data/GANPRESS_COMPRESSOR_MAX_PIXELS", None, "compressor"),
        "that 1 x 67108864 pixels take",
    ),
    (checks.namespace_is_one, "cpu", seed("Deployment", "metadata/namespace", None), "namespace None"),
    (checks.namespace_is_one, "cpu", seed("ServiceAccount", "metadata/name", "compressor"), "exists 2 times"),
    (
        cluster.scalers_have_a_target,
        "cpu",
        seed("HorizontalPodAutoscaler", "spec/scaleTargetRef/name", "generators"),
        "no Deployment generators",
    ),
    (
        cluster.scalers_have_a_target,
        "cpu",
        seed("HorizontalPodAutoscaler", "spec/minReplicas", 1),
        "less than 2",
    ),
    (cluster.scalers_have_a_target, "cpu", seed("Deployment", "spec/replicas", 2), "sets replicas as well"),
    (cluster.scalers_have_a_target, "cpu", added(_SCALER), "scales generator as well"),
    (cluster.budgets_let_nodes_drain, "cpu", without("PodDisruptionBudget", "generator"), "0 disruption"),
    (
        cluster.budgets_let_nodes_drain,
        "cpu",
        seed("PodDisruptionBudget", "spec/maxUnavailable", 0),
        "maxUnavailable is not 1",
    ),
    (
        cluster.budgets_let_nodes_drain,
        "cpu",
        seed("PodDisruptionBudget", "spec/unhealthyPodEvictionPolicy", None),
        "hold up a drain",
    ),
    (cluster.replicas_spread, "cpu", pod("topologySpreadConstraints", []), "do not spread"),
    (
        cluster.replicas_spread,
        "cpu",
        pod("topologySpreadConstraints/0/labelSelector/matchLabels", {"app": "x"}),
        "other pods",
    ),
    (cluster.replicas_spread, "cpu", pod("topologySpreadConstraints/1/matchLabelKeys", []), "old pods"),
    (
        cluster.updates_keep_capacity,
        "cpu",
        seed("Deployment", "spec/strategy/rollingUpdate/maxUnavailable", 1),
        "maxSurge and maxUnavailable",
    ),
    (
        cluster.updates_keep_capacity,
        "gpu",
        seed("Deployment", "spec/strategy/rollingUpdate", {"maxSurge": 1, "maxUnavailable": 0}),
        "are not (0, 1)",
    ),
    (cluster.policies_match, "cpu", without("NetworkPolicy", "default-deny"), "denies by default"),
    (
        cluster.policies_match,
        "cpu",
        policy("generator", "ingress/0/ports/0/port", 50050),
        "port 50050 is none",
    ),
    (cluster.policies_match, "cpu", policy("generator", "ingress/0/from", None), "lets everybody in"),
    (cluster.policies_match, "cpu", policy("generator", "podSelector/matchLabels", {"app": "g"}), "no pods"),
    (cluster.policies_match, "cpu", policy("clients", "egress/0/to", [{}]), "lets out to everywhere"),
    (
        cluster.policies_match,
        "cpu",
        policy("clients", "egress/0/to/0/podSelector/matchLabels", {"app": "g"}),
        "pods that there are not",
    ),
    (cluster.servers_can_be_reached, "cpu", without("NetworkPolicy", "generator"), "lets clients reach"),
    (cluster.servers_can_be_reached, "cpu", without("NetworkPolicy", "metrics"), "lets Prometheus reach"),
    (
        cluster.monitors_pick_pods,
        "cpu",
        seed("PodMonitor", "spec/selector/matchLabels", {"app": "g"}, "ganpress"),
        "picks no pods",
    ),
    (
        cluster.monitors_pick_pods,
        "cpu",
        seed("PodMonitor", "spec/podMetricsEndpoints/0/port", "http", "ganpress"),
        "has no port http",
    ),
    (cluster.gpus_are_whole, "gpu", container("resources/requests", {"cpu": "2", "memory": "2Gi"}), "differ"),
    (cluster.gpus_are_whole, "gpu", pod("tolerations", []), "does not tolerate"),
    (cluster.gpus_are_whole, "gpu", pod("runtimeClassName", None), "without NVIDIA"),
    (cluster.gpus_are_whole, "gpu", setting("DEVICE", "cpu"), "do not go together"),
    (cluster.gpus_are_whole, "gpu", setting("DEVICE_REQUIRED", "false"), "ready without its GPU"),
    (cluster.gpus_are_whole, "gpu", container("image", "ganpress-generator:0.1.0"), "do not go together"),
    (cluster.jobs_are_whole, "job-train", train("completionMode", "NonIndexed"), "do not know their index"),
    (cluster.jobs_are_whole, "job-train", train("completions", 4), "2 nodes are not its 4"),
    (cluster.jobs_are_whole, "job-train", train("parallelism", 1), "do not run together"),
    (cluster.jobs_are_whole, "job-train", train("template/spec/restartPolicy", "OnFailure"), "Never"),
    (cluster.jobs_are_whole, "job-train", train("podFailurePolicy", None), "counts as a failure"),
    (
        cluster.jobs_are_whole,
        "job-experiment",
        seed("Job", "spec/podFailurePolicy/rules/1", None, "experiment"),
        "is tried again",
    ),
    (
        cluster.jobs_are_whole,
        "job-train",
        seed("Service", "spec/publishNotReadyAddresses", None, "train"),
        "before they are ready",
    ),
    (
        cluster.jobs_are_whole,
        "job-train",
        train("template/spec/subdomain", "trainer"),
        "does not name its pods",
    ),
    (
        cluster.certificates_are_issued,
        "prod",
        seed("Certificate", "spec/issuerRef/name", "nobody"),
        "no issuer nobody",
    ),
    (cluster.certificates_are_issued, "prod", without("Certificate", "ganpress-authority"), "nobody makes"),
    (
        cluster.certificates_are_issued,
        "prod",
        seed("Certificate", "spec/dnsNames", ["generator"]),
        "no certificate has its name",
    ),
    (checks.probes_ask_the_server, "prod", container("livenessProbe/grpc/port", 50051), "speaks TLS"),
    (cluster.volumes_are_bounded, "cpu", pod("volumes/0/emptyDir", {}), "may fill the node"),
    (
        cluster.volumes_are_bounded,
        "job-train",
        train("template/spec/volumes/2/emptyDir/sizeLimit", "12Gi"),
        "more than half",
    ),
]


@pytest.mark.parametrize(("check", "render", "fault", "sentence"), FAULTS, ids=[fault[3] for fault in FAULTS])
def test_a_check_finds_its_fault(check: checks.Check, render: str, fault: Fault, sentence: str) -> None:
    """A seeded fault is told by the check that is there for it."""
    faulty = copy.deepcopy(load(render))
    fault(faulty)
    assert any(sentence in found for found in check(faulty))


def test_every_check_has_a_seeded_fault() -> None:
    """No check goes unproven."""
    assert {fault[0] for fault in FAULTS} == {*checks.CHECKS, *cluster.CLUSTER_CHECKS}


MISSPELT: list[tuple[str, str, str, Fault]] = [
    ("cpu", "Deployment", "readynessProbe", container("readynessProbe", {})),
    ("cpu", "Deployment", "Deplyment", seed("Deployment", "kind", "Deplyment")),
    ("cpu", "NetworkPolicy", "podSelectors", policy("generator", "podSelectors", {})),
    ("cpu", "PodDisruptionBudget", "minAvailabel", seed("PodDisruptionBudget", "spec/minAvailabel", 1)),
    ("cpu", "HorizontalPodAutoscaler", "minReplica", seed("HorizontalPodAutoscaler", "spec/minReplica", 1)),
    (
        "cpu",
        "PodMonitor",
        "podMetricEndpoints",
        seed("PodMonitor", "spec/podMetricEndpoints", [], "ganpress"),
    ),
    ("cpu", "PrometheusRule", "expresion", seed("PrometheusRule", "spec/groups/0/expresion", "", "ganpress")),
    ("prod", "ScaledObject", "minReplicas", seed("ScaledObject", "spec/minReplicas", 2)),
    ("component-gateway", "GRPCRoute", "backends", seed("GRPCRoute", "spec/rules/0/backends", [])),
    ("component-kueue", "ClusterQueue", "quota", seed("ClusterQueue", "spec/quota", {}, "ganpress")),
    ("component-trainjob", "TrainJob", "nodes", seed("TrainJob", "spec/trainer/nodes", 2, "train")),
    (
        "component-trainjob",
        "TrainingRuntime",
        "replicatedJob",
        seed("TrainingRuntime", "spec/template/spec/replicatedJob", [], "train"),
    ),
    ("job-train", "Job", "completion", train("completion", 2)),
]


@pytest.mark.parametrize(("render", "kind", "name", "fault"), MISSPELT, ids=[entry[2] for entry in MISSPELT])
def test_a_schema_finds_a_field_that_does_not_exist(render: str, kind: str, name: str, fault: Fault) -> None:
    """A misspelt field or kind is told, by its name."""
    manifests = copy.deepcopy(load(render))
    chosen = [manifest for manifest in manifests if manifest["kind"] == kind]
    fault(manifests)
    assert any(name in fault for manifest in chosen for fault in schema_faults(manifest, "1.37"))
