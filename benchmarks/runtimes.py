"""Runtimes and precisions of the generator side by side: images a second of CPU time, one thread.

`python benchmarks/runtimes.py` quantizes the models in the box and prints a table. All engines take turns in
every round, so that the ratios hold on a busy machine too; CPU time is counted, not the clock's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from services.generator.engine import Engine, instruction_set
from services.generator.noise import latents
from services.generator.quantization.command import make_variant
from services.generator.quantization.variant import find_model
from services.generator.runtimes import Runtimes

BATCHES = (1, 8, 32)


def images_per_s(engine: Engine, z: np.ndarray, labels: np.ndarray, batch: int, images: int) -> float:
    """Returns images a second of CPU time, all of this process's threads counted."""
    begun_s = time.process_time()
    for start in range(0, images, batch):
        engine.run(z[start : start + batch], labels[start : start + batch])
    return images / (time.process_time() - begun_s)


def table(name: str, repository: Path, rounds: int, images: int) -> None:
    """Prints the table of one model."""
    exact = find_model(name)
    variant = make_variant(
        exact,
        repository,
        name=exact.name,
        version=exact.version + 1,
        images=64,
        calibration_images=300,
        min_psnr_db=0,
    )
    int8 = find_model(str(variant))
    engines = {
        "ONNX Runtime float32": Runtimes("onnxruntime").open(exact),
        "OpenVINO float32": Runtimes("openvino").open(exact),
        "OpenVINO int8": Runtimes("openvino").open(int8),
        "ONNX Runtime int8": Runtimes("onnxruntime").open(int8),
    }
    z = latents(range(images), exact.card.z_dim)
    label = np.arange(images) % max(len(exact.labels), 1)
    labels = {engine: engines[engine].label_input(label) for engine in engines}
    measured: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds + 1):
        for batch in BATCHES:
            for of, engine in engines.items():
                speed = images_per_s(engine, z, labels[of], batch, images)
                if number:  # the first round warms up
                    measured.setdefault((of, batch), []).append(speed)
    medians = {key: statistics.median(speeds) for key, speeds in measured.items()}
    base = "ONNX Runtime float32"
    print(f"\n| {exact.name}, images/s of one core | {' | '.join(f'batch {batch}' for batch in BATCHES)} |")
    print(f"| --- |{' --- |' * len(BATCHES)}")
    for of, engine in engines.items():
        cells = [
            f"{medians[of, batch]:.0f} ({medians[of, batch] / medians[base, batch]:.2f})" for batch in BATCHES
        ]
        print(f"| {of} {engine.version} | {' | '.join(cells)} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["cars", "dogs"], help="of the package, or folders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--images", type=int, default=64, help="images of an engine in a round, at each batch size"
    )
    options = parser.parse_args()
    print(f"{instruction_set()}; medians of {options.rounds} rounds; in brackets the ratio to the first row")
    for name in options.models:
        with tempfile.TemporaryDirectory() as repository:
            table(name, Path(repository), options.rounds, options.images)


if __name__ == "__main__":
    main()
