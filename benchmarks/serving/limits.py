"""What ONNX Runtime does alone in this process: the limit of any server."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime

BATCH_SIZES = (1, 8, 32)

Runner = Callable[[int, float], float]
"""From batch size and seconds to images a second."""


def one_session(path: Path, z_dim: int, threads: int) -> Runner:
    """Runs one session with so many threads: "raw"."""
    return _runner([_session(path, threads)], z_dim)


def side_by_side(path: Path, z_dim: int, sessions: int) -> Runner:
    """Runs one-thread sessions at the same time, a batch each: "raw2x1" for two."""
    return _runner([_session(path, 1) for _ in range(sessions)], z_dim)


def _session(path: Path, threads: int) -> Any:
    ort = cast("Any", onnxruntime)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _runner(sessions: list[Any], z_dim: int) -> Runner:
    def run(batch_size: int, duration_s: float) -> float:
        z = np.random.default_rng(0).standard_normal((batch_size, z_dim)).astype(np.float32)
        begun_s = time.perf_counter()

        def work(session: Any) -> int:
            images = 0
            while time.perf_counter() - begun_s < duration_s:
                session.run(["image"], {"z": z})
                images += batch_size
            return images

        with ThreadPoolExecutor(len(sessions)) as pool:
            images = sum(pool.map(work, sessions))
        return images / (time.perf_counter() - begun_s)

    return run
