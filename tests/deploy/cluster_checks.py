"""That autoscalers, budgets, policies, GPUs and Jobs fit what they are for; see `manifest_checks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.deploy.manifest_checks import (
    SETTINGS,
    Check,
    Manifest,
    amount,
    name_of,
    of_kind,
    owners,
    pod_labels,
    pod_spec,
    program,
    servers,
    settings,
    speaks_tls,
)


def scalers_have_a_target(manifests: list[Manifest]) -> Iterator[str]:
    """Each Deployment is scaled by one scaler at most, which then alone says how many replicas there are."""
    deployments = {m["metadata"]["name"]: m for m in of_kind(manifests, "Deployment")}
    seen: dict[str, str] = {}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler") + of_kind(manifests, "ScaledObject"):
        spec, target = scaler["spec"], scaler["spec"]["scaleTargetRef"]["name"]
        where = f"{name_of(scaler)}: "
        if target not in deployments:
            yield f"{where}there is no Deployment {target}"
            continue
        if target in seen:
            yield f"{where}{seen[target]} scales {target} as well"
        seen[target] = name_of(scaler)
        if "replicas" in deployments[target]["spec"]:
            yield f"{where}Deployment {target} sets replicas as well"
        low = spec.get("minReplicas", spec.get("minReplicaCount", 1))
        high = spec.get("maxReplicas", spec.get("maxReplicaCount", 1))
        if not 2 <= low <= high:
            yield f"{where}{low} to {high} replicas: less than 2 lose calls when one goes"


def budgets_let_nodes_drain(manifests: list[Manifest]) -> Iterator[str]:
    """Each Deployment has one disruption budget, which always lets one pod go, even one never ready."""
    for deployment in of_kind(manifests, "Deployment"):
        budgets = [
            budget
            for budget in of_kind(manifests, "PodDisruptionBudget")
            if budget["spec"]["selector"]["matchLabels"].items() <= pod_labels(deployment).items()
        ]
        if len(budgets) != 1:
            yield f"{name_of(deployment)}: {len(budgets)} disruption budgets, not one"
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{name_of(budget)}: maxUnavailable is not 1"
        if budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name_of(budget)}: pods that are not ready hold up a drain"


def replicas_spread(manifests: list[Manifest]) -> Iterator[str]:
    """The replicas of one version of a Deployment spread over nodes and zones, without holding up any."""
    for deployment in of_kind(manifests, "Deployment"):
        rules = pod_spec(deployment).get("topologySpreadConstraints", [])
        keys = {rule["topologyKey"] for rule in rules}
        for key in {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} - keys:
            yield f"{name_of(deployment)}: replicas do not spread by {key}"
        for rule in rules:
            if rule["labelSelector"]["matchLabels"] != deployment["spec"]["selector"]["matchLabels"]:
                yield f"{name_of(deployment)}: spreads other pods than its own"
            if rule.get("matchLabelKeys") != ["pod-template-hash"]:
                yield f"{name_of(deployment)}: old pods count for the spread of new ones"


def updates_keep_capacity(manifests: list[Manifest]) -> Iterator[str]:
    """A new pod is ready before an old one goes; with GPUs, of which none may be free, the other way."""
    for deployment in of_kind(manifests, "Deployment"):
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        limits = pod_spec(deployment)["containers"][0]["resources"]["limits"]
        wanted = (0, 1) if any(key.startswith("nvidia.com/") for key in limits) else (1, 0)
        if (rolling.get("maxSurge"), rolling.get("maxUnavailable")) != wanted:
            yield f"{name_of(deployment)}: maxSurge and maxUnavailable are not {wanted}"


def policies_match(manifests: list[Manifest]) -> Iterator[str]:
    """Nothing may talk unless a policy says so, and policies name pods and ports that there are."""
    policies = of_kind(manifests, "NetworkPolicy")
    denies = [
        policy
        for policy in policies
        if not policy["spec"]["podSelector"]
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    ]
    if not denies and owners(manifests):
        yield "no NetworkPolicy denies by default"
    for policy in policies:
        spec, where = policy["spec"], f"{name_of(policy)}: "
        picked = _picked(manifests, spec["podSelector"])
        is_for_clients = spec["podSelector"].get("matchLabels") == {"ganpress-client": "true"}
        if spec["podSelector"] and not picked and not is_for_clients:
            yield f"{where}picks no pods"
        for rule in spec.get("ingress", []):
            if rule.get("from") in (None, [], [{}]):
                yield f"{where}lets everybody in"
            yield from (where + fault for fault in _unknown_ports(rule, picked))
        for rule in spec.get("egress", []):
            if rule.get("to") in (None, [], [{}]):
                yield f"{where}lets out to everywhere"
            for peer in rule.get("to", []):
                if "namespaceSelector" not in peer:
                    there = _picked(manifests, peer["podSelector"])
                    if not there:
                        yield f"{where}lets out to pods that there are not"
                    yield from (where + fault for fault in _unknown_ports(rule, there))


def servers_can_be_reached(manifests: list[Manifest]) -> Iterator[str]:
    """Policies let clients reach every server, and Prometheus its metrics where it reads them."""
    policies = of_kind(manifests, "NetworkPolicy")
    for owner, container in servers(manifests):
        ports = {port["containerPort"] for port in container["ports"] if port["name"] == "grpc"}
        opened = {
            port["port"]
            for policy in policies
            if owner in _picked(manifests, policy["spec"]["podSelector"])
            for rule in policy["spec"].get("ingress", [])
            for port in rule.get("ports", [])
        }
        for port in ports - opened:
            yield f"{name_of(owner)}: no policy lets clients reach port {port}"
        if of_kind(manifests, "PodMonitor") and settings(container, manifests).metrics_port not in opened:
            yield f"{name_of(owner)}: no policy lets Prometheus reach the metrics"


def _picked(manifests: list[Manifest], selector: Manifest) -> list[Manifest]:
    labels = selector.get("matchLabels", {})
    return [owner for owner in owners(manifests) if labels.items() <= pod_labels(owner).items()]


def _unknown_ports(rule: Manifest, picked: list[Manifest]) -> Iterator[str]:
    known = {
        port["containerPort"]
        for owner in picked
        for container in pod_spec(owner)["containers"]
        for port in container.get("ports", [])
    }
    for port in rule.get("ports", []):
        if picked and port["port"] not in known:
            yield f"port {port['port']} is none of {sorted(known)}"


def monitors_pick_pods(manifests: list[Manifest]) -> Iterator[str]:
    """A PodMonitor picks pods that have the port it reads."""
    for monitor in of_kind(manifests, "PodMonitor"):
        picked = _picked(manifests, monitor["spec"]["selector"])
        if not picked:
            yield f"{name_of(monitor)}: picks no pods"
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for owner in picked:
                names = {port["name"] for c in pod_spec(owner)["containers"] for port in c.get("ports", [])}
                if endpoint["port"] not in names:
                    yield f"{name_of(monitor)}: {name_of(owner)} has no port {endpoint['port']}"


def gpus_are_whole(manifests: list[Manifest]) -> Iterator[str]:
    """A GPU is requested as it is limited, its taint is tolerated, and the program computes on it."""
    for owner in owners(manifests):
        pod = pod_spec(owner)
        for container in pod["containers"]:
            resources = container["resources"]
            gpus = {key for part in resources.values() for key in part if key.startswith("nvidia.com/")}
            for key in gpus:
                if resources["requests"].get(key) != resources["limits"].get(key):
                    yield f"{name_of(owner)}: request and limit of {key} differ"
            if gpus and not any(t.get("key") == "nvidia.com/gpu" for t in pod.get("tolerations", [])):
                yield f"{name_of(owner)}: does not tolerate the taint of nodes with GPUs"
            if gpus and pod.get("runtimeClassName") != "nvidia":
                yield f"{name_of(owner)}: runs without NVIDIA's runtime"
            if program(container) in SETTINGS:
                device: Any = getattr(settings(container, manifests), "device", "cpu")
                if (device != "cpu") != bool(gpus) or program(container).endswith("-gpu") != bool(gpus):
                    yield f"{name_of(owner)}: image, device {device} and GPUs do not go together"
                if gpus and not getattr(settings(container, manifests), "device_required", False):
                    yield f"{name_of(owner)}: would be ready without its GPU"


def jobs_are_whole(manifests: list[Manifest]) -> Iterator[str]:
    """A Job's pods know their share, start together where they work together, and may be drained."""
    services = {m["metadata"]["name"]: m for m in of_kind(manifests, "Service")}
    for job in of_kind(manifests, "Job"):
        spec, pod, where = job["spec"], pod_spec(job), f"{name_of(job)}: "
        container = pod["containers"][0]
        text = " ".join([*container.get("command", []), *container.get("args", [])])
        count = str(spec.get("completions"))
        if spec.get("completionMode") != "Indexed" or "JOB_COMPLETION_INDEX" not in text:
            yield f"{where}its pods do not know their index"
        values = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
        if "NODES" in values and values["NODES"] != count:
            yield f"{where}{values['NODES']} nodes are not its {count} completions"
        if "--shard" in text and f"/{count}" not in text:
            yield f"{where}the shards are not its {count} completions"
        if "torchrun" in text and spec.get("parallelism") != spec.get("completions"):
            yield f"{where}pods that work together do not run together"
        if pod.get("restartPolicy") != "Never":
            yield f"{where}a pod failure policy needs restartPolicy Never"
        rules = spec.get("podFailurePolicy", {}).get("rules", [])
        if not any(
            rule["action"] == "Ignore"
            and rule.get("onPodConditions", [{}])[0].get("type") == "DisruptionTarget"
            for rule in rules
        ):
            yield f"{where}the drain of a node counts as a failure"
        if "backoffLimitPerIndex" in spec and not any(
            rule["action"] == "FailIndex" and 2 in rule.get("onExitCodes", {}).get("values", ())
            for rule in rules
        ):
            yield f"{where}a wrong command line is tried again"
        if subdomain := pod.get("subdomain"):
            service = services.get(subdomain, {"spec": {}})["spec"]
            if service.get("clusterIP") != "None" or not service.get("publishNotReadyAddresses"):
                yield f"{where}Service {subdomain} does not name its pods before they are ready"
            if values.get("MASTER") != f"{job['metadata']['name']}-0.{subdomain}":
                yield f"{where}{values.get('MASTER')} is not its first pod"


