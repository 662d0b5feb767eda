"""`ganpress-generator quantize`: NNCF and OpenVINO on the models in the box, then served."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub

from services.generator.__main__ import main
from services.generator.models import PACKAGED_MODELS, check_onnx
from services.generator.noise import latents
from services.generator.onnx_file import external_tensors
from services.generator.quantization.variant import find_model
from services.generator.runtimes import Runtimes
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import damaged_model, read_card, write_model
from tests.helpers.servers import serving

pytestmark = pytest.mark.quantize


def quantize(*arguments: object) -> tuple[int, str, str]:
    """Runs the command; returns exit code, stdout and stderr."""
    result = CliRunner().invoke(main, ["quantize", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The int8 variants of both models in the box, each made with the command's own calibration."""
    root = tmp_path_factory.mktemp("int8")
    for name in ("cars", "dogs"):
        code, stdout, stderr = quantize(name, "--out", root, "--images", 64)
        assert code == 0, stderr
        assert stdout == f"{root / name / '2'}\n"
        assert "PSNR" in stderr
    return root


@pytest.mark.parametrize("name", ["cars", "dogs"])
def test_models_in_the_box(repository, name):
    """Their variants are whole models of 8 bits that name their parent and are near to it."""
    variant, parent = repository / name / "2", read_card(PACKAGED_MODELS / name / "1")
    card = read_card(variant)
    check_onnx(card, variant / "model.onnx", "model.onnx")
    assert external_tensors((variant / "model.onnx").read_bytes()) == []
    assert card.weights_dtype == "int8"
    assert card.quantization.parent_sha256 == parent.onnx_sha256 != card.onnx_sha256
    assert (card.data, card.training, card.terms) == (parent.data, parent.training, parent.terms)
    assert {"nncf", "onnx", "openvino", "ganpress"} == set(card.quantization.versions)
    metrics = {metric.name: metric.value for metric in card.metrics}
    assert metrics["int8_psnr_db_mean"] > 43
    assert metrics["int8_psnr_db_min"] > card.quantization.min_psnr_db == 38
    assert metrics["int8_ssim_min"] > 0.98


def test_every_batch_and_thread(repository):
    """On OpenVINO an int8 image is the same alone, in any batch and with any number of streams."""
    model = find_model(str(repository / "cars"))
    one, two = (Runtimes("openvino", threads=threads).open(model) for threads in (1, 2))
    assert one.batch_invariant
    z, label = latents(range(32), 100), one.label_input(np.arange(32) % 9)
    whole = one.run(z, label)
    for size in (1, 2, 7, 17):
        pieces = [two.run(z[i : i + size], label[i : i + size]) for i in range(0, 32, size)]
        assert np.array_equal(np.concatenate(pieces), whole)


async def test_served_beside_float32(tmp_path, repository):
    """A server of both computes int8 with OpenVINO and float32 with ONNX Runtime, and tells so."""
    shutil.copytree(PACKAGED_MODELS / "cars", tmp_path / "models/cars")
    shutil.copytree(repository / "cars", tmp_path / "models/cars", dirs_exist_ok=True)
    settings = GeneratorSettings(models=tmp_path / "models", threads=2)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub = GeneratorServiceStub(channel)
        int8 = await stub.GetModel(pb.GetModelRequest(name="cars"))
        float32 = await stub.GetModel(pb.GetModelRequest(name="cars", version=1))
        assert (int8.runtime.runtime, int8.runtime.precision) == ("openvino", "int8")
        assert (int8.runtime.execution_provider, int8.runtime.batch_invariant) == ("CPU", True)
        assert int8.runtime.runtime_version == int8.card.quantization.versions["openvino"]
        assert (float32.runtime.runtime, float32.runtime.precision) == ("onnxruntime", "float32")
        assert float32.runtime.batch_invariant
        request = pb.GenerateRequest(model="cars", count=8, seed=0, format="IMAGE_FORMAT_RAW_U8")
        images = (await stub.Generate(request)).images
        digest = hashlib.sha256(b"".join(image.data for image in images)).hexdigest()
        assert digest == int8.runtime.probe_digest != float32.runtime.probe_digest
        assert {image.model_digest for image in images} == {int8.card.onnx_sha256}


