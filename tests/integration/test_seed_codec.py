"""Images of a model in the box, stored by their seeds and regenerated, here and on other machines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from client.sidecar import EXTENSION
from services.compressor.codecs import decode
from services.compressor.codecs.seed import Origin, SeedCodec, read_origin
from services.generator import noise
from services.generator.models import PACKAGED_MODELS
from tests.helpers.cli import make_tar, read_tar, run_cli
from tests.helpers.images import png_file
from tests.helpers.servers import server

CARS = PACKAGED_MODELS / "cars/1"
CARD = json.loads((CARS / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def generator_address() -> Generator[str]:
    """Address of a server with the models in the box."""
    with server("services.generator") as address:
        yield address


@pytest.fixture(params=["embedded", "tcp"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Points the commands at a generator inside, or at a server."""
    if request.param == "tcp":
        address = request.getfixturevalue("generator_address")
        monkeypatch.setenv("GANPRESS_GENERATOR", address)
        # Without a model directory of its own the client could not draw a thing.
        monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", "/nonexistent")
    return request.param


def sampler_of(optimisation: Any) -> Callable[[Origin], NDArray[np.float32]]:
    """Returns the model in plain ONNX Runtime, with other graph optimisations than the service's."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = optimisation
    session = onnxruntime.InferenceSession(CARS / "model.onnx", options, providers=["CPUExecutionProvider"])
    takes_weights = {node.name: node.type for node in session.get_inputs()}["label"] == "tensor(float)"

    def sample(origin: Origin) -> NDArray[np.float32]:
        index = CARD["labels"].index(origin.label)
        one_hot = np.eye(len(CARD["labels"]), dtype=np.float32)[[index]]
        label = one_hot if takes_weights else np.array([index], np.int64)
        z = noise.truncated(noise.latents([origin.seed], CARD["zDim"]), origin.truncation)
        graph = session.run(["image"], {"z": z, "label": label})[0][0]
        return ((graph + np.float32(1)) * np.float32(127.5)).transpose(1, 2, 0)

    return sample


def test_a_tar_goes_there_and_back() -> None:
    """Generated images with sidecars become files of at most 80 bytes and come back pixel for pixel."""
    drawn = run_cli("generate", "-n", 5, "--seed", 2**53 - 9, "--label", "convertible", "--truncation", 0.7)
    small = run_cli("compress", "--method", "seed", stdin=drawn.stdout)
    assert (small.exit_code, "PSNR infinite" in small.stderr) == (0, True)
    files = read_tar(small.stdout)
    seeds = {name: data for name, data in files.items() if name.endswith(".gpc")}
    assert len(seeds) == 5
    assert all(len(data) <= 80 for data in seeds.values())
    sidecar = json.loads(next(data for name, data in files.items() if name.endswith(EXTENSION)))
    assert sidecar["compression"]["codec"] == "seed"
    assert sidecar["compression"]["psnr_db"] is None
    back = run_cli("decompress", stdin=small.stdout)
    images, originals = read_tar(back.stdout), read_tar(drawn.stdout)
    for name in originals:
        if name.endswith(".png"):
            assert np.array_equal(decode(images[name]), decode(originals[name]))


def test_one_file() -> None:
    """A PNG says itself where it comes from; `inspect` says it of the file."""
    drawn = run_cli("generate", "--label", "suv", "--seed", 7)
    small = run_cli("compress", "-m", "seed", stdin=drawn.stdout)
    assert small.exit_code == 0
    origin = read_origin(small.stdout)
    assert (origin.label, origin.seed) == ("suv", 7)
    assert CARD["onnxSha256"].startswith(origin.model_digest)
    back = run_cli("decompress", stdin=small.stdout)
    assert np.array_equal(decode(back.stdout), decode(drawn.stdout))
    told = json.loads(run_cli("inspect", "--json", stdin=small.stdout).stdout)
    assert told["codec"] == "seed"
    assert told["provenance"]["seed"] == "7"


def noisy(sampler: Callable[[Origin], NDArray[np.float32]]) -> Callable[[Origin], NDArray[np.float32]]:
    """Returns a sampler that is off by as much as machines were seen to differ."""
    random = np.random.default_rng(0)

    def sample(origin: Origin) -> NDArray[np.float32]:
        values = sampler(origin)
        return values + random.uniform(-1.4e-4, 1.4e-4, values.shape).astype(np.float32)

    return sample


@pytest.mark.parametrize("kind", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "noise"])
def test_other_machines(kind: str, backend: str) -> None:
    """Where ONNX Runtime computes other bits, or with noise as large as was seen, the image is the same."""
    if backend == "tcp":
        pytest.skip("the generator is the same")
    levels = onnxruntime.GraphOptimizationLevel
    sampler = (
        noisy(sampler_of(levels.ORT_ENABLE_ALL)) if kind == "noise" else sampler_of(getattr(levels, kind))
    )
    drawn = run_cli("generate", "--label", "van", "-n", 30, "--seed", 0)
    small = read_tar(run_cli("compress", "-m", "seed", stdin=drawn.stdout).stdout)
    for name, image in read_tar(drawn.stdout).items():
        if name.endswith(".png"):
            assert np.array_equal(SeedCodec(sampler).decode(small[name.replace("png", "gpc")]), decode(image))


def test_edited_image() -> None:
    """An image that was painted on is its seed and a small difference."""
    drawn = run_cli("generate", "--label", "sedan", "--seed", 3).stdout
    pixels = decode(drawn).copy()
    pixels[5:15, 5:15] = [200, 30, 30]
    with Image.open(io.BytesIO(drawn)) as image:
        fields = {key.removeprefix("ganpress:"): str(value) for key, value in image.info.items()}
    sidecar = {"model_digest": fields["digest"], "label": fields["label"], "seed": 3, "truncation": 1.0}
    edited = io.BytesIO()
    Image.fromarray(pixels).save(edited, "PNG")
    tar = make_tar({"a.png": edited.getvalue(), "a.json": json.dumps(sidecar).encode()})
    small = read_tar(run_cli("compress", "-m", "seed", "--quality", "85", stdin=tar).stdout)
    plain = read_tar(run_cli("compress", "-m", "dct", "--quality", "85", stdin=tar).stdout)
    assert len(small["a.gpc"]) < 0.75 * len(plain["a.gpc"])
    back = read_tar(run_cli("decompress", stdin=make_tar({"a.gpc": small["a.gpc"]})).stdout)
    assert np.abs(decode(back["a.png"]).astype(int) - pixels).mean() < 3


@pytest.mark.parametrize(
    ("arguments", "sidecar", "message"),
    [
        ([], {}, "does not say from which model and seed it comes"),
        ([], {"model_digest": "ab" * 32, "seed": 1}, "no model with the digest abababababababab"),
        ([], {"model_digest": CARD["onnxSha256"], "seed": 1, "label": "lorry"}, "no label 'lorry'"),
        ([], {"model_digest": CARD["onnxSha256"], "seed": -1, "label": "suv"}, "seeds go from 0"),
        ([], {"model_digest": CARD["onnxSha256"], "seed": "x", "label": "suv"}, "have to be numbers"),
        (
            [],
            {"model_digest": CARD["onnxSha256"], "seed": 1, "label": "suv"},
            "the model draws 64 x 64 pixels",
        ),
        ([], {"model_digest": "ab" * 32, "seed": 1, "to_seed": 2}, "the way between two seeds"),
        (["-p", "k=3"], {}, "seed has no option 'k': its options are quality"),
        (["--quality", "0"], {}, "quality takes 1..100, not '0'"),
    ],
)
def test_mistakes(arguments: list[str], sidecar: dict[str, Any], message: str) -> None:
    """What cannot be stored by a seed is told in one sentence, and the exit code is 1."""
    tar = make_tar({"a.png": png_file(40, 40), "a.json": json.dumps(sidecar).encode()})
    result = run_cli("compress", "-m", "seed", *arguments, stdin=tar)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_generator_without_the_model(monkeypatch: pytest.MonkeyPatch, model_root: Any) -> None:
    """A file is not regenerated by another model, and the compressor alone cannot regenerate it."""
    drawn = run_cli("generate", "--label", "suv", "--seed", 7)
    small = run_cli("compress", "-m", "seed", stdin=drawn.stdout)
    monkeypatch.delenv("GANPRESS_GENERATOR", raising=False)
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    back = run_cli("decompress", stdin=small.stdout)
    assert back.exit_code == 1
    assert "the generator has no model with the digest" in back.stderr
    again = run_cli("compress", "-m", "png", stdin=small.stdout)
    assert again.exit_code == 1
    assert "the file holds a seed, not samples" in again.stderr
