"""Engines: latent vectors and labels in, images out. What all have in common, and that of ONNX Runtime."""

from __future__ import annotations

import logging
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy._core._multiarray_umath import __cpu_features__ as cpu_features  # pyright: ignore
from numpy.typing import NDArray

from services.generator.errors import CorruptModelError, OutOfMemoryError
from services.generator.graph_file import read_graph
from services.generator.onnx_file import explain
from services.generator.providers import CPU, ort, provider_list

logger = logging.getLogger(__name__)

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
_SPIN_US = 200  # longer than any step of one image takes
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "out of memory", "Cannot allocate memory")
_WARM_UP_SIZES = (1, 3, 8)  # images of the last are drawn in batches of each


def instruction_set() -> str:
    """Returns the CPU's architecture and its widest vector instructions, such as "x86_64 avx2"."""
    features = cast("dict[str, bool]", cpu_features)
    widest = next((name.lower() for name in _VECTOR_INSTRUCTIONS if features.get(name)), "")
    return f"{platform.machine()} {widest}".strip()


class Engine(ABC):
    """One generator graph, loaded and warmed up.

    Several threads may run it at the same time. On the CPU an image is the same at every batch size and
    thread count.
    """

    runtime: str
    """The library that computes: "onnxruntime" or "openvino"."""
    version: str
    """Version of that library."""
    provider: str
    """What of the library computes."""
    mixes_labels: bool
    """Whether an image may have several labels by weight."""
    batch_invariant: bool
    """Whether images were the same alone and in batches when the graph was loaded; False on a GPU."""

    def __init__(
        self, path: Path, *, z_dim: int, labels: int, image_size_px: int, channels: int, digest: str = ""
    ) -> None:
        """Reads the graph and takes what the card says of it.

        Args:
            path: The ONNX file.
            z_dim: Length of a latent vector.
            labels: Number of labels, 0 for an unconditional model.
            image_size_px: Side of an image.
            channels: Samples a pixel.
            digest: SHA-256 that the file has to have; empty: any.

        Raises:
            CorruptModelError: It is another file, or nothing to run.
        """
        self._graph = read_graph(path, digest)
        self._path = path
        self._z_dim = z_dim
        self._labels = labels
        self._shape = (channels, image_size_px, image_size_px)
        self._one_hot = np.eye(labels, dtype=np.float32)

    @property
    def on_cpu(self) -> bool:
        """Whether the CPU computes."""
        return self.provider.startswith("CPU")

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

        Raises:
            OutOfMemoryError: There is no memory even for one image. Batches that are too large are halved.
        """
        feed: dict[str, Any] = {"z": z}
        if self._labels:
            feed["label"] = labels
        try:
            return self._compute(feed, has_machine=has_machine)
        except Exception as error:
            if not _lacks_memory(error):
                raise
            if len(z) == 1:
                raise OutOfMemoryError(
                    f"there is no memory to draw an image of {self._path.parent}: try again later"
                ) from error
        half = len(z) // 2
        logger.warning("no memory to draw %d images at a time: %d and %d", len(z), half, len(z) - half)
        return np.concatenate([self.run(z[:half], labels[:half]), self.run(z[half:], labels[half:])])

    def label_input(self, labels: Labels) -> Labels:
        """Returns labels as the graph takes them: indices as they are, or as weights where it `mixes_labels`.

        Args:
            labels: Indices, int64 [N], 0..labels - 1; or, where the model mixes labels, weights, float32
                [N, labels].
        """
        return self._one_hot[labels] if self.mixes_labels and labels.dtype == np.int64 else labels

    @abstractmethod
    def _compute(self, feed: dict[str, Any], *, has_machine: bool) -> NDArray[np.float32]:
        """Runs the graph; the answer is the caller's own."""

    def _open(self, providers: Sequence[Any] = (CPU,), threads: int = 1) -> Any:
        """Returns a session of ONNX Runtime for the graph that was read.

        Raises:
            CorruptModelError: It is not a graph that ONNX Runtime knows how to run.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Sleeping threads are woken too late for a graph's short steps, so they spin from one to the next; no
        # longer, since they would take the cores from what else a server has to do.
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
        try:
            return ort.InferenceSession(self._graph, options, providers=list(providers))
        except Exception as error:  # ONNX Runtime raises a class of its own for each kind of damage
            raise CorruptModelError(f"{self._path} cannot be loaded: {explain(error)}") from error

    def _check_tensors(self, session: Any) -> None:
        """Compares inputs and outputs of the graph, open in ONNX Runtime, with the card's."""
        types = {node.name: node.type for node in session.get_inputs()}
        self.mixes_labels = types.get("label") == _FLOAT
        inputs: dict[str, tuple[str, int, int | None]] = {"z": (_FLOAT, 2, self._z_dim)}
        if self._labels:
            inputs["label"] = (_FLOAT, 2, self._labels) if self.mixes_labels else ("tensor(int64)", 1, None)
        _expect(self._path, "inputs", inputs, session.get_inputs())
        _expect(self._path, "outputs", {"image": (_FLOAT, 4, self._shape[0])}, session.get_outputs())

    def _warm_up(self) -> None:
        """Draws images, checks them, and finds out whether they are the same in every batch."""
        count = _WARM_UP_SIZES[-1]
        z = np.linspace(-2, 2, count * self._z_dim, dtype=np.float32).reshape(count, self._z_dim)
        labels = self.label_input(np.zeros(count, np.int64))
        images = self.run(z, labels)
        if not np.isfinite(images).all():
            raise CorruptModelError(f"{self._path} draws numbers that are not finite")
        if images.shape != (count, *self._shape):
            raise CorruptModelError(f"{self._path} draws {images.shape[1:]}, its card says {self._shape}")
        self.batch_invariant = self.on_cpu and all(
            np.array_equal(self.run(z[i : i + size], labels[i : i + size]), images[i : i + size])
            for size in _WARM_UP_SIZES
            for i in range(0, count, size)
        )
        if self.on_cpu and not self.batch_invariant:
            logger.warning("%s draws other bits in other batches", self._path)


