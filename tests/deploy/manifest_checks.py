"""What a schema cannot see: that manifests fit together, and fit the servers which they start.

A check takes a whole render and yields one sentence for each fault; a sound render yields none.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from services.common.server import Service
from services.common.settings import ServiceSettings, SettingsError, env_of
from services.compressor.service import build_service as build_compressor
from services.compressor.settings import CompressorSettings
from services.generator.service import build_service as build_generator
from services.generator.settings import GeneratorSettings

Manifest = dict[str, Any]
Check = Callable[[list[Manifest]], Iterator[str]]

SETTINGS: dict[str, type[ServiceSettings]] = {
    "ganpress-generator": GeneratorSettings,
    "ganpress-generator-gpu": GeneratorSettings,
    "ganpress-compressor": CompressorSettings,
}
"""The settings class of the program in an image, by the image's name."""

_BUILD: dict[str, Callable[[Any], Service]] = {
    "ganpress-generator": build_generator,
    "ganpress-generator-gpu": build_generator,
    "ganpress-compressor": build_compressor,
}
_CLUSTER_WIDE = {"Namespace", "ClusterQueue", "ResourceFlavor"}
_COMMANDS = {"ganpress-trainer", "ganpress-client"}  # images that a Job runs to an end
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
# Measured, rounded up: peak resident memory of the compressor at rest, and more for each pixel in work, with
# the metrics and any codec (1 and 4 megapixels through dct, kmeans, jpeg, jpeg2000, avif; one thread).
_COMPRESSOR_BYTES = 256 * 2**20
_COMPRESSOR_BYTES_PER_PIXEL = 180
_UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Returns the manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def owners(manifests: list[Manifest]) -> list[Manifest]:
    """Returns what has pods, the Deployments and Jobs; a TrainingRuntime in the form of these."""
    runtimes = [
        {**runtime, "spec": {"template": job["template"]["spec"]["template"]}}
        for runtime in of_kind(manifests, "TrainingRuntime")
        for job in runtime["spec"]["template"]["spec"]["replicatedJobs"]
    ]
    return of_kind(manifests, "Deployment") + of_kind(manifests, "Job") + runtimes


def pod_spec(owner: Manifest) -> Manifest:
    """Returns the specification of an owner's pods."""
    return owner["spec"]["template"]["spec"]


def pod_labels(owner: Manifest) -> dict[str, str]:
    """Returns the labels of an owner's pods."""
    return owner["spec"]["template"]["metadata"]["labels"]


def name_of(manifest: Manifest) -> str:
    """Returns kind and name, for a sentence."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def each_container(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yields every container with the Deployment or Job that it belongs to."""
    for owner in owners(manifests):
        for container in pod_spec(owner)["containers"]:
            yield owner, container


def servers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yields every container that runs one of our servers, with its Deployment."""
    for owner, container in each_container(manifests):
        if program(container) in SETTINGS:
            yield owner, container


def program(container: Manifest) -> str:
    """Returns the name of the container's image without registry and tag."""
    return container["image"].rsplit("/", 1)[-1].split(":")[0]


def amount(quantity: str) -> float:
    """Returns a Kubernetes quantity as a number: cores, or bytes."""
    for unit, factor in _UNITS.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity)


def environment(container: Manifest, manifests: list[Manifest]) -> dict[str, str]:
    """Returns the variables that the manifests set in a container; a missing ConfigMap sets none."""
    maps = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(manifests, "ConfigMap")}
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        values |= maps.get(source["configMapRef"]["name"], {})
    for entry in container.get("env", []):
        if "value" in entry:
            values[entry["name"]] = entry["value"]
        elif "resourceFieldRef" in entry["valueFrom"]:
            resource = entry["valueFrom"]["resourceFieldRef"]["resource"]
            section, key = resource.split(".")
            # The kubelet rounds up to the divisor, which is 1 when none is given.
            values[entry["name"]] = str(math.ceil(amount(container["resources"][section][key])))
    return values


def settings(container: Manifest, manifests: list[Manifest]) -> ServiceSettings:
    """Returns the settings that the container's server would read; raises `SettingsError`."""
    with mock.patch.dict(os.environ, environment(container, manifests)):
        return SETTINGS[program(container)].load()


def service(container: Manifest, manifests: list[Manifest]) -> Service:
    """Returns the gRPC service that the container's server would start."""
    return _BUILD[program(container)](settings(container, manifests))


def speaks_tls(manifests: list[Manifest]) -> bool:
    """Whether a server serves under TLS."""
    return any(settings(container, manifests).tls_certificate for _, container in servers(manifests))


