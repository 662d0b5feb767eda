"""Exports a run's averaged generator to ONNX with its card, after checking one against the other.

The weights are stored as float16 with a Cast to float32 behind each, which ONNX Runtime folds when it
loads the model: half the file, float32 arithmetic.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from ganpress.v1.model_card_pb2 import Metric, ModelCard, TrainingData, TrainingRun
from google.protobuf import json_format
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from trainer.checkpoint import load_newest
from trainer.config import Config
from trainer.errors import TrainerError
from trainer.label_weights import label_feed, take_label_weights
from trainer.metrics import record
from trainer.models.base import Generator
from trainer.sampling import generator_of

CARD_FORMAT_VERSION = 1
NOISE_CONTRACT = "philox-box-muller-1"
OPSET = 20
CHECKED_BATCH_SIZES = (1, 2, 17)
MAX_ABS_DIFF = 1e-4
"""Largest difference allowed between ONNX Runtime and PyTorch, in the output's range of -1..1."""
MAX_HALF_GREY_LEVELS = 3
"""Largest difference allowed in any pixel between float16-stored and float32 weights."""


class ExportError(TrainerError):
    """The exported model is not the trained one; nothing was written."""


@dataclass(frozen=True)
class CardText:
    """What a person says of a model."""

    name: str
    """Model name: lower-case letters, digits and hyphens."""
    version: int
    """Model version, at least 1."""
    description: str
    """What the model draws."""
    limitations: tuple[str, ...]
    """What it does badly."""
    terms: str
    """Terms of use of the weights."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ExportError(f"model name {self.name!r} must be lower-case letters, digits and hyphens")
        if self.version < 1:
            raise ExportError(f"model version {self.version} must be at least 1")


def export(run: Path, repository: Path, text: CardText) -> Path:
    """Writes `repository/<name>/<version>/{model.onnx,card.json}` and returns that folder.

    Raises:
        RunError: the run has no usable checkpoint.
        ExportError: the version exists, ONNX Runtime does not agree with PyTorch, or the run was evaluated at
            another step.
        MetricsError: the run's evaluation is damaged.
    """
    target = repository / text.name / str(text.version)
    if target.exists():
        raise ExportError(f"{target} exists; choose another --version")
    config, state = load_newest(run)
    measured = _measured(run, int(state["step"]))
    generator = generator_of(config, state)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as tmp:
        folder = Path(tmp) / "model"
        folder.mkdir()
        exact = folder / "exact.onnx"
        _write_onnx(generator, exact)
        metrics = [_check_exact(generator, exact)]
        _store_as_float16(exact, folder / "model.onnx")
        metrics += _check_float16(generator, exact, folder / "model.onnx")
        exact.unlink()
        card = _card(run, config, state, text, folder / "model.onnx", metrics + measured)
        (folder / "card.json").write_text(
            json_format.MessageToJson(card, preserving_proto_field_name=False) + "\n"
        )
        folder.rename(target)
    return target


class _ImageFromNoise(nn.Module):
    """The unconditional graph: without a label input."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor) -> Tensor:
        return self.generator(z, torch.zeros(1, dtype=torch.int64))


