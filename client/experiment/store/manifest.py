"""manifest.json: what a folder of results belongs to."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from client.errors import InputError
from client.experiment.store.folder import Store

FILE = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SourceEntry(_Part):
    """A source of images, as it was found."""

    name: str
    """Name in the plan."""
    kind: Literal["real", "generated"]
    """Whether a model drew its images."""
    images: int
    """Number of images."""
    items_sha256: str
    """Digest of the images' names, labels and seeds in their order."""
    data_set: str | None = None
    """Data set that the plan says it belongs to."""
    split: str | None = None
    """Part of that data set."""
    labels: list[str] = []
    """Labels that occur, sorted."""
    model: str | None = None
    """Model that draws it."""
    model_version: int | None = None
    """Version of that model."""
    model_digest: str | None = None
    """SHA-256 of that model's ONNX file."""
    architecture: str | None = None
    """Architecture on the model's card."""


class SettingEntry(_Part):
    """A setting, as the compressor knows it."""

    codec: str
    """Codec name."""
    technique: str
    """Technique that the codec belongs to."""
    setting: str
    """As in the rows."""


class Manifest(_Part):
    """What a folder of results belongs to; it is written before any cell is run."""

    format: Literal["ganpress-experiment"] = "ganpress-experiment"
    """What the file is."""
    version: Literal[1] = 1
    """Goes up when a field changes its meaning."""
    plan: dict[str, Any]
    """The plan with every default filled in."""
    plan_digest: str
    """SHA-256 of the plan as canonical JSON, `data` left out."""
    data: str
    """Folder or URL that the plan's paths were taken from."""
    cells: int
    """Number of cells."""
    sources: list[SourceEntry]
    """The plan's sources."""
    perturbations: list[str]
    """The plan's perturbations, `none` among them where images go in as they are."""
    settings: list[SettingEntry]
    """The plan's settings."""
    command: str
    """Command line that runs the same plan."""

    def difference(self, other: Manifest) -> str | None:
        """Returns how another run differs from this one, None when both are of the same cells."""
        if self.plan_digest != other.plan_digest:
            mine, theirs = (f"{one.plan.get('name')} ({one.plan_digest[:12]})" for one in (self, other))
            return f"it is of the plan {mine}, not {theirs}"
        for mine, theirs in zip_longest(self.sources, other.sources):
            if not mine or not theirs:
                missing = mine or theirs
                return f"only one of both has the source {missing.name if missing else ''}"
            if mine.model_digest != theirs.model_digest:
                digests = [str(one.model_digest)[:12] for one in (mine, theirs)]
                return f"source {mine.name} was drawn by model {digests[0]}, which now is {digests[1]}"
            if mine != theirs:
                return f"the images of source {mine.name} are not the same as they were"
        if (self.cells, self.settings) != (other.cells, other.settings):
            return "the settings are not the same"
        return None

    def to_json(self) -> bytes:
        """Returns the file."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def read_manifest(store: Store) -> Manifest | None:
    """Returns the manifest of a folder of results, None when it has none.

    Raises:
        InputError: The file is no manifest of this version.
        StoreError: It cannot be read.
    """
    data = store.get(FILE)
    if data is None:
        return None
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{store.location}/{FILE} is not what this version of GanPress writes: {where}: {first['msg']}"
        ) from error
