"""Execution providers of ONNX Runtime: which one a device means, and how it is set up."""

from __future__ import annotations

import ctypes
import logging
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

from services.generator.errors import DeviceError

logger = logging.getLogger(__name__)
ort = cast("Any", onnxruntime)  # it has no type annotations

Device = Literal["auto", "cpu", "cuda", "tensorrt"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

_TENSORRT_LIBRARY = "libnvinfer.so.10"

# A build with CUDA complains on stderr where there is no GPU; what matters is logged by us.
ort.set_default_logger_severity(4)
ort.disable_telemetry_events()


def choose_provider(device: Device, *, required: bool = False) -> str:
    """Returns the execution provider for a device.

    `auto` is CUDA where there is a GPU, else the CPU. Where `tensorrt` cannot be used, CUDA takes its place,
    and where that cannot, the CPU: a warning says why. With `required` nothing takes its place.

    Raises:
        DeviceError: The device is required and cannot be used.
    """
    if device == "cpu":
        return CPU
    if CUDA not in ort.get_available_providers():
        reason = "this ONNX Runtime is built without CUDA"
    elif not _has_gpu():
        reason = "no NVIDIA GPU was found"
    else:
        lack = _lack_of_tensorrt() if device == "tensorrt" else ""
        if lack:
            _give_way(device, "with CUDA", lack, required=required)
        return CUDA if lack or device != "tensorrt" else TENSORRT
    if device != "auto":
        _give_way(device, "on the CPU", reason, required=required)
    return CPU


def refusal(device: str, reason: str) -> DeviceError:
    """Returns what tells a user that the device he requires cannot be used."""
    return DeviceError(
        f"the device {device!r} is required and cannot be used: {reason}; "
        "with the setting device_required=false another takes its place"
    )


def _give_way(device: Device, how: str, reason: str, *, required: bool) -> None:
    if required:
        raise refusal(device, reason)
    logger.warning("computing %s: %s", how, reason)


def provider_list(
    provider: str, *, inputs: dict[str, int], max_batch_size: int, cache: Path | None
) -> list[Any]:
    """Returns what ONNX Runtime shall try, in this order, with options; the CPU is always the last.

    Args:
        provider: CPU, CUDA or TENSORRT.
        inputs: Length of a row of each input, 0 for an input of bare numbers.
        max_batch_size: Most rows of a run.
        cache: Folder where TensorRT keeps what it has built.
    """
    providers: list[Any] = [CPU]
    if provider != CPU:
        ort.preload_dlls()  # finds CUDA and cuDNN in the nvidia-* wheels
        providers.insert(0, (CUDA, {"use_tf32": "0"}))  # TF32's 10 bits would show in the pixels
    if provider == TENSORRT:
        providers.insert(0, (TENSORRT, _tensorrt_options(inputs, max_batch_size, cache)))
    return providers


def _tensorrt_options(inputs: dict[str, int], max_batch_size: int, cache: Path | None) -> dict[str, str]:
    def shapes(rows: int) -> str:
        sizes = {name: f"{rows}x{size}" if size else f"{rows}" for name, size in inputs.items()}
        return ",".join(f"{name}:{size}" for name, size in sizes.items())

    # Without these it would build anew for each batch size that it has not seen, for seconds to minutes.
    options = {
        "trt_profile_min_shapes": shapes(1),
        "trt_profile_opt_shapes": shapes(max_batch_size),
        "trt_profile_max_shapes": shapes(max_batch_size),
        "trt_fp16_enable": "0",
    }
    if cache:
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(cache),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(cache),
        }
    return options


def _has_gpu() -> bool:
    """Asks the driver, so that ONNX Runtime is not made to look for a GPU in vain."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _lack_of_tensorrt() -> str:
    """Returns why TensorRT cannot be used; empty when it can."""
    if TENSORRT not in ort.get_available_providers():
        return "this ONNX Runtime is built without TensorRT"
    try:
        try:
            import_module("tensorrt")  # of the wheel; it loads the libraries that lie beside it
        except ImportError:
            ctypes.CDLL(_TENSORRT_LIBRARY)
    except OSError:
        return f"TensorRT ({_TENSORRT_LIBRARY}) is not installed"
    return ""
