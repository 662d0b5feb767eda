"""The engine: real ONNX Runtime on small graphs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from services.generator.engine import CPU, OnnxEngine, choose_provider
from services.generator.errors import CorruptModelError
from services.generator.noise import latents
from tests.helpers.models import build_onnx

SHAPE = {"z_dim": 12, "labels": 3, "image_size_px": 16, "channels": 3}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A conditional graph."""
    path = tmp_path_factory.mktemp("engine") / "model.onnx"
    path.write_bytes(build_onnx(**SHAPE).SerializeToString())
    return path


def test_pixels(path):
    """Pixels are the graph's output, shifted, scaled, rounded and laid out height x width x channels."""
    z, label = latents(range(5), 12), np.array([0, 1, 2, 0, 1])
    pixels = OnnxEngine(path, **SHAPE).run(z, label)
    session = onnxruntime.InferenceSession(path, providers=[CPU])
    (image,) = session.run(["image"], {"z": z, "label": label})
    assert pixels.dtype == np.uint8
    assert pixels.shape == (5, 16, 16, 3)
    assert pixels.flags.c_contiguous
    exact = (image.astype(np.float64).transpose(0, 2, 3, 1) + 1) * 127.5
    assert abs(pixels - exact).max() <= 0.5 + 1e-4
    assert np.ptp(pixels) > 100


def test_label_matters(path):
    """The same latent vector gives another image under another label."""
    engine = OnnxEngine(path, **SHAPE)
    z = latents([1], 12)
    assert not np.array_equal(engine.run(z, np.array([0])), engine.run(z, np.array([1])))


@pytest.mark.parametrize("channels", [1, 3])
def test_unconditional(tmp_path, channels):
    """A graph without labels ignores them; grey images have one channel."""
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(labels=0, channels=channels).SerializeToString())
    engine = OnnxEngine(path, z_dim=12, labels=0, image_size_px=16, channels=channels)
    z = latents([1, 2], 12)
    assert engine.run(z, np.array([0, 0])).shape == (2, 16, 16, channels)
    assert np.array_equal(engine.run(z, np.array([0, 0])), engine.run(z, np.array([1, 2])))


def test_batch_and_threads_do_not_matter(path):
    """An image is the same alone, in batches of any size and from several threads at once."""
    engine = OnnxEngine(path, **SHAPE)
    z, label = latents(range(64), 12), np.arange(64) % 3
    whole = engine.run(z, label)
    for size in (1, 2, 17, 33):
        pieces = [engine.run(z[i : i + size], label[i : i + size]) for i in range(0, 64, size)]
        assert np.array_equal(np.concatenate(pieces), whole)
    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(engine.run, [z] * 20, [label] * 20):
            assert np.array_equal(pixels, whole)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"z_dim": 13}, r"'z' is tensor\(float\) \['batch', 12\].* with 13 in the second place"),
        ({"labels": 0}, r"has the inputs \['label', 'z'\], its card says \['z'\]"),
        ({"image_size_px": 32}, r"draws \(1, 3, 16, 16\), its card says \(1, 3, 32, 32\)"),
        ({"channels": 1}, "'image' is .* with 1 in the second place"),
    ],
)
def test_graph_and_card_disagree(path, wrong, message):
    """A graph that is not what the card says is refused with what is wrong."""
    with pytest.raises(CorruptModelError, match=message):
        OnnxEngine(path, **{**SHAPE, **wrong})


def test_not_finite(tmp_path):
    """A graph that draws no numbers is refused."""
    model = build_onnx(labels=0)
    nan = np.full(1, np.nan, np.float16).tobytes()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name.startswith("kernel"))
    kernel.raw_data = nan + kernel.raw_data[2:]
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptModelError, match="draws numbers that are not finite"):
        OnnxEngine(path, z_dim=12, labels=0, image_size_px=16, channels=3)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a"])
def test_not_onnx(tmp_path, content):
    """A file that is no ONNX graph is refused."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CorruptModelError, match=r"model\.onnx cannot be loaded"):
        OnnxEngine(path, **SHAPE)


def test_cpu_is_used_when_asked_for(path):
    """The device cpu means the CPU provider."""
    engine = OnnxEngine(path, **SHAPE, provider=choose_provider("cpu"))
    assert engine.provider == CPU


def test_cuda_or_a_warning(path, caplog):
    """The device cuda means CUDA or, where there is no GPU, the CPU and a line in the log."""
    engine = OnnxEngine(path, **SHAPE, provider=choose_provider("cuda"))
    assert engine.provider == "CUDAExecutionProvider" or "computing" in caplog.text
    assert engine.run(latents([1], 12), np.array([0])).shape == (1, 16, 16, 3)


def test_quiet_on_stderr(path):
    """Loading and running on the CPU writes nothing to stdout or stderr."""
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from services.generator.engine import OnnxEngine\n"
        "engine = OnnxEngine(Path(sys.argv[1]), z_dim=12, labels=3, image_size_px=16, channels=3)\n"
        "engine.run(np.zeros((2, 12), np.float32), np.zeros(2, np.int64))"
    )
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (b"", b"")
