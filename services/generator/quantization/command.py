"""`ganpress-generator quantize`: makes the int8 variant of a model, if it is good enough."""

from __future__ import annotations

import math
from pathlib import Path

import click

from services.generator.errors import GeneratorError
from services.generator.models import NAME_PATTERN, PACKAGED_MODELS, Model

DEFAULT_MIN_PSNR_DB = 38.0
"""The worst images of the models in the box have 43 and 44 dB; differences of 38 dB are hard to see."""


class GateError(GeneratorError):
    """The quantized model draws images that are too far from its parent's; the message says how far."""


@click.command(short_help="Make the int8 variant of a model.")
@click.argument("model", metavar="MODEL")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Model repository to write to.  [default: the one that MODEL lies in]",
)
@click.option("--name", help="Name of the new model.  [default: MODEL's]")
@click.option(
    "--version",
    type=click.IntRange(1, 999_999_999),
    help="Version of the new model.  [default: the next free one]",
)
@click.option(
    "--images",
    type=click.IntRange(16, 100_000),
    default=512,
    show_default=True,
    help="Images that are compared with MODEL's.",
)
@click.option(
    "--calibration-images",
    type=click.IntRange(10, 100_000),
    default=300,
    show_default=True,
    help="Images from which the ranges of the activations are taken.",
)
@click.option(
    "--min-psnr-db",
    type=click.FloatRange(0, 100),
    default=DEFAULT_MIN_PSNR_DB,
    show_default=True,
    help="Least PSNR in dB that every compared image must have to MODEL's.",
)
def quantize(
    model: str,
    out: Path | None,
    name: str | None,
    version: int | None,
    images: int,
    calibration_images: int,
    min_psnr_db: float,
) -> None:
    """Make the int8 variant of MODEL, for OpenVINO.

    MODEL is the folder of a version, of a model (its newest version), or the name of a model of the package.
    The variant is a version of its own with a digest of its own: its images are near to MODEL's, but other
    images. It is written only if every one of the compared images is near enough.

    Needs the packages of the extra: pip install 'ganpress[quantize]'.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise click.UsageError(f"--name has to be of lower-case letters, digits and hyphens, not {name!r}")
    if math.isnan(min_psnr_db):
        raise click.UsageError("--min-psnr-db has to be a number from 0 to 100, not nan")
    from services.generator.quantization.variant import find_model, free_version

    try:
        parent = find_model(model)
        repository = out or _repository_of(parent)
        name = name or parent.name
        version = version or free_version(repository, name, parent)
        folder = make_variant(
            parent,
            repository,
            name=name,
            version=version,
            images=images,
            calibration_images=calibration_images,
            min_psnr_db=min_psnr_db,
        )
    except GeneratorError as error:
        raise click.ClickException(str(error)) from error
    click.echo(folder)


def make_variant(
    parent: Model,
    repository: Path,
    *,
    name: str,
    version: int,
    images: int,
    calibration_images: int,
    min_psnr_db: float,
) -> Path:
    """Makes, measures and writes the int8 variant of a model, and returns its folder; tells of it on stderr.

    Raises:
        GateError: One of its images is too far from the parent's; nothing is written.
        CorruptModelError: The model cannot be quantized, or is quantized already.
        RepositoryError: The version exists already, or cannot be written.
        MissingRuntimeError: A package is not installed.
    """
    import tempfile

    from ganpress.v1.model_card_pb2 import Quantization

    from services.generator.engine import instruction_set
    from services.generator.errors import CorruptModelError, RepositoryError
    from services.generator.models import ONNX_FILE
    from services.generator.quantization.calibration import (
        CALIBRATION_SEED,
        METHOD,
        load_tools,
        quantized,
        versions,
    )
    from services.generator.quantization.fidelity import compare
    from services.generator.quantization.variant import card_of, with_graph, write_version
    from services.generator.runtimes import Runtimes, is_quantized

    if is_quantized(parent):
        raise CorruptModelError(
            f"{parent.name} version {parent.version} is quantized already: quantize the model that it was "
            f"made from, version {parent.card.quantization.parent_version}"
        )
    if (repository / name / str(version)).exists():
        raise RepositoryError(f"{repository / name / str(version)} exists already: choose another version")
    _tell(f"quantizing {parent.name} version {parent.version} with {calibration_images} images")
    load_tools()
    exact = Runtimes("onnxruntime").open(parent)
    card = parent.card
    onnx = quantized(parent.onnx_path, exact, card.z_dim, len(card.labels), calibration_images)
    with tempfile.TemporaryDirectory() as elsewhere:
        path = Path(elsewhere) / ONNX_FILE
        path.write_bytes(onnx)
        near = Runtimes("openvino").open(Model(with_graph(card, onnx), path))
        _tell(f"comparing {images} images")
        fidelity = compare(exact, near, card.z_dim, len(card.labels), images)
    psnr_db, worst_db = fidelity.psnr_db.mean(), fidelity.psnr_db.min()
    _tell(
        f"PSNR {psnr_db:.2f} dB (worst image {worst_db:.2f}), SSIM {fidelity.ssim.mean():.4f} "
        f"(worst {fidelity.ssim.min():.4f}), largest difference {fidelity.max_grey_levels} of 255"
    )
    for distance, (of_int8, of_float32) in fidelity.distances.items():
        _tell(f"{distance} to other seeds: {of_int8:.4g}, of float32 images {of_float32:.4g}")
    if worst_db < min_psnr_db:
        seed = int(fidelity.psnr_db.argmin())
        raise GateError(
            f"the image of seed {seed} has a PSNR of {worst_db:.2f} dB to the float32 model's, below "
            f"{min_psnr_db:g} dB: nothing was written; --min-psnr-db sets the least"
        )
    quantization = Quantization(
        method=METHOD,
        calibration_images=calibration_images,
        calibration_seed=CALIBRATION_SEED,
        min_psnr_db=min_psnr_db,
        measured_on=f"OpenVINO {near.version} ({instruction_set()})",
        versions=versions(),
    )
    return write_version(repository, card_of(parent, name, version, onnx, fidelity, quantization), onnx)


def _repository_of(model: Model) -> Path:
    repository = model.onnx_path.parent.parent.parent
    if repository == PACKAGED_MODELS.resolve():
        raise GeneratorError(
            f"{model.name} is a model of the package: name the model repository to write to by --out"
        )
    return repository


def _tell(text: str) -> None:
    click.echo(text, err=True)
