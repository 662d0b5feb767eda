"""What every server here does: ONNX Runtime, then samples. Told by environment variables. NumPy only.

BENCH_MODEL: path of the graph. BENCH_NAME: name of the model. BENCH_SIZE_PX: side of an image. BENCH_PORT:
TCP port. BENCH_WORKERS: one-thread sessions that run side by side. BENCH_MAX_BATCH: most images in a run.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

MODEL = os.environ["BENCH_MODEL"]
NAME = os.environ["BENCH_NAME"]
SIZE_PX = int(os.environ["BENCH_SIZE_PX"])
PORT = int(os.environ["BENCH_PORT"])
WORKERS = int(os.environ["BENCH_WORKERS"])
MAX_BATCH = int(os.environ["BENCH_MAX_BATCH"])
MAX_DELAY_S = 0.005
Z_DIM = 100


class Drawer:
    """One session."""

    def __init__(self, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """From float32 [N, Z_DIM] to samples, uint8 [N, H, W, 3]."""
        (images,) = self._session.run(["image"], {"z": np.ascontiguousarray(z, np.float32)})
        images += np.float32(1)
        images *= np.float32(127.5)
        np.rint(images, out=images)
        np.clip(images, 0, 255, out=images)
        planes = images.astype(np.uint8)
        pixels = np.empty((len(images), SIZE_PX, SIZE_PX, 3), np.uint8)
        for channel in range(3):
            pixels[..., channel] = planes[:, channel]
        return pixels
