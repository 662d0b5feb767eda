"""Targets: a model's card, and what is looked for in its graph."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from services.generator.errors import CorruptModelError
from services.generator.graph_file import check_graph
from services.generator.models import PACKAGED_MODELS, parse_card
from tests.fuzz.targets import Target


def read_card(data: bytes) -> None:
    """Reads a card."""
    with suppress(CorruptModelError):
        parse_card(data, "cars", 1, "card.json")


def search_graph(data: bytes) -> None:
    """Looks through a graph for other files and for operators."""
    with suppress(CorruptModelError):
        check_graph(data, "model.onnx")


def _cards() -> list[bytes]:
    cards = [path.read_bytes() for path in sorted(PACKAGED_MODELS.glob("*/1/card.json"))]
    return [*cards, b'{"formatVersion": 1, "name": "cars", "version": 1, "noise": "philox-box-muller-1"}']


def _graphs() -> list[bytes]:
    from tests.helpers.models import build_onnx

    graph = build_onnx(z_dim=2, image_size_px=8, width=1)
    with_file = build_onnx(z_dim=2, image_size_px=8, width=1)
    tensor = with_file.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value=str(Path("..") / "weights"))
    return [graph.SerializeToString(), with_file.SerializeToString()]


TARGETS = (
    Target(
        "card",
        read_card,
        _cards,
        max_bytes=8192,
    ),
    Target("onnx", search_graph, _graphs, max_bytes=4096),
)
