"""Alerts, dashboards and scalers ask for what the running services give at GET /metrics."""

from __future__ import annotations

import asyncio
import copy
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from client.api import GanpressClient
from client.errors import GanpressError
from tests.deploy import metric_checks as checks
from tests.deploy.faults import Fault, seed
from tests.deploy.test_manifests import load
from tests.helpers.models import damaged_model, write_model
from tests.helpers.servers import ServerProcess, metrics_url, server_process

pytestmark = pytest.mark.k8s

RENDERS = ("cpu", "prod")
_ALERT = "spec/groups/1/rules/3/expr"
_UNSEEN = {
    # A bug and an overload, which no test can order: all that the status codes are.
    "grpc_code": {"Internal", "Unavailable", "DeadlineExceeded", "ResourceExhausted"},
}


def parse(text: str) -> checks.Exported:
    """Returns the metrics of a text of Prometheus' format with the values of their labels."""
    exported: checks.Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = exported.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    for labels in exported.values():
        for name, values in _UNSEEN.items():
            if name in labels:
                labels[name] |= values
    return exported


async def read(server: ServerProcess) -> str:
    """Returns what a server answers to GET /metrics."""
    return await asyncio.to_thread(lambda: urlopen(metrics_url(server.log)).read().decode())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> checks.Exported:
    """The metrics of both services after calls that succeed and fail, one model being corrupt."""
    models = tmp_path_factory.mktemp("repository")
    write_model(models)
    damaged_model(models, name="broken", data=b"no model")

    async def collect() -> str:
        generator = server_process("services.generator", "--models", str(models), "--metrics-port", "0")
        compressor = server_process("services.compressor", "--warm-up", "false", "--metrics-port", "0")
        async with generator as drawing, compressor as writing:
            async with GanpressClient(generator=drawing.address, compressor=writing.address) as client:
                async for image in client.generate(label="sedan", seed=1):
                    await client.compress(image.data, "jpeg")
                with pytest.raises(GanpressError):
                    await client.compress(b"no image", "jpeg")
            return await read(drawing) + await read(writing)

    return parse(asyncio.run(collect()))


@pytest.mark.parametrize("render", RENDERS)
def test_every_query_finds_its_metrics(render: str, exported: checks.Exported) -> None:
    """No query or scaler names a metric, a label or a value that the services do not give."""
    manifests = load(render)
    assert len(list(checks.queries(manifests))) > 10
    assert list(checks.queries_find_metrics(manifests, exported)) == []
    assert list(checks.scalers_find_metrics(manifests, exported)) == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (seed("PrometheusRule", _ALERT, "ganpress_generator_images > 0", "ganpress"), "nobody gives"),
        (seed("PrometheusRule", _ALERT, 'up{color="red"}', "ganpress"), "no label color"),
        (
            seed("PrometheusRule", _ALERT, 'grpc_server_handled_total{grpc_code="INTERNAL"}', "ganpress"),
            "grpc_code is never INTERNAL",
        ),
        (
            seed("PrometheusRule", _ALERT, 'grpc_server_handled_total{grpc_service=~"v2.*"}', "ganpress"),
            "grpc_service is never like v2.*",
        ),
        (seed("PrometheusRule", _ALERT, "sum by (rate(up[5m])", "ganpress"), "ganpress, GanpressRequests"),
        (
            seed("HorizontalPodAutoscaler", "spec/metrics/1/pods/metric/name", "queue_depth"),
            "nobody gives queue_depth",
        ),
    ],
)
def test_a_wrong_query_is_found(fault: Fault, sentence: str, exported: checks.Exported) -> None:
    """A metric, label, value or syntax that is wrong is told."""
    manifests = copy.deepcopy(load("cpu"))
    fault(manifests)
    found = [
        *checks.queries_find_metrics(manifests, exported),
        *checks.scalers_find_metrics(manifests, exported),
    ]
    assert any(sentence in entry for entry in found)
