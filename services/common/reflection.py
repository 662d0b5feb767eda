"""Server reflection over messages of more than one descriptor pool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import grpc
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

DESCRIPTOR = cast("ServiceDescriptor", reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"])


def add_reflection(services: Iterable[ServiceDescriptor], server: grpc.aio.Server) -> None:
    """Lets a server describe the given services and this one, with all that they import."""
    described = [*services, DESCRIPTOR]
    names = [service.full_name for service in described]
    # The class for asyncio by its own name: gRPC chooses it only for a server of its own.
    servicer = cast("Any", reflection).aio.ReflectionServicer(
        names, _pool_of([service.file for service in described])
    )
    cast("Any", reflection_pb2_grpc).add_ServerReflectionServicer_to_server(servicer, server)


def _pool_of(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """Returns a pool with the files and their dependencies, whatever pools they come from."""
    pool, added = DescriptorPool(), set[str]()

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for dependency in cast("Any", file).dependencies:
            add(dependency)
        cast("Any", pool).AddSerializedFile(file.serialized_pb)

    for file in files:
        add(file)
    return pool
