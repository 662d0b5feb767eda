"""That what is asked of Prometheus is there: metrics, labels and values, in rules, dashboards and scalers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser

from tests.deploy.manifest_checks import Manifest, each_container, name_of, of_kind

Exported = dict[str, dict[str, set[str]]]
"""Values of each label of each metric, as services give them at GET /metrics."""

SCRAPED = {"namespace", "pod", "container", "instance", "job"}
"""Labels that a PodMonitor adds to every metric."""


def queries(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    """Yields where a query stands, and the query."""
    for rules in of_kind(manifests, "PrometheusRule"):
        for group in rules["spec"]["groups"]:
            for rule in group["rules"]:
                yield f"{name_of(rules)}, {rule.get('alert') or rule['record']}", rule["expr"]
    for scaler in of_kind(manifests, "ScaledObject"):
        for trigger in scaler["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                yield name_of(scaler), trigger["metadata"]["query"]
    for dashboard in of_kind(manifests, "ConfigMap"):
        for text in dashboard["data"].values() if _is_dashboard(dashboard) else ():
            for panel in json.loads(text)["panels"]:
                for target in panel["targets"]:
                    yield f"{name_of(dashboard)}, {panel['title']}", target["expr"]


def _is_dashboard(manifest: Manifest) -> bool:
    return "grafana_dashboard" in manifest["metadata"].get("labels", {})


def recorded(manifests: list[Manifest]) -> Exported:
    """Returns the metrics that the recording rules make, with the labels by which they sum."""
    made: Exported = {}
    for rules in of_kind(manifests, "PrometheusRule"):
        for group in rules["spec"]["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    by = re.findall(r"by \(([^)]*)\)", rule["expr"])
                    made[rule["record"]] = {label.strip(): set() for label in ",".join(by).split(",")}
    return made


def queries_find_metrics(manifests: list[Manifest], exported: Exported) -> Iterator[str]:
    """Every query parses, and each metric, label and value that it names is one that the services give."""
    known = exported | recorded(manifests) | {"up": {}}
    namespaces = {manifest["metadata"]["name"] for manifest in of_kind(manifests, "Namespace")}
    names = {container["name"] for _, container in each_container(manifests)}
    scraped = {label: set[str]() for label in SCRAPED} | {"namespace": namespaces, "container": names}
    for where, query in queries(manifests):
        try:
            tree = promql_parser.parse(query.replace("$namespace", next(iter(namespaces))))
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        for selector in _selectors(tree):
            if selector.name not in known:
                yield f"{where}: nobody gives {selector.name}"
                continue
            for matcher in selector.matchers.matchers:
                yield from (
                    f"{where}: {fault}" for fault in _unmatched(matcher, known[selector.name] | scraped)
                )


def _unmatched(matcher: Any, labels: dict[str, set[str]]) -> Iterator[str]:
    values = labels.get(matcher.name, set())
    if matcher.name not in labels:
        yield f"there is no label {matcher.name}"
    elif matcher.op == promql_parser.MatchOp.Equal and values and matcher.value not in values:
        yield f"{matcher.name} is never {matcher.value}, but one of {sorted(values)}"
    elif (
        matcher.op == promql_parser.MatchOp.Re
        and values
        and not any(re.fullmatch(matcher.value, value) for value in values)
    ):
        yield f"{matcher.name} is never like {matcher.value}"


def _selectors(node: Any) -> Iterator[Any]:
    """Yields the vector selectors of a parsed query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "args"):
        child = getattr(node, name, None)
        for item in child if isinstance(child, list) else [child]:
            if item is not None:
                yield from _selectors(item)


def scalers_find_metrics(manifests: list[Manifest], exported: Exported) -> Iterator[str]:
    """An autoscaler's metric of pods is one that the services give or a rule makes, by pod."""
    known = exported | recorded(manifests)
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name and name not in known:
                yield f"{name_of(scaler)}: nobody gives {name}"
