"""The engine of OpenVINO: the real library on small graphs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
import pytest

from services.generator.engine import OnnxEngine
from services.generator.errors import CorruptModelError
from services.generator.noise import latents
from services.generator.openvino_engine import OpenVinoEngine, explain
from tests.helpers.models import build_onnx

SHAPE = {"z_dim": 12, "labels": 3, "image_size_px": 16, "channels": 3}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A conditional graph."""
    path = tmp_path_factory.mktemp("openvino") / "model.onnx"
    path.write_bytes(build_onnx(**SHAPE).SerializeToString())
    return path


def test_images_are_near_those_of_onnx_runtime(path):
    """Both runtimes draw the same images, up to float32's rounding, and tell which they are."""
    z, label = latents(range(5), 12), np.array([0, 1, 2, 0, 1])
    engine, other = OpenVinoEngine(path, **SHAPE), OnnxEngine(path, **SHAPE)
    images = engine.run(z, label)
    assert images.dtype == np.float32
    assert np.abs(images - other.run(z, label)).max() < 1e-4
    assert (engine.runtime, engine.provider, engine.on_cpu) == ("openvino", "CPU", True)
    assert openvino.__version__.startswith(engine.version)


@pytest.mark.parametrize("image_size_px", [16, 64])
@pytest.mark.parametrize("mixes_labels", [False, True])
def test_batch_and_threads_do_not_matter(tmp_path, image_size_px, mixes_labels):
    """An image is the same alone, in any batch, with 1 or 2 streams, and from several threads at once."""
    shape = {**SHAPE, "image_size_px": image_size_px}
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(**shape, width=32, mixes_labels=mixes_labels).SerializeToString())
    engine = OpenVinoEngine(path, **shape)
    assert engine.batch_invariant
    z, label = latents(range(32), 12), engine.label_input(np.arange(32) % 3)
    whole = engine.run(z, label)
    two = OpenVinoEngine(path, **shape, threads=2)
    for size in (1, 2, 7, 17):
        pieces = [two.run(z[i : i + size], label[i : i + size]) for i in range(0, 32, size)]
        assert np.array_equal(np.concatenate(pieces), whole)
    with ThreadPoolExecutor(4) as pool:
        for images in pool.map(two.run, [z] * 8, [label] * 8):
            assert np.array_equal(images, whole)


def test_answers_are_the_callers_own(path):
    """The images of a run do not change with the next one."""
    engine = OpenVinoEngine(path, **SHAPE)
    first = engine.run(latents([1], 12), np.array([0]))
    kept = first.copy()
    engine.run(latents([2], 12), np.array([1]))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: model.opset_import[0].__setattr__("version", 99), "uses opset 99, ONNX Runtime runs"),
        (lambda model: model.__setattr__("ir_version", 99), r"its format \(IR\) has version 99"),
        (
            lambda model: model.graph.node[-1].__setattr__("op_type", "Bernoulli"),
            "has the operator Bernoulli, which is not run",
        ),
    ],
    ids=["opset", "format", "operator"],
)
def test_graph_that_cannot_be_run(tmp_path, damage, message):
    """A graph of another operator set or format, or with an operator that is not on the list, is refused."""
    model = build_onnx()
    damage(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptModelError, match=message):
        OpenVinoEngine(path, **SHAPE)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a"])
def test_not_onnx(tmp_path, content):
    """A file that is no ONNX graph is refused in one sentence."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CorruptModelError, match=r"model\.onnx (cannot be loaded: .+|is not an ONNX file)"):
        OpenVinoEngine(path, **SHAPE)


def test_explanation():
    """Of OpenVINO's error a user is told which operators it does not know."""
    error = RuntimeError("Check failed at a.cpp:1\nNo conversion rule found for operations: Bernoulli\n")
    assert explain(error) == "it does not know the operators Bernoulli"


def test_graph_and_card_disagree(path):
    """A graph that is not what the card says is refused as by ONNX Runtime's engine."""
    with pytest.raises(CorruptModelError, match="with 13 in the second place"):
        OpenVinoEngine(path, **{**SHAPE, "z_dim": 13})


def test_imported_when_needed():
    """The service starts without OpenVINO, NNCF, ONNX and PyTorch in memory."""
    code = (
        "import sys, services.generator.__main__\n"
        "print(sorted({'openvino', 'nncf', 'onnx', 'torch'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert result.stdout == "[]\n"


def test_tells_nobody():
    """Loading OpenVINO starts no process that tells its makers of it."""
    code = (
        "import multiprocessing.process as process\n"
        "process.BaseProcess.start = lambda self: print('started', self)\n"
        "from services.generator.openvino_engine import load_openvino\n"
        "load_openvino().Core()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert result.stdout == ""


def test_missing_package(model_root):
    """Asked for without its package, the runtime is refused in one sentence that tells how to get it."""
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "from services.generator.__main__ import main\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "--runtime", "openvino", "--port", "0", "--models", model_root]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        "Error: the runtime openvino needs a package that is not installed: pip install 'ganpress[openvino]'"
    )
