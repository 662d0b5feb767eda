"""The model repository: `<root>/<name>/<version>/{model.onnx,card.json}`, found and checked."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format

from services.generator import noise
from services.generator.errors import CorruptModelError

logger = logging.getLogger(__name__)

PACKAGED_MODELS = Path(__file__).parent / "model_repository"
CARD_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Model:
    """One version of a model whose files were found to be what its card says."""

    card: ModelCard
    """The card."""
    onnx_path: Path
    """The graph."""

    @property
    def name(self) -> str:
        """Name, lower-case letters, digits and hyphens."""
        return self.card.name

    @property
    def version(self) -> int:
        """Version, at least 1."""
        return self.card.version

    @property
    def digest(self) -> str:
        """SHA-256 of the graph's file, lower-case hexadecimal."""
        return self.card.onnx_sha256

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of their index; empty for an unconditional model."""
        return tuple(self.card.labels)


def find_models(root: Path) -> list[Model]:
    """Returns the sound models below `root`, sorted by name, then by version, newest first.

    A model that is not sound is logged and left out.
    """
    models: list[Model] = []
    for card_path in sorted(root.glob("*/*/card.json")):
        try:
            models.append(read_model(card_path.parent))
        except CorruptModelError as error:
            logger.error("model left out: %s", error)
    return sorted(models, key=lambda model: (model.name, -model.version))


def read_model(directory: Path) -> Model:
    """Returns the model in a `<name>/<version>` directory.

    Raises:
        CorruptModelError: The card cannot be read, contradicts itself or its place, or the graph's file
            is not the one that the card describes.
    """
    card_path, onnx_path = directory / "card.json", directory / "model.onnx"
    try:
        card = json_format.Parse(card_path.read_text(encoding="utf-8"), ModelCard())
        onnx = onnx_path.read_bytes()
    except OSError as error:
        raise CorruptModelError(f"cannot read {error.filename}: {error.strerror}") from error
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise CorruptModelError(f"{card_path} is not a model card: {error}") from error
    for accepted, problem in (
        (card.format_version == CARD_FORMAT_VERSION, f"format_version {card.format_version} is not known"),
        (
            re.fullmatch("[a-z0-9-]+", card.name),
            f"name {card.name!r} is not of lower-case letters, digits, hyphens",
        ),
        (directory.parent.name == card.name, f"name {card.name!r} is not its directory's"),
        (
            directory.name == str(card.version) != "0",
            f"version {card.version} is not its directory's, 1 or more",
        ),
        (card.noise == noise.NAME, f"noise {card.noise!r} is not known, only {noise.NAME!r}"),
        (card.z_dim >= 1, "z_dim is 0"),
        (card.image_size_px >= 1, "image_size_px is 0"),
        (
            (card.output_min, card.output_max) == (-1, 1),
            f"output goes from {card.output_min} to {card.output_max}, not from -1 to 1",
        ),
        (card.channels in {1, 3}, f"channels is {card.channels}, not 1 or 3"),
        (len(set(card.labels)) == len(card.labels), "labels has one twice"),
        (all(card.labels), "labels has an empty one"),
    ):
        if not accepted:
            raise CorruptModelError(f"{card_path}: {problem}")
    digest = hashlib.sha256(onnx).hexdigest()
    if digest != card.onnx_sha256:
        raise CorruptModelError(
            f"{onnx_path} has the SHA-256 {digest}, its card says {card.onnx_sha256 or 'nothing'}"
        )
    return Model(card, onnx_path)
