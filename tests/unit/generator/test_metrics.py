"""The generator's metrics, scraped over HTTP from a server that draws, and its models in health."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1 import model_repository_service_pb2 as repository_pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_JPEG, IMAGE_FORMAT_RAW_U8
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceStub
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from scripts.gen_docs import DOCS, prometheus_page
from services.common.server import Server, ServerOptions
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import damaged_model, write_model
from tests.helpers.servers import metrics_url

API = "ganpress.v1.GeneratorService"


class Served:
    """A generator with metrics."""

    def __init__(self, channel: grpc.aio.Channel, url: str, models: Path) -> None:
        self.stub = GeneratorServiceStub(channel)
        self.repository = ModelRepositoryServiceStub(channel)
        self.health = HealthStub(channel)
        self.url = url
        self.models = models

    async def scrape(self, accept: str = "text/plain") -> str:
        """Reads the metrics as Prometheus does."""

        def get() -> str:
            request = urllib.request.Request(self.url, headers={"Accept": accept})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()

        return await asyncio.to_thread(get)

    async def value(self, name: str, **labels: str) -> float | None:
        """The value of one series."""
        for family in parse_text(await self.scrape()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    async def draw(self, **fields) -> None:
        """Asks for images."""
        await self.stub.Generate(pb.GenerateRequest(**fields))


@pytest.fixture
async def served(tmp_path, caplog) -> AsyncIterator[Served]:
    """A generator of `cars` 1 and `dogs` 1 that runs batches of at most 4."""
    caplog.set_level("INFO")
    models = tmp_path / "models"
    write_model(models, "cars", 1, seed=1)
    write_model(models, "dogs", 1, labels=(), seed=2)
    settings = GeneratorSettings(models=models, threads=1, max_batch_size=4, queue_size=8, model_control=True)
    server = Server([build_service(settings)], ServerOptions(metrics_port=0))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        yield Served(channel, metrics_url(caplog.text), models)
    await server.stop()


DOGS = {"model": "dogs", "version": "1"}


async def test_requests(served):
    """Images, batches and requests are counted under our names and Triton's, in their units."""
    await served.draw(model="dogs", count=6, format=IMAGE_FORMAT_RAW_U8)
    await served.draw(model="dogs", count=1, format=IMAGE_FORMAT_JPEG)
    value = served.value
    assert await value("ganpress_generator_images_total", **DOGS) == 7
    runs = await value("ganpress_generator_batch_images_count", **DOGS)
    assert runs >= 3
    assert await value("ganpress_generator_batch_images_sum", **DOGS) == 7
    assert await value("ganpress_generator_batch_images_bucket", **DOGS, le="4.0") == runs
    assert await value("ganpress_generator_compute_seconds_count", **DOGS) == runs
    assert await value("ganpress_generator_queue_seconds_count", **DOGS) == 2
    assert await value("ganpress_generator_request_seconds_count", **DOGS, outcome="done") == 2
    for form in ("raw", "jpeg"):
        assert await value("ganpress_generator_encode_seconds_count", **DOGS, format=form) == 1
    assert await value("ganpress_generator_model_ready", **DOGS) == 1
    assert await value("ganpress_generator_images_under_way", **DOGS) == 0
    assert await value("nv_inference_request_success", **DOGS) == 2
    assert await value("nv_inference_count", **DOGS) == 7
    assert await value("nv_inference_exec_count", **DOGS) == runs
    assert await value("nv_inference_pending_request_count", **DOGS) == 0
    took_s = await value("ganpress_generator_request_seconds_sum", **DOGS, outcome="done")
    assert await value("nv_inference_request_duration_us", **DOGS) == pytest.approx(took_s * 1e6, abs=1)
    waited_s = await value("ganpress_generator_queue_seconds_sum", **DOGS)
    assert await value("nv_inference_queue_duration_us", **DOGS) == pytest.approx(waited_s * 1e6, abs=1)
    assert await value("nv_inference_compute_infer_duration_us", **DOGS) > 0
    assert await value("nv_inference_compute_output_duration_us", **DOGS) > 0