def selectors_match(manifests: list[Manifest]) -> Iterator[str]:
    """Every selector picks exactly the pods of one Deployment or Job."""
    for owner in of_kind(manifests, "Deployment") + of_kind(manifests, "Service"):
        selector = owner["spec"]["selector"]
        wanted = selector["matchLabels"] if owner["kind"] == "Deployment" else selector
        picked = [
            other["metadata"]["name"]
            for other in owners(manifests)
            if wanted.items() <= pod_labels(other).items()
        ]
        where = f"{name_of(owner)}: the selector"
        if not wanted:
            yield f"{where} is empty"
        elif len(picked) != 1:
            yield f"{where} picks the pods of {picked or 'nobody'}, not of one"
        elif owner["kind"] == "Deployment" and picked != [owner["metadata"]["name"]]:
            yield f"{where} picks the pods of {picked[0]}"


def services_reach_ports(manifests: list[Manifest]) -> Iterator[str]:
    """A Service's targetPort is a port of its pods, with the same number as its own.

    A headless name resolves to the pods' own addresses, so both names need one number.
    """
    for owner in of_kind(manifests, "Service"):
        ports = {
            port["name"]: port["containerPort"]
            for other, container in each_container(manifests)
            if owner["spec"]["selector"].items() <= pod_labels(other).items()
            for port in container.get("ports", [])
        }
        for port in owner["spec"]["ports"]:
            where = f"{name_of(owner)}: "
            if port["targetPort"] not in ports:
                yield f"{where}targetPort {port['targetPort']} is none of {sorted(ports)}"
            elif ports[port["targetPort"]] != port["port"]:
                yield f"{where}port {port['port']} differs from the container's {ports[port['targetPort']]}"
            protocol = "https" if speaks_tls(manifests) else "kubernetes.io/h2c"
            if port["name"] == "grpc" and port.get("appProtocol") != protocol:
                yield f"{where}appProtocol does not tell that gRPC is HTTP/2: {protocol}"


def servers_listen_on_ports(manifests: list[Manifest]) -> Iterator[str]:
    """The declared container ports are those to which the settings bind the server."""
    for owner, container in servers(manifests):
        declared = {port["name"]: port["containerPort"] for port in container["ports"]}
        values = settings(container, manifests)
        bound = {"grpc": values.port, "metrics": values.metrics_port, "health": values.health_port}
        for port, number in bound.items():
            if declared.get(port) != number:
                yield f"{name_of(owner)}: port {port} is {declared.get(port)}, the server binds {number}"
        for port in declared.keys() - bound.keys():
            yield f"{name_of(owner)}: port {port} is none of the server's"


def probes_ask_the_server(manifests: list[Manifest]) -> Iterator[str]:
    """All three probes are there and ask the server's port for a service whose health it tells."""
    for owner, container in servers(manifests):
        ports = [port["containerPort"] for port in container["ports"]]
        served = {"", *service(container, manifests).names}
        for kind in _PROBES:
            where = f"{name_of(owner)}: {kind}"
            probe = container.get(kind, {}).get("grpc")
            if probe is None:
                yield f"{where} is no gRPC probe"
                continue
            if probe["port"] not in ports:
                yield f"{where} asks port {probe['port']}, which is none of {ports}"
            values = settings(container, manifests)
            if values.tls_certificate and probe["port"] != values.health_port:
                yield f"{where} asks port {probe['port']}, which speaks TLS: the kubelet does not"
            if probe.get("service", "") not in served:
                yield f"{where} asks for {probe['service']}, which the server does not know"


def settings_are_known(manifests: list[Manifest]) -> Iterator[str]:
    """Every variable is a setting of the server and has a value which that setting takes."""
    for owner, container in servers(manifests):
        where = f"{name_of(owner)}: "
        cls = SETTINGS[program(container)]
        known = {env_of(cls, field) for field in cls.model_fields}
        for unknown in sorted(environment(container, manifests).keys() - known):
            yield f"{where}{unknown} is no setting of {cls.__name__}"
        try:
            settings(container, manifests)
        except SettingsError as error:
            yield f"{where}{error}"


def references_resolve(manifests: list[Manifest]) -> Iterator[str]:
    """What a pod names exists in its namespace: ConfigMap, Secret, ServiceAccount, claim, volume."""
    there = {(m["kind"], m["metadata"]["name"], m["metadata"].get("namespace")) for m in manifests}
    for certificate in of_kind(manifests, "Certificate"):  # cert-manager makes the Secret
        metadata = certificate["metadata"]
        there.add(("Secret", certificate["spec"]["secretName"], metadata.get("namespace")))
    for owner in owners(manifests):
        pod = pod_spec(owner)
        for kind, name in _wanted(pod):
            if (kind, name, owner["metadata"].get("namespace")) not in there:
                yield f"{name_of(owner)}: {kind} {name} does not exist in its namespace"
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{name_of(owner)}: volume {mount['name']} does not exist"


