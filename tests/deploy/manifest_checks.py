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
    "ganpress-compressor": CompressorSettings,
}
"""The settings class of the program in an image, by the image's name."""

_BUILD: dict[str, Callable[[Any], Service]] = {
    "ganpress-generator": build_generator,
    "ganpress-compressor": build_compressor,
}
_CLUSTER_WIDE = {"Namespace"}
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


def containers(deployment: Manifest) -> list[Manifest]:
    """Returns the containers of a Deployment's pods."""
    return deployment["spec"]["template"]["spec"]["containers"]


def each_container(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yields every container with the Deployment that it belongs to."""
    for deployment in of_kind(manifests, "Deployment"):
        for container in containers(deployment):
            yield deployment, container


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
        else:
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


def selectors_match(manifests: list[Manifest]) -> Iterator[str]:
    """Every selector picks exactly the pods of one Deployment."""
    deployments = of_kind(manifests, "Deployment")
    for owner in deployments + of_kind(manifests, "Service"):
        selector = owner["spec"]["selector"]
        wanted = selector["matchLabels"] if owner["kind"] == "Deployment" else selector
        picked = [
            deployment["metadata"]["name"]
            for deployment in deployments
            if wanted.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        ]
        where = f"{owner['kind']} {owner['metadata']['name']}: the selector"
        if not wanted:
            yield f"{where} is empty"
        elif len(picked) != 1:
            yield f"{where} picks the pods of {picked or 'no Deployment'}, not of one"
        elif owner["kind"] == "Deployment" and picked != [owner["metadata"]["name"]]:
            yield f"{where} picks the pods of {picked[0]}"


def services_reach_ports(manifests: list[Manifest]) -> Iterator[str]:
    """A Service's targetPort is a port of its pods, with the same number as its own.

    A headless name resolves to the pods' own addresses, so both names need one number.
    """
    for owner in of_kind(manifests, "Service"):
        ports = {
            port["name"]: port["containerPort"]
            for deployment, container in each_container(manifests)
            if owner["spec"]["selector"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
            for port in container["ports"]
        }
        for port in owner["spec"]["ports"]:
            where = f"Service {owner['metadata']['name']}: "
            if port["targetPort"] not in ports:
                yield f"{where}targetPort {port['targetPort']} is none of {sorted(ports)}"
            elif ports[port["targetPort"]] != port["port"]:
                yield f"{where}port {port['port']} differs from the container's {ports[port['targetPort']]}"
            if port.get("appProtocol") != "kubernetes.io/h2c":
                yield f"{where}appProtocol does not tell that gRPC is HTTP/2"


def servers_listen_on_ports(manifests: list[Manifest]) -> Iterator[str]:
    """The declared container port is the one to which the settings bind the server."""
    for deployment, container in each_container(manifests):
        declared = [port["containerPort"] for port in container["ports"]]
        bound = settings(container, manifests).port
        if declared != [bound]:
            name = deployment["metadata"]["name"]
            yield f"Deployment {name}: ports {declared}, but the server binds {bound}"


def probes_ask_the_server(manifests: list[Manifest]) -> Iterator[str]:
    """All three probes are there and ask the server's port for a service whose health it tells."""
    for deployment, container in each_container(manifests):
        ports = [port["containerPort"] for port in container["ports"]]
        served = {"", *service(container, manifests).names}
        for kind in _PROBES:
            where = f"Deployment {deployment['metadata']['name']}: {kind}"
            probe = container.get(kind, {}).get("grpc")
            if probe is None:
                yield f"{where} is no gRPC probe"
                continue
            if probe["port"] not in ports:
                yield f"{where} asks port {probe['port']}, which is none of {ports}"
            if probe.get("service", "") not in served:
                yield f"{where} asks for {probe['service']}, which the server does not know"


def settings_are_known(manifests: list[Manifest]) -> Iterator[str]:
    """Every variable is a setting of the server and has a value which that setting takes."""
    for deployment, container in each_container(manifests):
        where = f"Deployment {deployment['metadata']['name']}: "
        cls = SETTINGS[program(container)]
        known = {env_of(cls, field) for field in cls.model_fields}
        for unknown in sorted(environment(container, manifests).keys() - known):
            yield f"{where}{unknown} is no setting of {cls.__name__}"
        try:
            settings(container, manifests)
        except SettingsError as error:
            yield f"{where}{error}"


def references_resolve(manifests: list[Manifest]) -> Iterator[str]:
    """What a pod names, a ConfigMap, a ServiceAccount or a volume, exists in its namespace."""
    there = {(m["kind"], m["metadata"]["name"], m["metadata"].get("namespace")) for m in manifests}
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        wanted = [("ServiceAccount", pod["serviceAccountName"])]
        wanted += [
            ("ConfigMap", source["configMapRef"]["name"])
            for container in containers(deployment)
            for source in container.get("envFrom", [])
        ]
        where = f"Deployment {deployment['metadata']['name']}: "
        for kind, name in wanted:
            if (kind, name, deployment["metadata"].get("namespace")) not in there:
                yield f"{where}{kind} {name} does not exist in its namespace"
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in containers(deployment):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{where}volume {mount['name']} does not exist"


def shutdown_fits(manifests: list[Manifest]) -> Iterator[str]:
    """The kubelet waits longer than preStop and the server's grace take together."""
    for deployment, container in each_container(manifests):
        limit_s = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        pre_stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace_s = settings(container, manifests).grace_s
        if limit_s <= pre_stop_s + grace_s:
            yield (
                f"Deployment {deployment['metadata']['name']}: terminationGracePeriodSeconds {limit_s} is no "
                f"more than preStop {pre_stop_s} + grace {grace_s}"
            )


def images_are_of_this_version(manifests: list[Manifest]) -> Iterator[str]:
    """An image is one that we build, tagged with the version of the project."""
    version = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
    for deployment, container in each_container(manifests):
        if container["image"].rsplit("/", 1)[-1] not in {f"{name}:{version}" for name in SETTINGS}:
            yield f"Deployment {deployment['metadata']['name']}: image {container['image']} is none of ours"


def pods_are_restricted(manifests: list[Manifest]) -> Iterator[str]:
    """Pods keep to the Pod Security standard "restricted", with a read-only root and no token.

    Service links are off as well: a Service named ganpress-generator would set GANPRESS_GENERATOR_PORT.
    """
    for deployment, container in each_container(manifests):
        pod = deployment["spec"]["template"]["spec"]
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
                yield f"Deployment {deployment['metadata']['name']}: a pod {fault}"


def resources_are_bounded(manifests: list[Manifest]) -> Iterator[str]:
    """CPU and memory have a request and a limit, the request not above the limit."""
    for deployment, container in each_container(manifests):
        resources = container.get("resources", {})
        for resource in ("cpu", "memory"):
            where = f"Deployment {deployment['metadata']['name']}: {resource}"
            request, limit = (resources.get(key, {}).get(resource) for key in ("requests", "limits"))
            if request is None or limit is None:
                yield f"{where} needs a request and a limit"
            elif amount(request) > amount(limit):
                yield f"{where} request {request} is above the limit {limit}"


def memory_holds_the_largest_images(manifests: list[Manifest]) -> Iterator[str]:
    """The compressor's memory limit suffices when every thread works on an image of the most pixels."""
    for deployment, container in each_container(manifests):
        limits = settings(container, manifests)
        if not isinstance(limits, CompressorSettings):
            continue
        pixels = limits.threads * limits.max_pixels
        needed_bytes = _COMPRESSOR_BYTES + pixels * _COMPRESSOR_BYTES_PER_PIXEL
        memory = container["resources"]["limits"]["memory"]
        if amount(memory) < needed_bytes:
            yield (
                f"Deployment {deployment['metadata']['name']}: memory limit {memory} is less than the "
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
