"""Schemas of what operators add to Kubernetes: typed models, or the fields that our manifests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kubeflow_trainer_api.models as trainer
from pydantic import ValidationError

from tests.deploy.manifest_checks import Manifest, name_of

_Normalise = Callable[[Manifest], Any]


_MODELS: dict[tuple[str, str], _Normalise] = {
    ("trainer.kubeflow.org/v1alpha1", "TrainJob"): (
        lambda m: trainer.TrainerV1alpha1TrainJob.from_dict(m).to_dict()
    ),
    ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"): (
        lambda m: trainer.TrainerV1alpha1TrainingRuntime.from_dict(m).to_dict()
    ),
}

_METADATA = {"name": str, "namespace": str, "labels": dict, "annotations": dict}
_PARENT = {"name": str, "namespace": str, "sectionName": str}
# The fields that our manifests use, from the operators' references: {"a": {...}} nested, [x] a list of x.
_FIELDS: dict[tuple[str, str], Any] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "selector": {"matchLabels": dict},
        "podMetricsEndpoints": [
            {
                "port": str,
                "path": str,
                "interval": str,
                "scheme": str,
                "tlsConfig": {
                    "ca": {"secret": {"name": str, "key": str}},
                    "cert": {"secret": {"name": str, "key": str}},
                    "keySecret": {"name": str, "key": str},
                    "serverName": str,
                },
            }
        ],
    },
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "groups": [
            {
                "name": str,
                "rules": [
                    {
                        "alert": str,
                        "record": str,
                        "expr": str,
                        "for": str,
                        "labels": dict,
                        "annotations": dict,
                    }
                ],
            }
        ]
    },
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef": {"name": str},
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "cooldownPeriod": int,
        "fallback": {"failureThreshold": int, "replicas": int},
        "triggers": [{"type": str, "metricType": str, "metadata": dict}],
    },
    ("gateway.networking.k8s.io/v1", "Gateway"): {
        "gatewayClassName": str,
        "listeners": [
            {
                "name": str,
                "protocol": str,
                "port": int,
                "hostname": str,
                "tls": {"mode": str, "certificateRefs": [{"name": str}]},
            }
        ],
    },
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): {
        "parentRefs": [_PARENT],
        "hostnames": [str],
        "rules": [
            {
                "matches": [{"method": {"service": str, "method": str}}],
                "backendRefs": [{"name": str, "port": int}],
            }
        ],
    },
    ("kueue.x-k8s.io/v1beta2", "ResourceFlavor"): {},
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"): {"clusterQueue": str},
    ("kueue.x-k8s.io/v1beta2", "ClusterQueue"): {
        "namespaceSelector": {"matchLabels": dict},
        "resourceGroups": [
            {
                "coveredResources": [str],
                "flavors": [{"name": str, "resources": [{"name": str, "nominalQuota": str}]}],
            }
        ],
    },
    ("cert-manager.io/v1", "Issuer"): {"selfSigned": dict, "ca": {"secretName": str}},
    ("cert-manager.io/v1", "Certificate"): {
        "secretName": str,
        "commonName": str,
        "isCA": bool,
        "duration": str,
        "renewBefore": str,
        "dnsNames": [str],
        "usages": [str],
        "privateKey": {"algorithm": str, "size": int, "rotationPolicy": str},
        "issuerRef": {"name": str, "kind": str, "group": str},
    },
}


def is_known(manifest: Manifest) -> bool:
    """Tells whether a manifest is of a kind that an operator adds and we use."""
    key = (manifest["apiVersion"], manifest["kind"])
    return key in _MODELS or key in _FIELDS


def faults(manifest: Manifest) -> Iterator[str]:
    """Yields a sentence for each field that the operator's API does not have, or not with this type."""
    key = (manifest["apiVersion"], manifest["kind"])
    where = name_of(manifest)
    if key in _MODELS:
        try:
            yield from (f"{where}: {path} is no field" for path in _lost(manifest, _MODELS[key](manifest)))
        except (ValidationError, ValueError) as error:
            yield f"{where}: {error}"
        return
    fields = {"apiVersion": str, "kind": str, "metadata": _METADATA, "spec": _FIELDS[key]}
    yield from (f"{where}: {fault}" for fault in _misfits(manifest, fields, ""))


def _lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Yields the paths of `given` that a model did not keep."""
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(kept, dict) or key not in kept:
                yield f"{path}/{key}"
            else:
                yield from _lost(value, kept[key], f"{path}/{key}")
    elif isinstance(given, list):
        for index, value in enumerate(given):
            yield from _lost(value, kept[index], f"{path}/{index}")


def _misfits(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """Yields what is wrong with a value by a table of fields."""
    if isinstance(wanted, dict):
        for key, item in value.items() if isinstance(value, dict) else ():
            if key not in wanted:
                yield f"{path}/{key} is no field"
            else:
                yield from _misfits(item, wanted[key], f"{path}/{key}")
    elif isinstance(wanted, list):
        for item in value if isinstance(value, list) else ():
            yield from _misfits(item, wanted[0], f"{path}[]")
    kind = wanted if isinstance(wanted, type) else type(wanted)
    if not isinstance(value, kind):
        yield f"{path} is no {kind.__name__}"
