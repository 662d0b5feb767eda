"""Post-training quantization by NNCF, calibrated on the images that a model will be asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from services.common.version import GANPRESS_VERSION
from services.generator import noise
from services.generator.engine import Engine
from services.generator.errors import CorruptModelError, MissingRuntimeError
from services.generator.openvino_engine import silence_telemetry

CALIBRATION_SEED = 2**63
"""Seed of the first calibration image: far from the seeds of the images that are compared."""
METHOD = (
    "NNCF post-training quantization of the convolutions, transposed ones split into phases: weights to "
    "symmetric int8 by channel, activations to 8 bits between their least and greatest value; all else in "
    "float32"
)

_BATCH = 10
_KEPT_IN_FLOAT = [
    "Add",
    "BatchNormalization",
    "Concat",
    "DepthToSpace",
    "Gather",
    "Gemm",
    "MatMul",
    "Mul",
    "Sub",
]


def load_tools() -> tuple[Any, Any]:
    """Returns the packages NNCF and ONNX.

    Raises:
        MissingRuntimeError: One of them, or OpenVINO, is not installed.
    """
    silence_telemetry()
    try:
        import nncf  # pyright: ignore[reportMissingTypeStubs]
        import onnx
        import openvino  # noqa: F401  # pyright: ignore
    except ImportError as error:
        raise MissingRuntimeError(
            f"quantizing needs {error.name or 'a package'}, which is not installed: "
            "pip install 'ganpress[quantize]'"
        ) from error
    return nncf, onnx


def versions() -> dict[str, str]:
    """Returns the versions of what quantizes, by name."""
    packages = {name: version(name) for name in ("nncf", "onnx", "openvino")}
    return {"ganpress": GANPRESS_VERSION, **packages}


def quantized(onnx_path: Path, engine: Engine, z_dim: int, n_labels: int, images: int) -> bytes:
    """Returns the ONNX file of a graph that computes its convolutions in int8.

    Its quantizers are pairs of QuantizeLinear and DequantizeLinear, which every runtime of ONNX understands.

    Args:
        onnx_path: A graph that draws.
        engine: The same, loaded.
        z_dim: Length of a latent vector.
        n_labels: Number of labels, 0 for an unconditional model.
        images: Number of images from which the ranges of the activations are taken.

    Raises:
        CorruptModelError: The graph cannot be quantized.
        MissingRuntimeError: A package is not installed.
    """
    nncf, onnx = load_tools()
    from nncf.quantization.advanced_parameters import OverflowFix  # pyright: ignore[reportMissingTypeStubs]
    from nncf.quantization.range_estimator import (  # pyright: ignore[reportMissingTypeStubs]
        RangeEstimatorParametersSet,
    )

    from services.generator.quantization.graph import prepare

    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function changes the handlers of others
    feeds = calibration_feeds(engine.label_input, z_dim, n_labels, images)
    try:
        with redirect_stdout(sys.stderr):  # its progress
            model = nncf.quantize(
                prepare(onnx.load(onnx_path)),
                nncf.Dataset(feeds),
                subset_size=len(feeds),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(types=_KEPT_IN_FLOAT, validate=False),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    # Its own choice, the mean of all batches' ranges, cuts off what rare images need: the
                    # worst of 256 cars then has 27 dB, with the whole range 42 dB.
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                    # It shifts the colours: dogs have 41 dB with it, 48 dB without.
                    disable_bias_correction=True,
                    # Weights of 7 bits would spare CPUs without VNNI an overflow that is rare, and cost 3 dB.
                    overflow_fix=OverflowFix.DISABLE,
                ),
            )
    except CorruptModelError as error:
        raise CorruptModelError(f"{onnx_path} cannot be quantized: {error}") from error
    except Exception as error:  # NNCF raises what its parts raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorruptModelError(f"{onnx_path} cannot be quantized: {reason}") from error
    return model.SerializeToString()


def calibration_feeds(
    label_input: Callable[[Any], Any], z_dim: int, n_labels: int, images: int
) -> list[dict[str, Any]]:
    """Returns a graph's inputs for calibration: the noise contract's latent vectors, labels in turn."""
    z = noise.latents(range(CALIBRATION_SEED, CALIBRATION_SEED + images), z_dim)
    feeds: list[dict[str, Any]] = []
    for start in range(0, images, _BATCH):
        feed: dict[str, Any] = {"z": z[start : start + _BATCH]}
        if n_labels:
            feed["label"] = label_input(np.arange(start, start + len(feed["z"])) % n_labels)
        feeds.append(feed)
    return feeds
