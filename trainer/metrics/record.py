"""The figures of one evaluation, as they are kept in evaluation.json."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.files import write_atomically
from trainer.metrics import MetricsError

FILE = "evaluation.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Record):
    """One measured quality."""

    name: str
    """Name, ending in the features it was measured on, such as `kid_lite0`."""
    value: float
    """Mean over the seeds."""
    spread: float | None
    """Standard deviation over the seeds; None for one seed."""
    real: float | None
    """What real images score; None where the set cannot tell."""
    chance: float | None = None
    """What guessing scores, where that means something."""
    method: str
    """How it was measured, with numbers of images and seeds."""

    def sentence(self) -> str:
        """Returns how it was measured, and what real images and guessing score, for a model card."""
        parts = [self.method]
        if self.spread is not None:
            parts.append(f"standard deviation over seeds {self.spread:.3g}")
        if self.real is not None:
            parts.append(f"real images {self.real:.3g}")
        if self.chance is not None:
            parts.append(f"chance {self.chance:.3g}")
        return "; ".join(parts)


class Evaluation(_Record):
    """Everything that was measured of one target."""

    target: str
    """What was evaluated: its path."""
    kind: str
    """`run`, `exported model` or `images`."""
    step: int | None
    """Step of the run's checkpoint."""
    weights: str
    """`average` or `raw` weights of the run, empty where there is no run."""
    data: str
    """Name of the real images."""
    data_sha256: str
    """Digest of the real training images."""
    images: int
    """Images drawn a seed for the distances."""
    images_per_label: int | None
    """Images drawn a seed of each label for the label's figures; None where they were not measured."""
    seeds: int
    """Number of times it was drawn, with the seeds 0, 1, ..."""
    figures: tuple[Figure, ...]
    """What was measured."""
    not_measured: dict[str, str]
    """Why a figure is missing, by name."""
    notes: tuple[str, ...]
    """What a reader should know."""

    def write(self, folder: Path) -> Path:
        """Writes the record to `folder` and returns the file."""
        path = folder / FILE
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())
        return path


def read(path: Path) -> Evaluation:
    """Returns the record in a file.

    Raises:
        MetricsError: it is damaged.
    """
    try:
        return Evaluation.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise MetricsError(f"{path} is damaged or of another version: evaluate again") from error
