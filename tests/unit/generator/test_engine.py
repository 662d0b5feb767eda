"""The engine: real ONNX Runtime on small graphs."""

from __future__ import annotations

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.generator.engine import OnnxEngine, instruction_set, to_pixels
from services.generator.errors import CorruptModelError
from services.generator.noise import latents
from services.generator.providers import CPU, choose_provider
from tests.helpers.models import build_onnx

SHAPE = {"z_dim": 12, "labels": 3, "image_size_px": 16, "channels": 3}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A conditional graph."""
    path = tmp_path_factory.mktemp("engine") / "model.onnx"
    path.write_bytes(build_onnx(**SHAPE).SerializeToString())
    return path


def test_images_are_the_graphs_own(path):
    """A run gives what the graph gives, bit for bit."""
    z, label = latents(range(5), 12), np.array([0, 1, 2, 0, 1])
    session = onnxruntime.InferenceSession(path, providers=[CPU])
    (expected,) = session.run(["image"], {"z": z, "label": label})
    images = OnnxEngine(path, **SHAPE).run(z, label)
    assert images.dtype == np.float32
    assert np.array_equal(images, expected)


@given(
    images=arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.sampled_from([1, 3]), st.just(8), st.just(8)),
        elements=st.floats(-1.25, 1.25, width=32),
    )
)
def test_pixels(images):
    """Samples are shifted, scaled, rounded half to even, clipped, and lie height x width x channels."""
    scaled = (images + np.float32(1)) * np.float32(127.5)
    expected = np.clip(np.rint(scaled), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    pixels = to_pixels(images.copy())
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, expected)


def test_halves_are_rounded_to_even():
    """A sample in the middle of two grey levels goes to the even one."""
    near = ((np.arange(255) + 0.5) / 127.5 - 1).astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(2)), np.nextafter(near, np.float32(-2))])
    exact = near[(near + np.float32(1)) * np.float32(127.5) % 1 == 0.5]
    assert len(exact) > 100
    assert not (to_pixels(exact.copy().reshape(1, 1, 1, -1)) % 2).any()


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
    assert engine.run(z, np.array([0, 0])).shape == (2, channels, 16, 16)
    assert np.array_equal(engine.run(z, np.array([0, 0])), engine.run(z, np.array([1, 2])))


@pytest.mark.parametrize("shape", [SHAPE, {**SHAPE, "image_size_px": 64}], ids=["16px", "64px"])
@pytest.mark.parametrize("mixes_labels", [False, True])
def test_batch_and_threads_do_not_matter(tmp_path, shape, mixes_labels):
    """An image is the same alone, in any batch, over 1, 2 or 4 threads, and from several threads at once."""
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(**shape, width=32, mixes_labels=mixes_labels).SerializeToString())
    engine = OnnxEngine(path, **shape, threads=2)
    z, label = latents(range(32), 12), engine.label_input(np.arange(32) % 3)
    whole = engine.run(z, label)
    for size in (1, 2, 7, 17):
        pieces = [engine.run(z[i : i + size], label[i : i + size]) for i in range(0, 32, size)]
        assert np.array_equal(np.concatenate(pieces), whole)
    for threads in (1, 2, 4):
        wide = OnnxEngine(path, **shape, threads=threads)
        alone = [wide.run(z[i : i + 1], label[i : i + 1], has_machine=True) for i in range(32)]
        assert np.array_equal(np.concatenate(alone), whole)
    with ThreadPoolExecutor(4) as pool:
        for images in pool.map(engine.run, [z] * 8, [label] * 8):
            assert np.array_equal(images, whole)


def test_mixed_labels(tmp_path, path):
    """A graph that takes weights draws a mix, and of one label what a graph that takes its index draws."""
    mixing = tmp_path / "model.onnx"
    mixing.write_bytes(build_onnx(**SHAPE, mixes_labels=True).SerializeToString())
    engine, other = OnnxEngine(mixing, **SHAPE), OnnxEngine(path, **SHAPE)
    assert (engine.mixes_labels, other.mixes_labels) == (True, False)
    z, label = latents([1, 2], 12), np.array([0, 2])
    assert np.array_equal(engine.run(z, engine.label_input(label)), other.run(z, other.label_input(label)))
    mixed = engine.run(z, np.array([[0.5, 0.5, 0], [0, 0, 1]], np.float32))
    assert not np.array_equal(mixed[0], engine.run(z, engine.label_input(label))[0])
    assert np.array_equal(mixed[1], engine.run(z, engine.label_input(label))[1])


def test_instruction_set():
    """The CPU is named by its architecture and its vector instructions."""
    assert instruction_set().startswith(platform.machine())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"z_dim": 13}, r"'z' is tensor\(float\) \['batch', 12\].* with 13 in the second place"),
        ({"labels": 0}, r"has the inputs \['label', 'z'\], its card says \['z'\]"),
        ({"image_size_px": 32}, r"draws \(3, 16, 16\), its card says \(3, 32, 32\)"),
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


@pytest.mark.parametrize(
    ("opset", "message"), [(99, "uses opset 99, ONNX Runtime runs up to"), (3, "opset 3")]
)
def test_wrong_opset(tmp_path, opset, message):
    """A graph of an operator set that is too new or too old is refused with its number."""
    model = build_onnx()
    model.opset_import[0].version = opset
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptModelError, match=message):
        OnnxEngine(path, **SHAPE)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a"])
def test_not_onnx(tmp_path, content):
    """A file that is no ONNX graph is refused."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CorruptModelError, match=r"model\.onnx (cannot be loaded|is not an ONNX file)"):
        OnnxEngine(path, **SHAPE)


def test_cpu_is_used_when_asked_for(path):
    """The device cpu means the CPU provider."""
    engine = OnnxEngine(path, **SHAPE, provider=choose_provider("cpu"))
    assert engine.provider == CPU


def test_cuda_or_a_warning(path, caplog):
    """The device cuda means CUDA or, where there is no GPU, the CPU and a line in the log."""
    engine = OnnxEngine(path, **SHAPE, provider=choose_provider("cuda"))
    assert engine.provider == "CUDAExecutionProvider" or "computing" in caplog.text
    assert engine.run(latents([1], 12), np.array([0])).shape == (1, 3, 16, 16)


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
