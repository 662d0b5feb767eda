"""What a plan says: images, what is done to them, and the settings that they go through."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

from client.experiment.plan.perturbation import Perturbation

Metric = Literal["psnr_rgb_db", "psnr_y_db", "ssim", "ms_ssim", "ssimulacra2"]
OptionValue = StrictBool | StrictInt | StrictFloat | StrictStr
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Seed = Annotated[int, Field(ge=0, le=2**63)]
ALL_METRICS: tuple[Metric, ...] = ("psnr_rgb_db", "psnr_y_db", "ssim", "ms_ssim", "ssimulacra2")


class _Model(BaseModel):
    # use_attribute_docstrings: the words below a field are its description in the JSON Schema.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )


_Change = Annotated[
    Annotated[Literal["none"], Tag("none")] | Annotated[Perturbation, Tag("change")],
    Discriminator(lambda value: "none" if isinstance(value, str) else "change"),
]


class _Source(_Model):
    name: Name
    """Name of the source in the results, such as cars-train."""
    data_set: str | None = None
    """Data set that it belongs to, such as cars: what the report puts side by side."""
    split: str | None = None
    """Part of the data set, such as train or test."""
    optional: bool = False
    """Go on without the source when its images or its model are not there."""


class RealSource(_Source):
    """Images of files."""

    kind: Literal["real"]
    """Images of files."""
    images: str
    """An image file, a folder or a tar, or the URL of one; a relative path begins at the plan's `data`."""
    count: int | None = Field(None, ge=1)
    """Number of images; labels share them as equally as can be. Not set: all that there are."""
    match: str = "*"
    """Pattern for paths below the folder or in the tar, such as train/sedan/*; * takes any characters."""
    labels: Literal["none", "folder"] = "none"
    """Where labels come from: from nowhere, or from the name of each image's folder."""
    only_labels: list[str] = []
    """Take images of these labels only."""
    size_px: int | None = Field(None, ge=1, le=2048)
    """Make images N x N pixels, squeezed as for training, and PNG. Not set: they keep their size."""
    as_png: bool = False
    """Make images PNG before they go in, so that none has been made small before."""

    @model_validator(mode="after")
    def _labels_are_known(self) -> Self:
        if self.only_labels and self.labels == "none":
            raise ValueError("only_labels needs labels: folder")
        return self


class Grid(_Model):
    """Many generated images in one, as on a contact sheet."""

    columns: int = Field(ge=1, le=64)
    """Images side by side."""
    rows: int = Field(ge=1, le=64)
    """Images one below another."""
    padding_px: int = Field(2, ge=0, le=64)
    """Black pixels around each."""


class GeneratedSource(_Source):
    """Images that a model draws."""

    kind: Literal["generated"]
    """Images that a model draws."""
    model: str
    """Name of the model."""
    version: int = Field(0, ge=0, le=2**32 - 1)
    """Version of the model; 0 is the newest."""
    labels: Literal["all"] | list[str] = []
    """Labels to draw, or all that the model has; none leaves the label of each image to its seed."""
    count: int = Field(16, ge=1, le=1_000_000)
    """Number of images; labels share them as equally as can be."""
    seed: Seed | None = None
    """Seed of the first image of each label; not set: the plan's."""
    truncation: float | None = Field(None, gt=0, le=1)
    """Factor on the latent vector; not set: 1."""
    grid: Grid | None = None
    """Make each image a grid of images; a grid takes seeds in a row."""
    jpeg_quality: int | None = Field(None, ge=1, le=100)
    """Make the images JPEG of this quality; not set: PNG."""
    evaluation: str | None = None
    """evaluation.json of `ganpress-trainer evaluate`, in place of the metrics on the model's card."""


class CodecSetting(_Model):
    """One codec with its options."""

    codec: str
    """Codec name, as `client codecs` lists them."""
    options: dict[str, OptionValue] = {}
    """The codec's options; those left out take its defaults."""


class CodecEntry(_Model):
    """A codec under every combination of the values of its options."""

    codec: str
    """Codec name, as `client codecs` lists them."""
    options: dict[str, OptionValue | list[OptionValue]] = {}
    """The codec's options; of a list every value is tried."""
    equal_size_to: CodecSetting | None = None
    """Search for each image the best file that is no larger than another setting's."""

    def combinations(self) -> Iterator[dict[str, OptionValue]]:
        """Yields the options of each setting."""
        choices = [value if isinstance(value, list) else [value] for value in self.options.values()]
        for values in itertools.product(*choices):
            yield dict(zip(self.options, values, strict=True))


class Plan(_Model):
    """What `client experiment run` does."""

    name: Name
    """Name of the experiment."""
    description: str = ""
    """What it is for, in a sentence."""
    data: str = "."
    """Folder or URL at which relative paths of images begin; --data takes its place."""
    seed: Seed = 0
    """Draws the real images out of more, and is the first seed of generated ones."""
    keep_images: Literal["all"] | Annotated[int, Field(ge=0)] = 4
    """Of how many images of each source the files are kept, original and compressed: a number or all."""
    metrics: list[Metric] = list(ALL_METRICS)
    """What is measured of each result; with none nothing is decompressed."""
    sources: list[Annotated[RealSource | GeneratedSource, Field(discriminator="kind")]] = Field(min_length=1)
    """Where the images come from."""
    perturbations: list[_Change] = Field(default=["none"], min_length=1)
    """What is done to each image before it goes in; none leaves it as it is."""
    codecs: list[CodecEntry] = Field(min_length=1)
    """The settings that each image goes through."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [source.name for source in self.sources]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two sources have the name {twice[0]!r}: each needs its own")
        return self

    def digest(self) -> str:
        """Returns the SHA-256 of the plan with all its defaults; where the data lie does not count."""
        content = self.model_dump(mode="json", exclude={"data"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
