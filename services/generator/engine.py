"""ONNX Runtime behind one function: latent vectors and labels in, images out."""

from __future__ import annotations

import ctypes
import logging
import platform
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy._core._multiarray_umath import __cpu_features__ as cpu_features  # pyright: ignore
from numpy.typing import NDArray

from services.generator.errors import CorruptModelError
from services.generator.onnx_file import explain

logger = logging.getLogger(__name__)
ort = cast("Any", onnxruntime)  # it has no type annotations

Device = Literal["cpu", "cuda"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

Labels = NDArray[Any]
"""Label indices, int64 [N], or label weights, float32 [N, labels]."""

# Those for which ONNX Runtime has kernels of their own, the widest first.
_VECTOR_INSTRUCTIONS = (
    "AVX512_SPR",
    "AVX512_ICL",
    "AVX512_SKX",
    "AVX512F",
    "AVX2",
    "AVX",
    "SVE",
    "ASIMD",
    "VSX",
)

_FLOAT = "tensor(float)"
_MOST_THREADS = 4  # of one image: more hardly help

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


def instruction_set() -> str:
    """Returns the CPU's architecture and its widest vector instructions, such as "x86_64 avx2"."""
    features = cast("dict[str, bool]", cpu_features)
    widest = next((name.lower() for name in _VECTOR_INSTRUCTIONS if features.get(name)), "")
    return f"{platform.machine()} {widest}".strip()


class OnnxEngine:
    """One generator graph, loaded and warmed up.

    On the CPU a run uses the calling thread alone, and several threads may run at the same time: that is
    faster than one run with as many threads. Only a run that has the machine for itself is split over
    threads. An image is the same at every batch size and thread count.
    """

    def __init__(
        self,
        path: Path,
        *,
        z_dim: int,
        labels: int,
        image_size_px: int,
        channels: int,
        provider: str = CPU,
        threads: int = 1,
    ) -> None:
        """Loads the graph and draws some images.

        Args:
            path: The ONNX file.
            z_dim: Length of a latent vector.
            labels: Number of labels, 0 for an unconditional model.
            image_size_px: Side of an image.
            channels: Samples a pixel.
            provider: Execution provider; the CPU takes over where it cannot be used.
            threads: Threads of a run that has the machine for itself.

        Raises:
            CorruptModelError: The file is not an ONNX graph, or not one with these inputs and outputs.
        """
        self._labels = labels
        try:
            self._session = _open_session(path, provider)
            self.provider: str = self._session.get_providers()[0]
            is_wide = self.provider == CPU and threads > 1
            self._wide = _open_session(path, CPU, min(threads, _MOST_THREADS)) if is_wide else self._session
        except Exception as error:  # ONNX Runtime raises a class of its own for each kind of damage
            raise CorruptModelError(f"{path} cannot be loaded: {explain(error)}") from error
        if provider != self.provider:
            logger.warning("%s could not be used for %s: computing with %s", provider, path, self.provider)
        types = {node.name: node.type for node in self._session.get_inputs()}
        self.mixes_labels: bool = types.get("label") == _FLOAT
        """Whether an image may have several labels by weight."""
        self._one_hot = np.eye(labels, dtype=np.float32)
        inputs: dict[str, tuple[str, int, int | None]] = {"z": (_FLOAT, 2, z_dim)}
        if labels:
            inputs["label"] = (_FLOAT, 2, labels) if self.mixes_labels else ("tensor(int64)", 1, None)
        self._expect(path, "inputs", inputs, self._session.get_inputs())
        self._expect(path, "outputs", {"image": (_FLOAT, 4, channels)}, self._session.get_outputs())
        self._warm_up(path, z_dim, (channels, image_size_px, image_size_px))

    def run(
        self, z: NDArray[np.float32], labels: Labels, *, has_machine: bool = False
    ) -> NDArray[np.float32]:
        """Draws images.

        Args:
            z: float32 [N, z_dim].
            labels: From `label_input`; ignored by an unconditional model.
            has_machine: Nothing else is being computed, so that a single image may take several threads.

        Returns:
            float32 [N, C, H, W], nominally -1..1; the caller's own.
        """
        feed: dict[str, Any] = {"z": z}
        if self._labels:
            feed["label"] = labels
        session = self._wide if has_machine and len(z) == 1 else self._session
        return cast("NDArray[np.float32]", session.run(["image"], feed)[0])

    def label_input(self, labels: Labels) -> Labels:
        """Returns labels as the graph takes them: indices as they are, or as weights where it `mixes_labels`.

        Args:
            labels: Indices, int64 [N], 0..labels - 1; or, where the model mixes labels, weights, float32
                [N, labels].
        """
        return self._one_hot[labels] if self.mixes_labels and labels.dtype == np.int64 else labels

    def _warm_up(self, path: Path, z_dim: int, shape: tuple[int, int, int]) -> None:
        """Draws images, checks them, and makes sure that those of both sessions are the same."""
        z = np.linspace(-2, 2, 2 * z_dim, dtype=np.float32).reshape(2, z_dim)
        labels = self.label_input(np.zeros(2, np.int64))
        images = self.run(z, labels)
        if not np.isfinite(images).all():
            raise CorruptModelError(f"{path} draws numbers that are not finite")
        if images.shape != (2, *shape):
            raise CorruptModelError(f"{path} draws {images.shape[1:]}, its card says {shape}")
        alone = [self.run(z[i : i + 1], labels[:1], has_machine=True)[0] for i in range(2)]
        if self._wide is not self._session and not np.array_equal(alone, images):
            logger.warning("%s draws other bits with several threads: a run uses one", path)
            self._wide = self._session

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


def to_pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns images as samples; the given array is used up.

    Args:
        images: float32 [N, C, H, W] as a generator draws them, overwritten.

    Returns:
        uint8 [N, H, W, C]; (x + 1) * 127.5 in float32, rounded half to even, clipped to 0..255.
    """
    images += np.float32(1)
    images *= np.float32(127.5)
    np.rint(images, out=images)
    np.clip(images, np.float32(0), np.float32(255), out=images)
    planes = images.astype(np.uint8)
    n, channels, height_px, width_px = images.shape
    pixels = np.empty((n, height_px, width_px, channels), np.uint8)
    for channel in range(channels):  # several times as fast as a transpose
        pixels[..., channel] = planes[:, channel]
    return pixels


def _open_session(path: Path, provider: str, threads: int = 1) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads that spin for work take the cores from what else a server has to do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
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
