"""Which runtime computes a model: ONNX Runtime or OpenVINO, and on what."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.generator.engine import Engine, OnnxEngine
from services.generator.models import Model
from services.generator.openvino_engine import OpenVinoEngine, has_openvino, load_openvino
from services.generator.providers import CPU, Device, choose_provider, refusal

logger = logging.getLogger(__name__)

RuntimeName = Literal["auto", "onnxruntime", "openvino"]


@dataclass
class Runtimes:
    """Opens models with the runtime that was asked for.

    `auto` computes quantized models with OpenVINO, where it is installed and the CPU computes, and all others
    with ONNX Runtime: each with what is fastest for it.
    """

    name: RuntimeName = "auto"
    """The runtime."""
    device: Device = "cpu"
    """Where ONNX Runtime computes; OpenVINO always computes on the CPU."""
    device_required: bool = False
    """Whether nothing else may compute where the device cannot be used."""
    threads: int = 1
    """Runs that may go on at the same time, and threads of an image that has the machine for itself."""
    max_batch_size: int = 32
    """Most images in a run."""
    cache: Path | None = None
    """Folder for what TensorRT builds."""
    provider: str = field(default=CPU, init=False)
    """What computes, or would; known after `prepare`."""

    def prepare(self) -> None:
        """Looks for the device and the libraries, which may log warnings.

        Raises:
            MissingRuntimeError: The runtime is not installed.
            DeviceError: The device is required and cannot be used.
        """
        if self.name == "openvino":
            if self.device_required and self.device not in {"auto", "cpu"}:
                raise refusal(self.device, "the runtime 'openvino' computes on the CPU alone")
            load_openvino()
        else:
            self.provider = choose_provider(self.device, required=self.device_required)

    def open(self, model: Model) -> Engine:
        """Loads a model and lets it draw its first images, which takes a while.

        Raises:
            CorruptModelError: The graph is not what the card says.
            MissingRuntimeError: The runtime is not installed.
            DeviceError: The device is required and cannot compute this model.
        """
        card = model.card
        shape: dict[str, Any] = {
            "digest": model.digest,
            "z_dim": card.z_dim,
            "labels": len(card.labels),
            "image_size_px": card.image_size_px,
            "channels": card.channels,
        }
        if self._takes_openvino(model):
            return OpenVinoEngine(model.onnx_path, **shape, threads=self.threads)
        engine = OnnxEngine(
            model.onnx_path,
            **shape,
            provider=self.provider,
            threads=self.threads,
            max_batch_size=self.max_batch_size,
            cache=self.cache,
        )
        if self.device_required and engine.provider != self.provider:
            raise refusal(self.device, f"{self.provider} could not be used for {model.onnx_path}")
        return engine

    def _takes_openvino(self, model: Model) -> bool:
        if self.name != "auto" or not is_quantized(model) or self.provider != CPU:
            return self.name == "openvino"
        if has_openvino():
            return True
        logger.warning(
            "%s version %d is of 8-bit integers, which ONNX Runtime computes slowly: "
            "pip install 'ganpress[openvino]'",
            model.name,
            model.version,
        )
        return False


def is_quantized(model: Model) -> bool:
    """Whether a model computes with 8-bit integers."""
    return model.card.HasField("quantization")


def precision(model: Model) -> str:
    """Returns what a model computes with, "float32" or "int8"."""
    return "int8" if is_quantized(model) else "float32"
