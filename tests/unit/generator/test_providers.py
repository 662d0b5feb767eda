"""Execution providers; there is no GPU to count on."""

from __future__ import annotations

import pytest

from services.generator.errors import DeviceError
from services.generator.providers import CPU, CUDA, TENSORRT, choose_provider, provider_list


def test_cpu_is_quiet(caplog):
    """The device cpu means the CPU, and auto without a GPU does so without a word."""
    assert choose_provider("cpu") == CPU
    assert choose_provider("auto") in {CPU, CUDA}
    assert not caplog.records


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_what_cannot_be_used_gives_way(device, caplog):
    """A device that cannot be used gives way to the next, and the log says why."""
    wanted = {"cuda": CUDA, "tensorrt": TENSORRT}[device]
    assert choose_provider(device) == wanted or "computing" in caplog.text


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_what_is_required_does_not_give_way(device, caplog):
    """A device that is required is used, or refused in a sentence with the reason; cpu and auto never are."""
    if choose_provider(device) == {"cuda": CUDA, "tensorrt": TENSORRT}[device]:
        assert choose_provider(device, required=True) == choose_provider(device)
    else:
        with pytest.raises(DeviceError, match=f"'{device}' is required and cannot be used: "):
            choose_provider(device, required=True)
    caplog.clear()
    assert choose_provider("auto", required=True) in {CPU, CUDA}
    assert choose_provider("cpu", required=True) == CPU
    assert "on the CPU" not in caplog.text


def test_tensorrt_is_told_all_batch_sizes():
    """TensorRT builds once for all batch sizes, keeps what it built, and CUDA and the CPU stand behind it."""
    (name, options), (second, _), third = provider_list(
        TENSORRT, inputs={"z": 100, "label": 0}, max_batch_size=32, cache=None
    )
    assert (name, second, third) == (TENSORRT, CUDA, CPU)
    assert options["trt_profile_min_shapes"] == "z:1x100,label:1"
    assert options["trt_profile_max_shapes"] == "z:32x100,label:32"
    assert options["trt_fp16_enable"] == "0"
    assert "trt_engine_cache_path" not in options


def test_tensorrt_keeps_what_it_built(tmp_path):
    """With a folder for it, what TensorRT has built is kept there."""
    providers = provider_list(TENSORRT, inputs={"z": 100}, max_batch_size=8, cache=tmp_path)
    assert providers[0][1]["trt_engine_cache_path"] == str(tmp_path)
