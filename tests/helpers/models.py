"""Generators with random weights, built in milliseconds, in a model directory like a real one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format
from onnx import TensorProto, helper, numpy_helper

BODY_TYPES = ("coupe", "sedan", "suv")


def build_onnx(
    *,
    z_dim: int = 12,
    labels: int = 3,
    image_size_px: int = 16,
    channels: int = 3,
    width: int = 8,
    seed: int = 0,
    mixes_labels: bool = False,
) -> onnx.ModelProto:
    """Returns a DCGAN-like generator: latent (and one-hot label) -> 4x4 -> doubled up to the image size.

    The weights are stored as float16 and computed in float32, as in the models that are shipped.
    `labels` 0 makes it unconditional; `image_size_px` is a power of two from 8. With `mixes_labels` the
    input `label` holds weights.
    """
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(name: str, *shape: int, fan_in: int) -> str:
        values = random.normal(0, fan_in**-0.5, shape).astype(np.float16)
        weights.append(numpy_helper.from_array(values, f"{name}_f16"))
        nodes.append(helper.make_node("Cast", [f"{name}_f16"], [name], to=TensorProto.FLOAT))
        return name

    def constant(name: str, values: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    latent = "z"
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", z_dim])]
    if labels:
        if mixes_labels:
            inputs.append(helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", labels]))
            nodes.append(
                helper.make_node("Mul", ["label", constant("two", np.array(2, np.float32))], ["label_vector"])
            )
        else:
            inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
            depth = constant("depth", np.array(labels))
            on_off = constant("on_off", np.array([0, 2], np.float32))
            nodes.append(helper.make_node("OneHot", ["label", depth, on_off], ["label_vector"], axis=-1))
        nodes.append(helper.make_node("Concat", ["z", "label_vector"], ["latent"], axis=1))
        latent = "latent"
    features = width * image_size_px // 8
    linear = weight("linear", z_dim + labels, features * 16, fan_in=z_dim)
    nodes.append(helper.make_node("MatMul", [latent, linear], ["flat"]))
    shape = constant("shape", np.array([-1, features, 4, 4]))
    nodes.append(helper.make_node("Reshape", ["flat", shape], ["x4"]))
    size = 4
    while size < image_size_px:
        nodes.append(helper.make_node("Relu", [f"x{size}"], [f"relu{size}"]))
        out = channels if size * 2 == image_size_px else features // 2
        kernel = weight(f"kernel{size}", features, out, 4, 4, fan_in=features * 2)
        nodes.append(
            helper.make_node(
                "ConvTranspose", [f"relu{size}", kernel], [f"x{size * 2}"], strides=[2, 2], pads=[1, 1, 1, 1]
            )
        )
        features, size = out, size * 2
    nodes.append(helper.make_node("Tanh", [f"x{size}"], ["image"]))
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, ["batch", channels, image_size_px, image_size_px]
    )
    graph = helper.make_graph(nodes, "generator", inputs, [image], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def write_model(
    root: Path,
    name: str = "cars",
    version: int = 1,
    *,
    labels: Sequence[str] = BODY_TYPES,
    z_dim: int = 12,
    image_size_px: int = 16,
    channels: int = 3,
    width: int = 8,
    seed: int = 0,
    mixes_labels: bool = False,
) -> Path:
    """Writes `<root>/<name>/<version>/{model.onnx,card.json}` and returns that directory."""
    model = build_onnx(
        z_dim=z_dim,
        labels=len(labels),
        image_size_px=image_size_px,
        channels=channels,
        width=width,
        seed=seed,
        mixes_labels=mixes_labels,
    )
    data = model.SerializeToString()
    card = ModelCard(
        format_version=1,
        name=name,
        version=version,
        description=f"Random weights in the shape of a generator of {name}.",
        architecture="cgan" if labels else "dcgan",
        z_dim=z_dim,
        noise="philox-box-muller-1",
        labels=labels,
        image_size_px=image_size_px,
        channels=channels,
        output_min=-1,
        output_max=1,
        onnx_sha256=hashlib.sha256(data).hexdigest(),
        onnx_bytes=len(data),
        weights_dtype="float16",
        terms="None: the weights are random.",
    )
    directory = root / name / str(version)
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(data)
    write_card(directory, card)
    return directory


def replace_model(root: Path, name: str = "cars", version: int = 1, **options: Any) -> Path:
    """Writes a model over one that exists, the graph first, as a copy does."""
    directory = root / name / str(version)
    with tempfile.TemporaryDirectory() as elsewhere:
        fresh = write_model(Path(elsewhere), name, version, **options)
        for file in ("model.onnx", "card.json"):
            (directory / file).write_bytes((fresh / file).read_bytes())
    return directory


def damaged_model(
    root: Path,
    damage: Callable[[onnx.ModelProto], object] | None = None,
    *,
    data: bytes | None = None,
    **options: Any,
) -> Path:
    """Writes a model whose graph is changed by `damage`, or is `data`; its card knows the digest of that."""
    directory = write_model(root, **options)
    if damage:
        model = onnx.load(directory / "model.onnx")
        damage(model)
        data = model.SerializeToString()
    assert data is not None
    (directory / "model.onnx").write_bytes(data)
    card = read_card(directory)
    card.onnx_sha256, card.onnx_bytes = hashlib.sha256(data).hexdigest(), len(data)
    write_card(directory, card)
    return directory


def read_card(directory: Path) -> ModelCard:
    """Reads a model's card."""
    return json_format.Parse((directory / "card.json").read_text(encoding="utf-8"), ModelCard())


def write_card(directory: Path, card: ModelCard) -> None:
    """Writes a model's card, over the old one if there is one."""
    (directory / "card.json").write_text(json_format.MessageToJson(card), encoding="utf-8")