async def test_failures(served):
    """A request that finds the queue full counts as rejected, one whose caller leaves as cancelled."""
    request = pb.GenerateRequest(model="dogs", count=100_000, format=IMAGE_FORMAT_RAW_U8)
    stalled = served.stub.GenerateStream(pb.GenerateStreamRequest(request=request))
    await stalled.read()
    assert await served.value("ganpress_generator_images_under_way", **DOGS) == 8
    with pytest.raises(grpc.aio.AioRpcError):
        await served.draw(model="dogs", count=8)
    stalled.cancel()
    reasons = {"REJECTED": 1, "CANCELED": 1, "BACKEND": 0, "OTHER": 0}
    while not await served.value("nv_inference_request_failure", **DOGS, reason="CANCELED"):
        pass
    for reason, count in reasons.items():
        assert await served.value("nv_inference_request_failure", **DOGS, reason=reason) == count
    for outcome in ("refused", "cancelled"):
        name = "ganpress_generator_request_seconds_count"
        assert await served.value(name, **DOGS, outcome=outcome) == 1


async def test_unknown_names_make_no_series(served):
    """What callers ask for in vain makes no series, so their number is bounded by the repository."""
    for name in ("cats", "mice"):
        with pytest.raises(grpc.aio.AioRpcError):
            await served.draw(model=name, count=1)
    text = await served.scrape()
    assert "cats" not in text
    assert "mice" not in text


async def test_versions_come_and_go(served):
    """Series and health names of a version come with it and go with it; a corrupt one is counted."""
    version_2 = {"model": "dogs", "version": "2"}
    assert await health_of(served, f"{API}/dogs/2") == grpc.StatusCode.NOT_FOUND
    write_model(served.models, "dogs", 2, labels=(), seed=3)
    damaged_model(served.models, data=b"no graph", name="dogs", version=3)
    await served.repository.LoadModel(repository_pb.LoadModelRequest(name="dogs", version=2))
    assert await served.value("ganpress_generator_model_ready", **version_2) == 1
    assert await served.value("ganpress_generator_model_load_failures_total", model="dogs") == 1
    for name in ("dogs", "dogs/1", "dogs/2", "cars"):
        assert await health_of(served, f"{API}/{name}") == health_pb2.HealthCheckResponse.SERVING
    await served.repository.UnloadModel(repository_pb.UnloadModelRequest(name="dogs", version=2))
    assert 'version="2"' not in await served.scrape()
    assert await health_of(served, f"{API}/dogs/2") == grpc.StatusCode.NOT_FOUND
    assert await health_of(served, f"{API}/dogs") == health_pb2.HealthCheckResponse.SERVING
    await served.repository.UnloadModel(repository_pb.UnloadModelRequest(name="dogs"))
    assert await health_of(served, f"{API}/dogs") == grpc.StatusCode.NOT_FOUND
    assert await health_of(served, API) == health_pb2.HealthCheckResponse.SERVING


async def health_of(served: Served, name: str):
    """The health of a name, or the status code of the question."""
    call = served.health.Check(health_pb2.HealthCheckRequest(service=name))
    code = await call.code()
    return (await call).status if code == grpc.StatusCode.OK else code


async def test_every_metric_is_documented(served):
    """docs/prometheus.md lists what a server gives, in both formats, and nothing else."""
    await served.draw(model="dogs", count=1)
    page = prometheus_page()
    for parse, accept in ((parse_text, "text/plain"), (parse_openmetrics, "application/openmetrics-text")):
        names = {family.name for family in parse(await served.scrape(accept))}
        ours = {name for name in names if name.startswith(("ganpress_", "grpc_", "nv_"))}
        assert len(ours) > 15
        assert all(f"`{name}" in page for name in ours)


def test_pages_name_what_exists():
    """The queries in docs/operations.md use metrics that there are."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    page = prometheus_page()
    names = re.findall(r"\b((?:ganpress|grpc_server|nv_inference)_\w+)", text)
    assert len(set(names)) > 8
    for name in names:
        if not name.endswith("_"):  # a family of names, as in grpc_server_*
            assert f"`{re.sub('_(bucket|sum|count)$', '', name)}" in page, name