def _wanted(pod: Manifest) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    for container in pod["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
        for entry in container.get("env", []):
            for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if key in entry.get("valueFrom", {}):
                    yield kind, entry["valueFrom"][key]["name"]
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]


def shutdown_fits(manifests: list[Manifest]) -> Iterator[str]:
    """The kubelet waits longer than preStop and the server's grace take together."""
    for owner, container in servers(manifests):
        limit_s = pod_spec(owner)["terminationGracePeriodSeconds"]
        pre_stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace_s = settings(container, manifests).grace_s
        if limit_s <= pre_stop_s + grace_s:
            yield (
                f"{name_of(owner)}: terminationGracePeriodSeconds {limit_s} is no "
                f"more than preStop {pre_stop_s} + grace {grace_s}"
            )


def images_are_of_this_version(manifests: list[Manifest]) -> Iterator[str]:
    """An image is one that we build, tagged with the version of the project."""
    version = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
    for owner, container in each_container(manifests):
        if container["image"].rsplit("/", 1)[-1] not in {
            f"{name}:{version}" for name in (*SETTINGS, *_COMMANDS)
        }:
            yield f"{name_of(owner)}: image {container['image']} is none of ours"


def pods_are_restricted(manifests: list[Manifest]) -> Iterator[str]:
    """Pods keep to the Pod Security standard "restricted", with a read-only root and no token.

    Service links are off as well: a Service named ganpress-generator would set GANPRESS_GENERATOR_PORT.
    """
    for owner, container in each_container(manifests):
        pod = pod_spec(owner)
        around = pod.get("securityContext", {})
        inside = container.get("securityContext", {})
        rules = {
            "runs as root": around.get("runAsNonRoot") is True and around.get("runAsUser") == 65532,
            "has no seccomp profile": around.get("seccompProfile") == {"type": "RuntimeDefault"},
            "may gain privileges": inside.get("allowPrivilegeEscalation") is False,
            "keeps capabilities": inside.get("capabilities") == {"drop": ["ALL"]},
            "may write to its root": inside.get("readOnlyRootFilesystem") is True,
            "mounts a token": pod.get("automountServiceAccountToken") is False,
            "has service links": pod.get("enableServiceLinks") is False,
        }
        for fault, holds in rules.items():
            if not holds:
                yield f"{name_of(owner)}: a pod {fault}"


def resources_are_bounded(manifests: list[Manifest]) -> Iterator[str]:
    """CPU and memory have a request and a limit, the request not above the limit."""
    for owner, container in each_container(manifests):
        resources = container.get("resources", {})
        for resource in ("cpu", "memory"):
            where = f"{name_of(owner)}: {resource}"
            request, limit = (resources.get(key, {}).get(resource) for key in ("requests", "limits"))
            if request is None or limit is None:
                yield f"{where} needs a request and a limit"
            elif amount(request) > amount(limit):
                yield f"{where} request {request} is above the limit {limit}"


def memory_holds_the_largest_images(manifests: list[Manifest]) -> Iterator[str]:
    """The compressor's memory limit suffices when every thread works on an image of the most pixels."""
    for owner, container in servers(manifests):
        limits = settings(container, manifests)
        if not isinstance(limits, CompressorSettings):
            continue
        pixels = limits.threads * limits.max_pixels
        needed_bytes = _COMPRESSOR_BYTES + pixels * _COMPRESSOR_BYTES_PER_PIXEL
        memory = container["resources"]["limits"]["memory"]
        if amount(memory) < needed_bytes:
            yield (
                f"{name_of(owner)}: memory limit {memory} is less than the "
                f"{needed_bytes / 2**20:.0f}Mi that {limits.threads} x {limits.max_pixels} pixels take"
            )


def namespace_is_one(manifests: list[Manifest]) -> Iterator[str]:
    """Everything lies in the one namespace that the render brings along, under a name of its own."""
    namespaces = [manifest["metadata"]["name"] for manifest in of_kind(manifests, "Namespace")]
    for manifest in manifests:
        namespace = manifest["metadata"].get("namespace")
        if manifest["kind"] not in _CLUSTER_WIDE and [namespace] != namespaces:
            name = manifest["metadata"]["name"]
            yield f"{manifest['kind']} {name}: namespace {namespace}, not {namespaces}"
    names = Counter((manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests)
    for (kind, name), count in names.items():
        if count > 1:
            yield f"{kind} {name} exists {count} times"


CHECKS: tuple[Check, ...] = (
    selectors_match,
    services_reach_ports,
    servers_listen_on_ports,
    probes_ask_the_server,
    settings_are_known,
    references_resolve,
    shutdown_fits,
    images_are_of_this_version,
    pods_are_restricted,
    resources_are_bounded,
    memory_holds_the_largest_images,
    namespace_is_one,
)
