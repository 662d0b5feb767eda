"""The trainer's figures of sets of generated images: from a model's card, or from `evaluation.json`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ganpress.v1.model_card_pb2 import ModelCard
from pydantic import BaseModel, ValidationError

from client.errors import InputError

_MEASURES = (
    "fd_", "kid_", "precision_", "recall_", "density_", "coverage_", "cas_", "label_accuracy_",
    "copied_share_", "copying_z_", "fid", "kid",
)  # fmt: skip
"""What the names of figures of a set begin with; cards have others, of the export."""


class Figure(BaseModel):
    """One figure, as `ganpress-trainer evaluate` writes it; what else it writes is passed over."""

    name: str
    value: float
    spread: float | None = None
    real: float | None = None
    method: str


class _Evaluation(BaseModel):
    figures: list[Figure]


def figures_of_card(card: ModelCard) -> list[Figure]:
    """Returns the figures of the images that a model draws; none when its card has none."""
    return [
        Figure(
            name=metric.name,
            value=metric.value,
            spread=_number("standard deviation over seeds", metric.method),
            real=_number("real images", metric.method),
            method=metric.method,
        )
        for metric in card.metrics
        if metric.name.startswith(_MEASURES)
    ]


def figures_of_evaluation(data: bytes, name: str) -> list[Figure]:
    """Returns the figures in an `evaluation.json`.

    Raises:
        InputError: The file is none.
    """
    try:
        return list(_measured(_Evaluation.model_validate_json(data).figures))
    except ValidationError as error:
        raise InputError(f"{name} is no evaluation.json of `ganpress-trainer evaluate`") from error


def _measured(figures: Iterable[Figure]) -> Iterable[Figure]:
    return (figure for figure in figures if figure.name.startswith(_MEASURES))


def _number(words: str, method: str) -> float | None:
    found = re.search(rf"(?:^|; ){words} (-?[\d.e+-]+)", method)
    return float(found[1]) if found else None
