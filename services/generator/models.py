"""A model: the files `card.json` and `model.onnx`, checked against each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format

from services.generator import noise
from services.generator.errors import CorruptModelError, IncompleteModelError
from services.generator.graph_file import check_digest, check_graph

PACKAGED_MODELS = Path(__file__).parent / "model_repository"
CARD_FILE, ONNX_FILE = "card.json", "model.onnx"
CARD_FORMAT_VERSION = 1
MAX_CARD_BYTES = 2**20

NAME_PATTERN = re.compile("[a-z0-9-]+")
VERSION_PATTERN = re.compile("[1-9][0-9]{0,8}")
"""Of a version's folder: a plain number."""

_MAX_Z_DIM = 2**16
_MAX_SIDE_PX = 2**14


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


def parse_card(text: bytes, name: str, version: int, where: str) -> ModelCard:
    """Returns the card of a model's version.

    Args:
        text: The card's file.
        name: Name of the model's folder.
        version: Number of the version's folder.
        where: Path or URL of the file, for messages.

    Raises:
        CorruptModelError: It is no card, contradicts itself or its place, or asks for what does not exist.
    """
    if len(text) > MAX_CARD_BYTES:
        raise CorruptModelError(f"{where} has {len(text)} bytes, a card has at most {MAX_CARD_BYTES}")
    try:
        card = json_format.Parse(text, ModelCard())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise CorruptModelError(f"{where} is not a model card: {' '.join(str(error).split())}") from error
    for accepted, problem in (
        (card.format_version == CARD_FORMAT_VERSION, f"format_version {card.format_version} is not known"),
        (
            NAME_PATTERN.fullmatch(card.name),
            f"name {card.name!r} is not of lower-case letters, digits, hyphens",
        ),
        (card.name == name, f"name {card.name!r} is not its folder's, {name!r}"),
        (card.version == version, f"version {card.version} is not its folder's, {version}"),
        (card.noise == noise.NAME, f"noise {card.noise!r} is not known, only {noise.NAME!r}"),
        (1 <= card.z_dim <= _MAX_Z_DIM, f"z_dim is {card.z_dim}, not 1 to {_MAX_Z_DIM}"),
        (
            1 <= card.image_size_px <= _MAX_SIDE_PX,
            f"image_size_px is {card.image_size_px}, not 1 to {_MAX_SIDE_PX}",
        ),
        (
            (card.output_min, card.output_max) == (-1, 1),
            f"output goes from {card.output_min} to {card.output_max}, not from -1 to 1",
        ),
        (card.channels in {1, 3}, f"channels is {card.channels}, not 1 or 3"),
        (len(set(card.labels)) == len(card.labels), "labels has one twice"),
        (all(card.labels), "labels has an empty one"),
        (
            re.fullmatch("[0-9a-f]{64}", card.onnx_sha256),
            f"onnx_sha256 {card.onnx_sha256!r} is not a SHA-256 in lower-case hexadecimal",
        ),
    ):
        if not accepted:
            raise CorruptModelError(f"{where}: {problem}")
    return card


def check_size(card: ModelCard, n_bytes: int, where: str) -> None:
    """Compares the size of the graph's file with the card's: cheaper than the digest while it is copied.

    Raises:
        IncompleteModelError: They differ.
    """
    if n_bytes != card.onnx_bytes:
        raise IncompleteModelError(f"{where} has {n_bytes} bytes, its card says {card.onnx_bytes}")


def check_onnx(card: ModelCard, path: Path, where: str) -> None:
    """Makes sure that a graph's file is the one that the card names, and a graph that may be run.

    Raises:
        IncompleteModelError: It is another file.
        CorruptModelError: It is nothing to run; see `check_graph`.
        OSError: It cannot be read.
    """
    onnx = path.read_bytes()
    check_size(card, len(onnx), where)
    check_digest(onnx, card.onnx_sha256, where)
    check_graph(onnx, where)
