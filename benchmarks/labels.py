"""Does the label show? A probe trained on real photographs names the labels of generated images.

    python benchmarks/labels.py ../shared/data/cars.tar --model cars

The probe is a logistic regression on histograms of oriented gradients (Dalal & Triggs 2005) of the grey
image: it sees shape, not colour. Its balanced accuracy on real photographs it has not seen is the limit,
one over the number of labels is chance. The tar holds `train/<label>/*` and `test/<label>/*`.
"""

from __future__ import annotations

import argparse
import io
import tempfile
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
from trainer.data.sets import PreparedSet


def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the probe's features, [N, F], of images uint8 [N, H, W, 3]."""
    return np.stack([hog(rgb2gray(image), 8, (8, 8), (2, 2)) for image in images])


def photographs(prepared: PreparedSet, split: str, labels: list[str]) -> tuple[NDArray, NDArray]:
    """Returns features and label indices of a split's photographs that have one of the labels."""
    data = prepared.split(split)
    index = np.array([labels.index(name) if name in labels else -1 for name in data.label_names])
    truth = index[data.labels]
    return features(data.images[truth >= 0].transpose(0, 2, 3, 1)), truth[truth >= 0]


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
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(arguments.tar, Path(folder) / "set", size_px=card.image_size_px)
        probe.fit(*photographs(prepared, "train", labels))
        real, truth = photographs(prepared, "test", labels)
    fake = run(lambda client: generated(client, arguments.model, labels, arguments.count))
    wanted = np.repeat(np.arange(len(labels)), arguments.count)
    print("| images | balanced accuracy of the probe |")
    print("| --- | --- |")
    print(f"| real, unseen ({len(truth)}) | {balanced_accuracy_score(truth, probe.predict(real)):.3f} |")
    print(f"| generated ({len(wanted)}) | {balanced_accuracy_score(wanted, probe.predict(fake)):.3f} |")
    print(f"| chance | {1 / len(labels):.3f} |")


if __name__ == "__main__":
    main()
