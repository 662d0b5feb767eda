"""What can be evaluated: a run, an exported model, or images that something else has drawn."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format

from trainer.data.decode import decode
from trainer.data.errors import UnusableError
from trainer.data.options import DataOptions
from trainer.data.sources import read_source
from trainer.label_weights import label_feed
from trainer.metrics import MetricsError
from trainer.sampling import BATCH_SIZE, Weights, draw, load_generator, to_uint8


class Target(ABC):
    """A source of generated images.

    Attributes:
        name: where it lies.
        kind: what it is: `run`, `exported model` or `images`.
        labels: names of the labels it draws, empty where it draws without.
        step: step of the run's checkpoint, None where there is no run.
        weights: `average` or `raw` weights of the run, empty where there is no run.
        trained_on: digest of the training images, empty where it is not known.
        guided: whether ImageNet features, lite0's, guided the training.
        n_images: number of images there are, None where it draws as many as one wants.
        left_out: number of files that are no usable image.
    """

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    step: int | None = None
    weights: str = ""
    trained_on: str = ""
    guided: bool = False
    n_images: int | None = None
    left_out: int = 0

    @abstractmethod
    def natural(self, real_labels: np.ndarray, n: int, seed: int) -> np.ndarray:
        """Returns n images, uint8 [N, C, S, S], with labels as frequent as in `real_labels`."""

    @abstractmethod
    def balanced(self, per_label: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns equally many images of each label, and the labels: int64 [N]."""

    def most_per_label(self) -> int | None:
        """Returns the largest number that `balanced` can give, None where there is no limit."""
        return None


class _GeneratorTarget(Target):
    """Draws what is wanted."""

    @abstractmethod
    def _draw(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """Returns an image for each label."""

    def natural(self, real_labels: np.ndarray, n: int, seed: int) -> np.ndarray:
        """Draws labels from the real ones at random."""
        labels = np.random.default_rng(seed).choice(real_labels, n)
        return self._draw(labels, 2 * seed)

    def balanced(self, per_label: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws with other noise than `natural` at the same seed."""
        labels = np.arange(len(self.labels)).repeat(per_label)
        return self._draw(labels, 2 * seed + 1), labels


class RunTarget(_GeneratorTarget):
    """The generator of a run folder."""

    kind = "run"

    def __init__(self, run: Path, weights: Weights, device: torch.device) -> None:
        self.name = str(run)
        trained = load_generator(run, weights)
        self._generator = trained.generator.to(device)
        self.labels, self.step, self.weights = trained.labels, trained.step, weights
        self.shape = (trained.config.channels, trained.config.image_size_px)
        self.trained_on = str(json.loads((run / "data.json").read_text())["sha256"])
        self.guided = trained.config.feature_weight > 0

    def _draw(self, labels: np.ndarray, seed: int) -> np.ndarray:
        return draw(self._generator, labels, seed)


class ExportedTarget(_GeneratorTarget):
    """A folder of model.onnx and card.json."""

    kind = "exported model"

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        try:
            card = json_format.Parse((folder / "card.json").read_text(), ModelCard())
            self._session = onnxruntime.InferenceSession(
                (folder / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise their own types for a damaged file
            raise MetricsError(f"{folder} holds no usable model: {error}") from error
        self._z_dim = card.z_dim
        self.labels = tuple(card.labels)
        self.shape = (card.channels, card.image_size_px)
        self.trained_on = card.data.sha256
        self.guided = json.loads(card.training.config_json or "{}").get("feature_weight", 0) > 0

    def _draw(self, labels: np.ndarray, seed: int) -> np.ndarray:
        z = np.random.default_rng(seed).standard_normal((len(labels), self._z_dim), np.float32)
        inputs = [node.name for node in self._session.get_inputs()]
        images = []
        for start in range(0, len(labels), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            feeds = {"z": z[batch], "label": label_feed(self._session, labels[batch])}
            (image,) = self._session.run(["image"], {name: feeds[name] for name in inputs})
            images.append(to_uint8(np.asarray(image)))
        return np.concatenate(images)


class ImagesTarget(Target):
    """A folder or tar of images, their labels being the names of their folders."""

    kind = "images"

    def __init__(self, location: Path, size_px: int, channels: int) -> None:
        self.name = str(location)
        images, names = [], []
        for raw in read_source(location, DataOptions()).images:
            try:
                images.append(decode(raw, size_px, channels))
                names.append((raw.class_name or "").lower())
            except UnusableError:
                self.left_out += 1
        if not images:
            raise MetricsError(f"{location} holds no usable image; accepted: a run, a model, images")
        self._images = np.stack(images)
        self.n_images = len(images)
        self.labels = tuple(sorted(set(names))) if all(names) else ()
        self._labels = np.array([self.labels.index(name) if self.labels else 0 for name in names])

    def natural(self, real_labels: np.ndarray, n: int, seed: int) -> np.ndarray:  # noqa: ARG002
        """Chooses among the images as they are, whatever the real labels."""
        return self._images[np.sort(np.random.default_rng(seed).permutation(len(self._images))[:n])]

    def balanced(self, per_label: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Chooses among the images of each label."""
        rng = np.random.default_rng(seed)
        chosen = [
            rng.permutation(np.flatnonzero(self._labels == i))[:per_label] for i in range(len(self.labels))
        ]
        index = np.concatenate(chosen)
        return self._images[index], self._labels[index]

    def most_per_label(self) -> int | None:
        """Returns the number of images of the rarest label."""
        return min(Counter(self._labels.tolist()).values())


def is_run(location: Path) -> bool:
    """Says whether a folder claims to be a run."""
    return (location / "config.json").is_file()


def open_target(
    location: Path, size_px: int, channels: int, weights: Weights, device: torch.device
) -> Target:
    """Returns what lies at a location: a run, an exported model, or else images, which are resized.

    Args:
        location: folder or tar.
        size_px: side of the real images.
        channels: of the real images.
        weights: which weights of a run.
        device: where a run's generator computes.

    Raises:
        MetricsError: nothing usable lies there, or it draws images of another size.
        RunError: the run has no usable checkpoint.
        SourceError: the images cannot be read.
    """
    if is_run(location):
        target = RunTarget(location, weights, device)
    elif (location / "card.json").is_file():
        target = ExportedTarget(location)
    else:
        return ImagesTarget(location, size_px, channels)
    if target.shape != (channels, size_px):
        raise MetricsError(
            f"{location} draws images of {target.shape[1]} px and {target.shape[0]} channels, the set holds "
            f"{size_px} px and {channels}: prepare a set of the model's size"
        )
    return target
