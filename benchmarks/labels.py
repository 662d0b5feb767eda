"""Does the label show? A probe trained on real photographs names the labels of generated images.

    python benchmarks/labels.py ../shared/data/cars.tar --model cars

The probe is a logistic regression on histograms of oriented gradients (Dalal & Triggs 2005) of the grey
image: it sees shape, not colour. Its balanced accuracy on real photographs it has not seen is the limit,
one over the number of labels is chance. The tar holds `train/<label>/*` and `test/<label>/*`.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from client.api import GanpressClient, run
from trainer.data.prepare import prepare
from trainer.data.sources import Selection, read_source


def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the probe's features, [N, F], of images uint8 [N, H, W, 3]."""
    return np.stack([hog(rgb2gray(image), 8, (8, 8), (2, 2)) for image in images])


def photographs(tar: Path, split: str, labels: list[str], size_px: int) -> tuple[NDArray, NDArray]:
    """Returns features and label indices of a split's photographs."""
    source = (raw for raw in read_source(tar, Selection(include=(f"{split}/*",))) if raw.label in labels)
    data = prepare(source, size_px, 3)
    index = np.array([labels.index(name) for name in data.label_names])
    return features(data.images.transpose(0, 2, 3, 1)), index[data.labels]


async def generated(client: GanpressClient, model: str, labels: list[str], count: int) -> NDArray:
    """Returns the features of `count` images of each label."""
    images = [
        np.asarray(Image.open(io.BytesIO(image.data)))
        for label in labels
        async for image in client.generate(model=model, label=label, count=count, seed=0)
    ]
    return features(np.stack(images))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tar", type=Path)
    parser.add_argument("--model", default="cars")
    parser.add_argument("--count", type=int, default=100, help="generated images of each label")
    arguments = parser.parse_args()
    card = run(lambda client: client.get_model(arguments.model))
    labels = list(card.labels)
    probe = LogisticRegression(C=0.02, max_iter=300, class_weight="balanced")
    probe.fit(*photographs(arguments.tar, "train", labels, card.image_size_px))
    real, truth = photographs(arguments.tar, "test", labels, card.image_size_px)
    fake = run(lambda client: generated(client, arguments.model, labels, arguments.count))
    wanted = np.repeat(np.arange(len(labels)), arguments.count)
    print("| images | balanced accuracy of the probe |")
    print("| --- | --- |")
    print(f"| real, unseen ({len(truth)}) | {balanced_accuracy_score(truth, probe.predict(real)):.3f} |")
    print(f"| generated ({len(wanted)}) | {balanced_accuracy_score(wanted, probe.predict(fake)):.3f} |")
    print(f"| chance | {1 / len(labels):.3f} |")


if __name__ == "__main__":
    main()
