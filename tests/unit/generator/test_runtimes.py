"""Runtimes: which computes a model, and on what."""

from __future__ import annotations

import pytest

from services.generator.errors import DeviceError
from services.generator.providers import CUDA
from services.generator.repository.local import find_models
from services.generator.runtimes import Runtimes


def test_a_model_off_its_required_device_is_refused(model_root):
    """Where a session ends up on the CPU though CUDA was chosen and is required, the model is not served."""
    model = find_models(model_root)[0]
    lenient, strict = Runtimes(device="cuda"), Runtimes(device="cuda", device_required=True)
    lenient.provider = strict.provider = CUDA  # as where a driver is found that CUDA's libraries do not fit
    if lenient.open(model).provider == CUDA:
        assert strict.open(model).provider == CUDA
    else:
        with pytest.raises(DeviceError, match="cannot be used: CUDAExecutionProvider could not be used"):
            strict.open(model)


def test_openvino_has_no_gpu():
    """OpenVINO computes on the CPU: it cannot be what a required GPU is used by."""
    with pytest.raises(DeviceError, match="computes on the CPU alone"):
        Runtimes("openvino", "cuda", device_required=True).prepare()
