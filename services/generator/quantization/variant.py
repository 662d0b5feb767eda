"""The quantized model as a version of its own: its card, and its place in a model repository."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ganpress.v1.model_card_pb2 import Metric, ModelCard, Quantization
from google.protobuf import json_format

from services.generator.errors import RepositoryError, UnknownModelError
from services.generator.models import (
    CARD_FILE,
    NAME_PATTERN,
    ONNX_FILE,
    PACKAGED_MODELS,
    VERSION_PATTERN,
    Model,
)
from services.generator.quantization.fidelity import Fidelity
from services.generator.repository import Entry
from services.generator.repository.local import LocalFolder


def find_model(text: str) -> Model:
    """Returns the model that a user means by a folder, or by the name of a model in the package.

    Args:
        text: A version's folder, `NAME/VERSION` somewhere; or a model's folder, or the name of a packaged
            model, for its newest version.

    Raises:
        UnknownModelError: There is no such folder and no such model.
        CorruptModelError: Its files are not what the card says.
    """
    folder = Path(text)
    if not folder.is_dir() and NAME_PATTERN.fullmatch(text):
        folder = PACKAGED_MODELS / text
    folder = folder.resolve()
    if not VERSION_PATTERN.fullmatch(folder.name):
        newest = max(_versions(folder), default=0)
        folder = folder / str(newest) if newest else folder
    if not folder.is_dir() or not VERSION_PATTERN.fullmatch(folder.name):
        packaged = ", ".join(sorted(path.name for path in PACKAGED_MODELS.iterdir()))
        raise UnknownModelError(
            f"there is no model {text!r}: name a folder NAME/VERSION with a card.json, or a model of the "
            f"package ({packaged})"
        )
    entry = Entry(folder.parent.name, int(folder.name), "")
    return LocalFolder(folder.parent.parent).fetch(entry)


def free_version(repository: Path, name: str, parent: Model) -> int:
    """Returns a model's next version, above all in the repository and above the parent's."""
    return max(*_versions(repository / name), parent.version if name == parent.name else 0, 0) + 1


def with_graph(card: ModelCard, onnx: bytes) -> ModelCard:
    """Returns a copy of a card, for another graph."""
    copy = ModelCard()
    copy.CopyFrom(card)
    copy.onnx_sha256, copy.onnx_bytes = hashlib.sha256(onnx).hexdigest(), len(onnx)
    return copy


def card_of(
    parent: Model, name: str, version: int, onnx: bytes, fidelity: Fidelity, quantization: Quantization
) -> ModelCard:
    """Returns the card of a quantized model.

    Args:
        parent: The model that it was made from.
        name: Its name.
        version: Its version.
        onnx: Its graph.
        fidelity: What was measured.
        quantization: How it was made; what is known of the parent is filled in.
    """
    card = with_graph(parent.card, onnx)
    card.name, card.version = name, version
    card.weights_dtype = "int8"
    card.quantization.CopyFrom(quantization)
    card.quantization.parent_name = parent.name
    card.quantization.parent_version = parent.version
    card.quantization.parent_sha256 = parent.digest
    card.quantization.quantized_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    del card.metrics[:]  # they are the parent's
    card.metrics.extend(_metrics(fidelity))
    card.limitations.append(
        f"Quantized: an image is near to the one that {parent.name} version {parent.version} draws from the "
        "same seed, but it is another image, named by this model's own digest."
    )
    return card


def write_version(repository: Path, card: ModelCard, onnx: bytes) -> Path:
    """Writes a version into a repository, whole or not at all, and returns its folder.

    Raises:
        RepositoryError: The version exists already, or cannot be written.
    """
    folder = repository / card.name / str(card.version)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".quantize-", dir=folder.parent) as hidden:
            fresh = Path(hidden) / "version"  # servers that watch the repository leave hidden folders alone
            fresh.mkdir()
            (fresh / ONNX_FILE).write_bytes(onnx)
            text = json_format.MessageToJson(card, ensure_ascii=False) + "\n"
            (fresh / CARD_FILE).write_text(text, encoding="utf-8")
            fresh.rename(folder)  # fails where the folder exists and is not empty
    except OSError as error:
        if folder.exists():
            raise RepositoryError(f"{folder} exists already: choose another version") from error
        raise RepositoryError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def _versions(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(path.name) for path in folder.iterdir() if VERSION_PATTERN.fullmatch(path.name)]


def _metrics(fidelity: Fidelity) -> list[Metric]:
    pairs = f"{fidelity.images} images of the seeds from 0 on, labels in turn, each against the parent's"
    names = {
        "psnr": "PSNR of the samples",
        "ssim": "structural similarity (window of 7 px)",
        "fd": "Frechet distance",
        "kid": "squared MMD with cubic kernel",
        "hog": "histograms of oriented gradients of the grey image at 32 px",
        "thumbnail": "images shrunk to 8x8 px",
    }
    metrics = [
        Metric(
            name="int8_psnr_db_mean", value=fidelity.psnr_db.mean(), method=f"{names['psnr']}, mean; {pairs}"
        ),
        Metric(
            name="int8_psnr_db_min", value=fidelity.psnr_db.min(), method=f"{names['psnr']}, worst; {pairs}"
        ),
        Metric(name="int8_ssim_mean", value=fidelity.ssim.mean(), method=f"{names['ssim']}, mean; {pairs}"),
        Metric(name="int8_ssim_min", value=fidelity.ssim.min(), method=f"{names['ssim']}, worst; {pairs}"),
        Metric(
            name="int8_max_grey_levels",
            value=fidelity.max_grey_levels,
            method=f"largest difference of a sample; {pairs}",
        ),
    ]
    for name, (of_int8, of_float32) in fidelity.distances.items():
        kind, features = name.split("_")
        metrics.append(
            Metric(
                name=f"int8_{name}",
                value=of_int8,
                method=f"{names[kind]} of {names[features]}: {fidelity.images} images against as many "
                f"float32 images of other seeds; float32 images of the same seeds have {of_float32:.4g}",
            )
        )
    return metrics
