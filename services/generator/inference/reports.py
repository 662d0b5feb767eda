"""Statistics and states of models as messages of the protocol."""

from __future__ import annotations

from ganpress.inference import grpc_service_pb2 as pb

from services.generator.inference.statistics import Total, VersionStatistics
from services.generator.models import Model
from services.generator.repository import VersionState, VersionStatus

_STATES: dict[VersionState, str] = {
    "ready": "READY",
    "loading": "LOADING",
    "unloading": "UNLOADING",
    "not_loaded": "UNAVAILABLE",
    "failed": "UNAVAILABLE",
}


def statistics_of(model: Model, done: VersionStatistics) -> pb.ModelStatistics:
    """Returns what a version did; Triton's clients want each fulfilled request to count in every duration."""
    count = done.success.count
    return pb.ModelStatistics(
        name=model.name,
        version=str(model.version),
        last_inference=done.last_request_ms,
        inference_count=done.images,
        execution_count=done.runs,
        inference_stats=pb.InferStatistics(
            success=_duration(done.success),
            fail=_duration(done.fail),
            queue=pb.StatisticDuration(count=count, ns=done.queue_ns),
            compute_input=pb.StatisticDuration(count=count, ns=done.input_ns),
            compute_infer=pb.StatisticDuration(count=count, ns=done.infer_ns),
            compute_output=pb.StatisticDuration(count=count, ns=done.output_ns),
        ),
        batch_stats=[
            pb.InferBatchStatistics(batch_size=size, compute_infer=_duration(total))
            for size, total in sorted(done.by_batch_size.items())
        ],
    )


def index_entry(status: VersionStatus) -> pb.RepositoryIndexResponse.ModelIndex:
    """Returns the state of a version in the repository."""
    return pb.RepositoryIndexResponse.ModelIndex(
        name=status.name, version=str(status.version), state=_STATES[status.state], reason=status.reason
    )


def _duration(total: Total) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=total.count, ns=total.ns)
