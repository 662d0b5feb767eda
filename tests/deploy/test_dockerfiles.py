"""The Dockerfiles: linted, and in step with the servers and manifests."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from services.common.settings import env_of
from tests.deploy.manifest_checks import SETTINGS

pytestmark = pytest.mark.k8s

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILES = {
    f"ganpress-{name}": ROOT / "services" / name / "Dockerfile" for name in ("generator", "compressor")
}


def lint(dockerfile: str) -> str:
    """Returns what hadolint says about a Dockerfile's text."""
    hadolint = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([hadolint, "-"], input=dockerfile, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Returns a Dockerfile's instructions with their arguments, comments and line breaks gone."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def final_stage(dockerfile: str) -> dict[str, str]:
    """Returns the last stage's instructions; each must be there once only."""
    found = instructions(dockerfile)
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    stage = dict(found[start:])
    assert len(stage) == len(found[start:])
    return stage


@pytest.fixture(params=DOCKERFILES)
def image(request: pytest.FixtureRequest) -> str:
    """The name of each image."""
    return request.param


def test_hadolint_is_content(image: str) -> None:
    """The linter has no complaint."""
    assert lint(DOCKERFILES[image].read_text(encoding="utf-8")) == ""


def test_hadolint_finds_an_untagged_base(image: str) -> None:
    """The linter runs: a seeded fault is found."""
    faulty = DOCKERFILES[image].read_text(encoding="utf-8").replace("python:3.11-slim", "python")
    assert "DL3006" in lint(faulty)


def test_the_image_starts_its_server(image: str) -> None:
    """The image runs the console script of its name, as nobody, on the port of its settings."""
    stage = final_stage(DOCKERFILES[image].read_text(encoding="utf-8"))
    assert stage["ENTRYPOINT"] == f'["{image}"]'
    assert image in PROJECT["project"]["scripts"]
    assert stage["EXPOSE"] == str(SETTINGS[image].model_fields["port"].default)
    assert stage["USER"] == "65532:65532"


def test_the_image_listens_to_the_outside(image: str) -> None:
    """The server in the image binds every interface."""
    stage = final_stage(DOCKERFILES[image].read_text(encoding="utf-8"))
    ours = dict(pair.split("=") for pair in stage["ENV"].split() if pair.startswith("GANPRESS_"))
    assert ours == {env_of(SETTINGS[image], "host"): "0.0.0.0"}


def test_the_image_holds_no_tools(image: str) -> None:
    """The last stage installs nothing: no compiler, no trainer's extras, one copied environment."""
    text = DOCKERFILES[image].read_text(encoding="utf-8")
    stage = final_stage(text)
    assert "RUN" not in stage
    assert stage["COPY"].startswith("--from=build ")
    assert "[train]" not in text


def test_the_build_context_is_what_the_wheel_needs() -> None:
    """Nothing but the wheel's sources reaches a build, and none of them is missing."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert "*" in rules
    assert let_in == needed | {Path(package).parts[0] for package in wheel}
