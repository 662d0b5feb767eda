"""The model repository: where versions of models lie, and which of them are in memory.

A `Folder` lists what is there and brings a version's files here. A `Registry` loads versions, hands them out
by leases and replaces them while they are in use. It knows neither gRPC nor ONNX Runtime.
"""

from services.generator.repository.folder import Entry, Folder, open_folder
from services.generator.repository.lease import Lease
from services.generator.repository.policy import VersionPolicies, VersionPolicyError
from services.generator.repository.registry import Registry, RegistryOptions
from services.generator.repository.status import Index, ModelEvent, VersionState, VersionStatus

__all__ = [
    "Entry",
    "Folder",
    "Index",
    "Lease",
    "ModelEvent",
    "Registry",
    "RegistryOptions",
    "VersionPolicies",
    "VersionPolicyError",
    "VersionState",
    "VersionStatus",
    "open_folder",
]
