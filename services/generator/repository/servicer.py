"""The protobuf API of the model repository."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ganpress.v1 import model_repository_service_pb2 as pb
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceServicer

from services.generator.repository.registry import Registry
from services.generator.repository.status import VersionState, VersionStatus

_STATES: dict[VersionState, pb.ModelState.ValueType] = {
    "ready": pb.MODEL_STATE_READY,
    "loading": pb.MODEL_STATE_LOADING,
    "unloading": pb.MODEL_STATE_UNLOADING,
    "not_loaded": pb.MODEL_STATE_NOT_LOADED,
    "failed": pb.MODEL_STATE_FAILED,
}


class ModelRepositoryServicer(ModelRepositoryServiceServicer):
    """Answers for a registry."""

    def __init__(self, registry: Registry[Any]) -> None:
        """Takes a registry that is started before the first call."""
        self._registry = registry

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Any
    ) -> pb.ListModelVersionsResponse:
        """Lists what is in the repository and in memory."""
        index = await self._registry.index()
        return pb.ListModelVersionsResponse(
            versions=_versions(index.versions), repository=index.url, problem=index.problem
        )

    async def LoadModel(self, request: pb.LoadModelRequest, context: Any) -> pb.LoadModelResponse:
        """Loads a model or a version."""
        return pb.LoadModelResponse(
            versions=_versions(await self._registry.load(request.name, request.version))
        )

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Any) -> pb.UnloadModelResponse:
        """Unloads a model or a version."""
        statuses = await self._registry.unload(request.name, request.version)
        return pb.UnloadModelResponse(versions=_versions(statuses))


def _versions(statuses: Iterable[VersionStatus]) -> list[pb.ModelVersion]:
    return [_version(status) for status in statuses]


def _version(status: VersionStatus) -> pb.ModelVersion:
    version = pb.ModelVersion(
        name=status.name,
        version=status.version,
        state=_STATES[status.state],
        reason=status.reason,
        digest=status.digest,
        calls=status.calls,
    )
    if status.loaded_at:
        version.loaded_at.FromDatetime(status.loaded_at)
    return version
