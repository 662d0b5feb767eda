"""What can be told of the versions in a repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Key = tuple[str, int]
"""Model name and version."""

VersionState = Literal["ready", "loading", "unloading", "not_loaded", "failed"]
"""ready: it is served. loading: it is being brought here, loaded and warmed up. unloading: only its last
callers use it. not_loaded: the policy or a client left it out. failed: it cannot be loaded."""


@dataclass(frozen=True)
class VersionStatus:
    """One version that is in the repository or in memory."""

    name: str
    """Model name."""
    version: int
    """Version."""
    state: VersionState
    """What it is doing."""
    reason: str = ""
    """Why it is not served; of a version that is: why its changed files are not in its place."""
    digest: str = ""
    """Of what is served; empty when it is not."""
    calls: int = 0
    """Calls that use it, or what was served in its place before."""
    loaded_at: datetime | None = None
    """When what is served was loaded, in UTC."""


@dataclass(frozen=True)
class Index:
    """What is in a repository and in memory."""

    url: str
    """Path or URL of the repository, without credentials."""
    versions: list[VersionStatus]
    """Sorted by model, then by version, newest first."""
    problem: str = ""
    """Why the repository cannot be read; the versions are those last seen."""


@dataclass(frozen=True)
class ModelEvent:
    """Something happened to a version."""

    kind: Literal["ready", "gone", "failed"]
    """ready: requests get it from now on, first or in place of its earlier content. gone: they do not any
    more. failed: it could not be loaded; what was served before still is."""
    name: str
    """Model name."""
    version: int
    """Version."""
    digest: str = ""
    """Of a version that is ready."""
    reason: str = ""
    """Why it is gone or failed."""
