"""Faults to seed into sound manifests, one mistake each, as people make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.deploy.manifest_checks import Manifest, of_kind

Fault = Callable[[list[Manifest]], None]


def seed(kind: str, path: str, value: Any, name: str = "generator") -> Fault:
    """Returns a fault: sets the path a/b/c in a named manifest of a kind, or deletes it for None."""

    def apply(manifests: list[Manifest]) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        node: Any = next(m for m in of_kind(manifests, kind) if m["metadata"]["name"].startswith(name))
        for key in parents:
            node = node[key]
        if value is None:
            del node[last]
        else:
            node[last] = value

    return apply


def pod(path: str, value: Any) -> Fault:
    """Returns a fault in the generator's pods."""
    return seed("Deployment", f"spec/template/spec/{path}", value)


def container(path: str, value: Any) -> Fault:
    """Returns a fault in the generator's container."""
    return pod(f"containers/0/{path}", value)


def service(path: str, value: Any) -> Fault:
    """Returns a fault in the generator's Service."""
    return seed("Service", f"spec/{path}", value)


def setting(name: str, value: str) -> Fault:
    """Returns a fault in the generator's settings."""
    return seed("ConfigMap", f"data/GANPRESS_GENERATOR_{name}", value)


def train(path: str, value: Any) -> Fault:
    """Returns a fault in the training job."""
    return seed("Job", f"spec/{path}", value, "train")


def policy(name: str, path: str, value: Any) -> Fault:
    """Returns a fault in a NetworkPolicy."""
    return seed("NetworkPolicy", f"spec/{path}", value, name)


def without(kind: str, name: str) -> Fault:
    """Returns a fault: a manifest is missing."""

    def apply(manifests: list[Manifest]) -> None:
        manifests[:] = [m for m in manifests if (m["kind"], m["metadata"]["name"]) != (kind, name)]

    return apply


def added(*extra: Manifest) -> Fault:
    """Returns a fault: manifests too many."""
    return lambda manifests: manifests.extend(extra)