def certificates_are_issued(manifests: list[Manifest]) -> Iterator[str]:
    """A certificate's issuer is there, and its Secret; a server's names are those of its Services."""
    issuers = {manifest["metadata"]["name"] for manifest in of_kind(manifests, "Issuer")}
    certificates = of_kind(manifests, "Certificate")
    secrets = {certificate["spec"]["secretName"] for certificate in certificates}
    for certificate in certificates:
        if (issuer := certificate["spec"]["issuerRef"]["name"]) not in issuers:
            yield f"{name_of(certificate)}: there is no issuer {issuer}"
    for issuer in of_kind(manifests, "Issuer"):
        if (secret := issuer["spec"].get("ca", {}).get("secretName", "")) and secret not in secrets:
            yield f"{name_of(issuer)}: nobody makes the Secret {secret}"
    if not speaks_tls(manifests):
        return
    names = {name for certificate in certificates for name in certificate["spec"].get("dnsNames", [])}
    for service in of_kind(manifests, "Service"):
        if service["metadata"]["name"] not in names:
            yield f"{name_of(service)}: no certificate has its name"


def volumes_are_bounded(manifests: list[Manifest]) -> Iterator[str]:
    """An emptyDir has a limit, and one in memory fits into the container's."""
    for owner in owners(manifests):
        memory = sum(amount(c["resources"]["limits"]["memory"]) for c in pod_spec(owner)["containers"])
        for volume in pod_spec(owner).get("volumes", []):
            if "emptyDir" not in volume:
                continue
            limit = volume["emptyDir"].get("sizeLimit")
            if limit is None:
                yield f"{name_of(owner)}: volume {volume['name']} may fill the node"
            elif volume["emptyDir"].get("medium") == "Memory" and amount(limit) > memory / 2:
                yield f"{name_of(owner)}: volume {volume['name']} takes more than half of the memory"


CLUSTER_CHECKS: tuple[Check, ...] = (
    scalers_have_a_target,
    budgets_let_nodes_drain,
    replicas_spread,
    updates_keep_capacity,
    policies_match,
    servers_can_be_reached,
    monitors_pick_pods,
    gpus_are_whole,
    jobs_are_whole,
    certificates_are_issued,
    volumes_are_bounded,
)