class OnnxEngine(Engine):
    """A graph in ONNX Runtime.

    On the CPU a run uses the calling thread alone: several side by side are faster than one run with as many
    threads. Only a single image that has the machine for itself is split over threads.
    """

    runtime = "onnxruntime"
    version = cast("str", ort.__version__)

    def __init__(
        self,
        path: Path,
        *,
        z_dim: int,
        labels: int,
        image_size_px: int,
        channels: int,
        digest: str = "",
        provider: str = CPU,
        threads: int = 1,
        max_batch_size: int = 32,
        cache: Path | None = None,
    ) -> None:
        """Loads the graph and draws some images.

        Args:
            path: The ONNX file.
            z_dim: Length of a latent vector.
            labels: Number of labels, 0 for an unconditional model.
            image_size_px: Side of an image.
            channels: Samples a pixel.
            digest: SHA-256 that the file has to have; empty: any.
            provider: Execution provider; the CPU takes over where it cannot be used.
            threads: Threads of a run that has the machine for itself.
            max_batch_size: Most images of a run, for TensorRT.
            cache: Folder where TensorRT keeps what it has built; None: it builds anew each time.

        Raises:
            CorruptModelError: The file is not an ONNX graph, or not one with these inputs and outputs.
        """
        super().__init__(
            path, z_dim=z_dim, labels=labels, image_size_px=image_size_px, channels=channels, digest=digest
        )
        self._session = self._open()
        self._check_tensors(self._session)
        if provider != CPU:
            inputs = {"z": z_dim} | ({"label": labels if self.mixes_labels else 0} if labels else {})
            providers = provider_list(provider, inputs=inputs, max_batch_size=max_batch_size, cache=cache)
            self._session = self._open(providers)
        self.provider = self._session.get_providers()[0]
        if provider != self.provider:
            logger.warning("%s could not be used for %s: computing with %s", provider, path, self.provider)
        is_wide = self.on_cpu and threads > 1
        self._wide = self._open([CPU], min(threads, _MOST_THREADS)) if is_wide else self._session
        self._graph = b""
        self._warm_up()

    def _compute(self, feed: dict[str, Any], *, has_machine: bool) -> NDArray[np.float32]:
        session = self._wide if has_machine and len(feed["z"]) == 1 else self._session
        return cast("NDArray[np.float32]", session.run(["image"], feed)[0])

    def _warm_up(self) -> None:
        """As every engine, and makes sure that both sessions draw the same images."""
        super()._warm_up()
        if self._wide is self._session:
            return
        z = np.linspace(-2, 2, 2 * self._z_dim, dtype=np.float32).reshape(2, self._z_dim)
        labels = self.label_input(np.zeros(1, np.int64))
        alone = [self.run(row[None], labels, has_machine=True) for row in z]
        if not np.array_equal(alone, [self.run(row[None], labels) for row in z]):
            logger.warning("%s draws other bits with several threads: a run uses one", self._path)
            self._wide = self._session


def _lacks_memory(error: Exception) -> bool:
    """Whether an error is the runtime's for want of memory; they have no class of their own for it."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


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


def _expect(path: Path, what: str, expected: dict[str, tuple[str, int, int | None]], nodes: Any) -> None:
    """Compares names, types, ranks and the second axis; an axis without a fixed size fits any."""
    found = {node.name: node for node in nodes}
    if found.keys() != expected.keys():
        raise CorruptModelError(f"{path} has the {what} {sorted(found)}, its card says {sorted(expected)}")
    for name, (dtype, rank, size) in expected.items():
        node = found[name]
        fixed = node.shape[1] if rank > 1 and len(node.shape) > 1 else None
        if node.type != dtype or len(node.shape) != rank or (isinstance(fixed, int) and fixed != size):
            raise CorruptModelError(
                f"{path}: {name!r} is {node.type} {node.shape}, its card says {dtype} of rank {rank}"
                + (f" with {size} in the second place" if size else "")
            )
