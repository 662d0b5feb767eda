"""The Dockerfiles: linted, and in step with the servers and manifests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.common.settings import env_of
from tests.deploy.manifest_checks import SETTINGS

pytestmark = pytest.mark.k8s

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IMAGES = {
    "ganpress-generator": ("services/generator", "cpu"),
    "ganpress-generator-gpu": ("services/generator", "gpu"),
    "ganpress-compressor": ("services/compressor", ""),
    "ganpress-trainer": ("trainer", ""),
    "ganpress-client": ("client", ""),
}
"""Folder of each image's Dockerfile, and the target in it; the last stage when it has no name."""
LOCKS = ROOT / "deploy" / "images"
SOURCES = {
    "generator": ("services/common", "services/generator"),
    "generator-gpu": ("services/common", "services/generator"),
    "compressor": ("services/common", "services/compressor"),
    "trainer": ("trainer",),
    "client": ("client", "services"),
}
"""Folders of what each image's program imports."""
_QUANTIZE = {"nncf", "onnx", "skimage"}
OPTIONAL = {
    "generator": _QUANTIZE,
    "generator-gpu": _QUANTIZE,
    "compressor": {"bjontegaard", "ssimulacra2"},
    "trainer": {"torch_fidelity"},
    "client": {*_QUANTIZE, "openvino"},
}
"""Modules of extras that the image goes without: what needs them says so."""


def dockerfile(image: str) -> str:
    """Returns the text of an image's Dockerfile."""
    return (ROOT / IMAGES[image][0] / "Dockerfile").read_text(encoding="utf-8")


def lint(text: str) -> str:
    """Returns what hadolint says about a Dockerfile's text."""
    hadolint = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([hadolint, "-"], input=text, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def instructions(text: str) -> list[tuple[str, str]]:
    """Returns a Dockerfile's instructions with their arguments, comments and line breaks gone."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def final_stage(image: str) -> list[tuple[str, str]]:
    """Returns the instructions that make an image: those of its stage and of what that builds on."""
    stages: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, text in instructions(dockerfile(image)):
        if word == "FROM":
            base, _, name = text.partition(" AS ")
            stages[name] = list(stages.get(base, []))
        else:
            stages[name].append((word, text))
    return stages[IMAGES[image][1]]


def environment(image: str) -> dict[str, str]:
    """Returns the variables that an image sets."""
    pairs = [pair for word, text in final_stage(image) if word == "ENV" for pair in text.split()]
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """The name of each image."""
    return request.param


def test_hadolint_is_content(image: str) -> None:
    """The linter has no complaint."""
    assert lint(dockerfile(image)) == ""


def test_hadolint_finds_an_untagged_base(image: str) -> None:
    """The linter runs: a seeded fault is found."""
    assert "DL3006" in lint(dockerfile(image).replace("python:3.11-slim-bookworm", "python"))


def test_the_image_starts_its_program(image: str) -> None:
    """The image runs a console script of the package, as nobody, a server on the port of its settings."""
    stage = dict(final_stage(image))
    script = "client" if image == "ganpress-client" else image.removesuffix("-gpu")
    assert stage["ENTRYPOINT"] == f'["{script}"]'
    assert script in PROJECT["project"]["scripts"]
    assert stage["USER"] == "65532:65532"
    if image in SETTINGS:
        assert stage["EXPOSE"] == str(SETTINGS[image].model_fields["port"].default)


@pytest.mark.parametrize("image", SETTINGS)
def test_the_image_listens_to_the_outside(image: str) -> None:
    """The server in the image binds every interface, and one for GPUs computes on them."""
    ours = {name: value for name, value in environment(image).items() if name.startswith("GANPRESS_")}
    wanted = {env_of(SETTINGS[image], "host"): "0.0.0.0"}
    if image.endswith("-gpu"):
        wanted["GANPRESS_GENERATOR_DEVICE"] = "cuda"
    assert ours == wanted


def test_the_image_holds_no_tools(image: str) -> None:
    """The last stage installs nothing: it copies one environment, of locked versions, and names its SBOM."""
    stage = final_stage(image)
    assert "RUN" not in dict(stage)
    (copied,) = (text for word, text in stage if word == "COPY")
    assert re.fullmatch(r"--from=\S*environment /opt/ganpress /opt/ganpress", copied)
    assert f'version="{PROJECT["project"]["version"]}"' in dict(stage)["LABEL"]
    assert "sbom.cdx.json" in dict(stage)["LABEL"]


@pytest.mark.parametrize("name", [path.stem for path in sorted(LOCKS.glob("*.in"))])
def test_the_locked_versions_are_those_that_the_project_accepts(name: str) -> None:
    """Every package of a lock is pinned with hashes, and within the ranges of pyproject.toml."""
    if name == "services":
        return  # part of the others
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert len(locked) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
    assert text.count("--hash=sha256:") >= len(locked)
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [Requirement(text) for text in (*PROJECT["project"]["dependencies"], *extras["train"])]
    for requirement in asked:
        if version := locked.get(canonicalize_name(requirement.name)):
            assert requirement.specifier.contains(version), requirement
    assert ("torch" in locked) == (name == "trainer")


def imported(folder: str) -> dict[str, str]:
    """Returns the modules of other packages that a folder's sources import, each with a file that does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    ours = {"", "ganpress", "services", "client", "trainer"}
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, *ours}}


@pytest.mark.parametrize("image", IMAGES)
def test_what_the_program_imports_is_locked(image: str) -> None:
    """Each module that an image's program imports is of a package of its lock, or of an extra."""
    name = image.removeprefix("ganpress-")
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    if "onnxruntime" in locked:
        locked.add("onnxruntime-gpu")  # what is installed here, in its place
    packages = packages_distributions()
    missing = {
        module: path
        for folder in SOURCES[name]
        for module, path in imported(folder).items()
        if not locked & {canonicalize_name(package) for package in packages.get(module, ())}
    }
    assert missing.keys() <= OPTIONAL[name], missing


def test_the_build_context_is_what_the_wheel_needs() -> None:
    """Nothing but the wheel's sources and the locked versions reach a build, and none of them is missing."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert "*" in rules
    assert let_in == needed | {Path(package).parts[0] for package in wheel} | {"deploy/images"}
