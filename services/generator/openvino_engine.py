"""OpenVINO as an engine; its package is an extra, imported when it is needed."""

from __future__ import annotations

import re
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from services.generator.engine import Engine
from services.generator.errors import CorruptModelError, MissingRuntimeError


@cache
def load_openvino() -> Any:
    """Returns the package.

    Raises:
        MissingRuntimeError: It is not installed.
    """
    silence_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise MissingRuntimeError(
            "the runtime openvino needs a package that is not installed: pip install 'ganpress[openvino]'"
        ) from error
    return openvino


def silence_telemetry() -> None:
    """Keeps OpenVINO and NNCF from telling their makers who uses them, once they are imported.

    OpenVINO would do so on import, from a fork of the server's process.
    """
    cast("dict[str, Any]", sys.modules).setdefault("openvino_telemetry", None)  # as if not installed


def has_openvino() -> bool:
    """Whether the package is installed."""
    try:
        load_openvino()
    except MissingRuntimeError:
        return False
    return True


class OpenVinoEngine(Engine):
    """A graph in OpenVINO, on the CPU; floating-point ones are computed in float32, quantized ones in int8.

    Each run uses one thread, of OpenVINO's own; as many may run at the same time as it was told.
    """

    runtime = "openvino"
    provider = "CPU"

    def __init__(
        self,
        path: Path,
        *,
        z_dim: int,
        labels: int,
        image_size_px: int,
        channels: int,
        digest: str = "",
        threads: int = 1,
    ) -> None:
        """Loads the graph and draws some images.

        Args:
            path: The ONNX file.
            z_dim: Length of a latent vector.
            labels: Number of labels, 0 for an unconditional model.
            image_size_px: Side of an image.
            channels: Samples a pixel.
            digest: SHA-256 that the file has to have; empty: any.
            threads: Runs that may go on at the same time; more wait.

        Raises:
            CorruptModelError: The file is not an ONNX graph, or not one with these inputs and outputs.
            MissingRuntimeError: OpenVINO is not installed.
        """
        super().__init__(
            path, z_dim=z_dim, labels=labels, image_size_px=image_size_px, channels=channels, digest=digest
        )
        openvino = load_openvino()
        self.version: str = openvino.__version__.partition("-")[0]
        # OpenVINO takes operators of versions that it does not know for those that it does: ONNX Runtime,
        # whose checks are strict, looks first.
        self._check_tensors(self._open())
        settings = {
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,  # one a stream: the sums are then added up in one order
            "INFERENCE_PRECISION_HINT": "f32",  # bfloat16, where a CPU has it, would show in the pixels
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "ENABLE_CPU_PINNING": False,  # the cores are not ours alone
        }
        try:
            self._compiled = _core().compile_model(_core().read_model(self._graph), "CPU", settings)
        except RuntimeError as error:
            raise CorruptModelError(f"{path} cannot be loaded by OpenVINO: {explain(error)}") from error
        self._graph = b""
        self._local = threading.local()
        self._warm_up()

    def _compute(self, feed: dict[str, Any], *, has_machine: bool) -> NDArray[np.float32]:  # noqa: ARG002
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        return cast("NDArray[np.float32]", request.infer(feed, share_inputs=True)[0])


def explain(error: Exception) -> str:
    """Returns why OpenVINO did not load a file, in one line and without places in its source."""
    text = str(error)
    if found := re.search(r"No conversion rule found for operations: (.+)", text):
        return f"it does not know the operators {found[1].strip()}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not re.match(r"Exception from |Check .* failed at ", line)]
    return " ".join(telling) or text


@cache
def _core() -> Any:
    return load_openvino().Core()