def _write_onnx(generator: Generator, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    z = torch.zeros(2, generator.z_dim)  # a batch of 2 keeps the axis dynamic
    if generator.n_labels:
        module, inputs, names = generator, (z, torch.zeros(2, dtype=torch.int64)), ["z", "label"]
    else:
        module, inputs, names = _ImageFromNoise(generator).eval(), (z,), ["z"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself; nothing a user could act on
        program = torch.onnx.export(
            module, inputs, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=names, output_names=["image"], dynamic_shapes=tuple({0: batch} for _ in names),
        )  # fmt: skip
    assert program is not None  # noqa: S101
    program.save(str(path), external_data=False)
    model = onnx.load(path)
    _strip_metadata(model)
    if generator.n_labels:
        take_label_weights(model, generator.n_labels)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _strip_metadata(model: onnx.ModelProto) -> None:
    """Removes what names the exporting machine, so that the same weights give the same file."""
    model.ClearField("metadata_props")
    model.producer_name, model.producer_version = "ganpress", version("ganpress")
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.ClearField("functions")


def _store_as_float16(source: Path, target: Path) -> None:
    """Writes the model with float16 weights, each followed by a Cast to float32."""
    model = onnx.load(source)
    casts = []
    for initializer in model.graph.initializer:
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims, dtype=int) < 2:
            continue
        name = initializer.name
        values = numpy_helper.to_array(initializer).astype(np.float16)
        initializer.CopyFrom(numpy_helper.from_array(values, f"{name}_fp16"))
        casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _run_onnx(path: Path, z: Tensor, label: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {"z": z.numpy(), "label": label_feed(session, label.numpy())}
    names = [i.name for i in session.get_inputs()]
    (image,) = session.run(["image"], {name: feeds[name] for name in names})
    return np.asarray(image)


def _inputs(generator: Generator, n: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(n)
    return torch.randn(n, generator.z_dim, generator=rng), torch.arange(n) % max(generator.n_labels, 1)


def _check_exact(generator: Generator, path: Path) -> Metric:
    worst = 0.0
    for n in CHECKED_BATCH_SIZES:
        z, label = _inputs(generator, n)
        with torch.no_grad():
            expected = generator(z, label).numpy()
        worst = max(worst, float(np.abs(_run_onnx(path, z, label) - expected).max()))
    if not worst <= MAX_ABS_DIFF:
        raise ExportError(
            f"ONNX Runtime differs from PyTorch by {worst:.2g}, more than {MAX_ABS_DIFF}: nothing was written"
        )
    return Metric(
        name="onnx_max_abs_diff",
        value=worst,
        method=f"largest difference of the float32 export from PyTorch, batches of {CHECKED_BATCH_SIZES}",
    )


def _check_float16(generator: Generator, exact: Path, half: Path) -> list[Metric]:
    z, label = _inputs(generator, 256)
    a, b = (_to_grey_levels(_run_onnx(path, z, label)) for path in (exact, half))
    diff = np.abs(a - b)
    mse = float((diff.astype(np.float64) ** 2).mean())
    if diff.max() > MAX_HALF_GREY_LEVELS:
        raise ExportError(
            f"float16 weights change a pixel by {diff.max()} grey levels, more than {MAX_HALF_GREY_LEVELS}: "
            "nothing was written"
        )
    how = "float16-stored against float32 weights in ONNX Runtime, 256 images, after rounding to 0..255"
    return [
        Metric(name="float16_max_grey_levels", value=float(diff.max()), method=f"largest difference, {how}"),
        Metric(name="float16_psnr_db", value=10 * np.log10(255**2 / max(mse, 1e-12)), method=f"PSNR, {how}"),
    ]


def _to_grey_levels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.int16)


def _measured(run: Path, step: int) -> list[Metric]:
    """Returns the figures of the run's evaluation, none where there was none.

    Raises:
        ExportError: they were measured at another step.
    """
    path = run / record.FILE
    if not path.is_file():
        return []
    evaluation = record.read(path)
    if (evaluation.step, evaluation.weights) != (step, "average"):
        raise ExportError(
            f"{path} was measured at step {evaluation.step} ({evaluation.weights} weights), but the "
            f"checkpoint is of step {step}: evaluate again, or remove {path.name} to export without figures"
        )
    return [
        Metric(name=figure.name, value=figure.value, method=figure.sentence())
        for figure in evaluation.figures
    ]


def _card(
    run: Path, config: Config, state: dict, text: CardText, model: Path, metrics: list[Metric]
) -> ModelCard:
    data = json.loads((run / "data.json").read_text())
    environment = json.loads((run / "environment.json").read_text())
    steps = int(state["step"])
    conditional = config.architecture != "dcgan"
    return ModelCard(
        format_version=CARD_FORMAT_VERSION,
        name=text.name,
        version=text.version,
        description=text.description,
        architecture=config.architecture,
        z_dim=config.z_dim,
        noise=NOISE_CONTRACT,
        labels=state["label_names"] if conditional else [],
        image_size_px=config.image_size_px,
        channels=config.channels,
        output_min=-1,
        output_max=1,
        onnx_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        onnx_bytes=model.stat().st_size,
        weights_dtype="float16",
        data=TrainingData(
            name=data["name"],
            images=data["images"],
            images_per_label=data["images_per_label"],
            sha256=data["sha256"],
            terms=data["terms"],
        ),
        training=TrainingRun(
            config_json=json.dumps(json.loads(config.to_json()), sort_keys=True, separators=(",", ":")),
            images_seen=steps * config.batch_size,
            steps=steps,
            epochs=steps * config.batch_size / data["images"],
            duration_s=round(state["duration_s"], 1),
            device=environment["device"],
            versions=environment["versions"] | {"onnx": version("onnx")},
            exported_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        ),
        metrics=metrics,
        limitations=text.limitations,
        terms=text.terms,
    )
