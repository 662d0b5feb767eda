"""ONNX Runtime behind one function: latent vectors and labels in, pixels out."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from services.generator.errors import CorruptModelError

logger = logging.getLogger(__name__)
ort = cast("Any", onnxruntime)  # it has no type annotations

Device = Literal["cpu", "cuda"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

# A build with CUDA complains on stderr where there is no GPU; what matters is logged by us.
ort.set_default_logger_severity(4)
ort.disable_telemetry_events()


def choose_provider(device: Device) -> str:
    """Returns the execution provider for a device: CUDA when asked for and present, else the CPU."""
    if device == "cpu":
        return CPU
    if CUDA not in ort.get_available_providers():
        logger.warning("computing on the CPU: this ONNX Runtime is built without CUDA")
    elif not _has_gpu():
        logger.warning("computing on the CPU: no NVIDIA GPU was found")
    else:
        return CUDA
    return CPU


class OnnxEngine:
    """One generator graph, loaded and warmed up.

    On the CPU a run uses the calling thread alone, and several threads may run at the same time: that is
    faster than one run with as many threads. An image is the same at every batch size and thread count.
    """

    def __init__(
        self, path: Path, *, z_dim: int, labels: int, image_size_px: int, channels: int, provider: str = CPU
    ) -> None:
        """Loads the graph and draws one image.

        Args:
            path: The ONNX file.
            z_dim: Length of a latent vector.
            labels: Number of labels, 0 for an unconditional model.
            image_size_px: Side of an image.
            channels: Samples a pixel.
            provider: Execution provider; the CPU takes over where it cannot be used.

        Raises:
            CorruptModelError: The file is not an ONNX graph, or not one with these inputs and outputs.
        """
        self._conditional = labels > 0
        try:
            self._session = _open_session(path, provider)
        except Exception as error:  # ONNX Runtime raises a class of its own for each kind of damage
            raise CorruptModelError(f"{path} cannot be loaded: {error}") from error
        self.provider: str = self._session.get_providers()[0]
        if provider != self.provider:
            logger.warning("%s could not be used for %s: computing with %s", provider, path, self.provider)
        inputs: dict[str, tuple[str, int, int | None]] = {"z": ("tensor(float)", 2, z_dim)}
        if labels:
            inputs["label"] = ("tensor(int64)", 1, None)
        self._expect(path, "inputs", inputs, self._session.get_inputs())
        self._expect(path, "outputs", {"image": ("tensor(float)", 4, channels)}, self._session.get_outputs())
        image = self._infer(np.zeros((1, z_dim), np.float32), np.zeros(1, np.int64))
        if image.shape != (1, channels, image_size_px, image_size_px) or not np.isfinite(image).all():
            raise CorruptModelError(
                f"{path} draws {image.shape}, its card says {(1, channels, image_size_px, image_size_px)}"
                if np.isfinite(image).all()
                else f"{path} draws numbers that are not finite"
            )

    def run(self, z: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Draws images.

        Args:
            z: float32 [N, z_dim].
            label: int64 [N], label indices; ignored by an unconditional model.

        Returns:
            uint8 [N, H, W, C]; pixel = (x + 1) * 127.5 in float32, rounded half to even, clipped to 0..255.
        """
        pixels = np.rint((self._infer(z, label) + np.float32(1)) * np.float32(127.5))
        return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))

    def _infer(self, z: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.float32]:
        feed = {"z": z, "label": label} if self._conditional else {"z": z}
        return cast("NDArray[np.float32]", self._session.run(["image"], feed)[0])

    def _expect(
        self, path: Path, what: str, expected: dict[str, tuple[str, int, int | None]], nodes: Any
    ) -> None:
        """Compares names, types, ranks and the second axis; an axis without a fixed size fits any."""
        found = {node.name: node for node in nodes}
        if found.keys() != expected.keys():
            raise CorruptModelError(
                f"{path} has the {what} {sorted(found)}, its card says {sorted(expected)}"
            )
        for name, (dtype, rank, size) in expected.items():
            node = found[name]
            fixed = node.shape[1] if rank > 1 and len(node.shape) > 1 else None
            if node.type != dtype or len(node.shape) != rank or (isinstance(fixed, int) and fixed != size):
                raise CorruptModelError(
                    f"{path}: {name!r} is {node.type} {node.shape}, its card says {dtype} of rank {rank}"
                    + (f" with {size} in the second place" if size else "")
                )


def _open_session(path: Path, provider: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    providers: list[Any] = [CPU]
    if provider == CUDA:
        ort.preload_dlls()  # finds CUDA and cuDNN in the nvidia-* wheels
        providers.insert(0, (CUDA, {"use_tf32": "0"}))  # TF32's 10 bits would show in the pixels
    return ort.InferenceSession(path, options, providers=providers)


def _has_gpu() -> bool:
    """Asks the driver, so that ONNX Runtime is not made to look for a GPU in vain."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