def test_onnx_runtime_draws_nearly_the_same(repository):
    """Where OpenVINO is missing, ONNX Runtime serves the variant: the same graph, rounded otherwise."""
    model = find_model(str(repository / "dogs"))
    z, label = latents(range(8), 100), np.zeros(8, np.int64)
    one, other = (Runtimes(name).open(model).run(z, label) for name in ("openvino", "onnxruntime"))
    assert np.abs(one - other).mean() < 1 / 127.5


def test_gate(tmp_path):
    """A variant that is too far from its parent is refused, and nothing is written."""
    write_model(tmp_path, labels=())
    code, stdout, stderr = quantize(tmp_path / "cars", "--images", 16, "--min-psnr-db", 90)
    assert (code, stdout) == (1, "")
    assert "to the float32 model's, below 90 dB: nothing was written" in stderr.splitlines()[-1]
    assert [path.name for path in (tmp_path / "cars").iterdir()] == ["1"]


@pytest.mark.parametrize("options", [{}, {"labels": ()}, {"mixes_labels": True}, {"channels": 1}])
def test_all_kinds_of_models(tmp_path, options):
    """Models without labels, that mix labels, and of grey images are quantized, beside their parent."""
    write_model(tmp_path, width=16, **options)
    code, stdout, stderr = quantize(tmp_path / "cars/1", "--images", 16, "--min-psnr-db", 20)
    assert code == 0, stderr
    assert stdout == f"{tmp_path / 'cars/2'}\n"
    assert Runtimes().open(find_model(stdout.strip())).runtime == "openvino"
    code, _, stderr = quantize(tmp_path / "cars", "--images", 16)
    assert code == 1
    assert "is quantized already: quantize the model that it was made from, version 1" in stderr


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: model.opset_import[0].__setattr__("version", 99), "it uses opset 99"),
        (
            lambda model: model.opset_import[0].__setattr__("version", 12),
            "cannot be quantized: it uses opset 12",
        ),
    ],
)
def test_wrong_opset(tmp_path, damage, message):
    """A graph of an operator set that is too new or too old is refused in one sentence."""
    damaged_model(tmp_path, damage, labels=())
    code, stdout, stderr = quantize(tmp_path / "cars", "--images", 16)
    assert (code, stdout) == (1, "")
    assert message in stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["cars"], 1, "cars is a model of the package: name the model repository to write to by --out"),
        (["zebras"], 1, "there is no model 'zebras'"),
        (["cars", "--images", "3"], 2, "3 is not in the range"),
        (["cars", "--name", "A b"], 2, "--name has to be of lower-case letters, digits and hyphens"),
        (["cars", "--min-psnr-db", "nan"], 2, "nan"),
    ],
)
def test_bad_arguments(arguments, code, message):
    """A mistake in the arguments is named before anything is computed."""
    found, stdout, stderr = quantize(*arguments)
    assert (found, stdout) == (code, "")
    assert message in stderr


def test_corrupt_model(tmp_path):
    """A model whose file is not what its card says is refused."""
    folder = write_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"short")
    code, _, stderr = quantize(folder)
    assert code == 1
    assert "model.onnx has 5 bytes, its card says" in stderr


@pytest.mark.parametrize("package", ["nncf", "onnx", "openvino"])
def test_missing_package(tmp_path, package):
    """Without one of its packages the command says in one sentence how to get it."""
    write_model(tmp_path)
    script = (
        f"import sys; sys.modules[{package!r}] = None\nfrom services.generator.__main__ import main\nmain()"
    )
    command = [sys.executable, "-c", script, "quantize", str(tmp_path / "cars")]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert (
        f"quantizing needs {package}, which is not installed: pip install 'ganpress[quantize]'"
        in result.stderr
    )
