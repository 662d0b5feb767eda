"""The same commands with the services inside and against two server processes: the same bytes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar, read_tar, run_cli
from tests.helpers.images import jpeg_file, png_file
from tests.helpers.servers import server


@pytest.fixture(scope="module")
def addresses(model_root: Path) -> Generator[dict[str, str]]:
    """Addresses of two servers, by the environment variable that points a client at them."""
    with ExitStack() as stack:
        yield {
            "GANPRESS_GENERATOR": stack.enter_context(
                server("services.generator", "--models", str(model_root))
            ),
            "GANPRESS_COMPRESSOR": stack.enter_context(server("services.compressor", "--warm-up", "false")),
        }


@pytest.fixture(params=["embedded", "tcp"])
def backend(request: pytest.FixtureRequest, model_root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Points the commands at the services inside, or at the two servers."""
    if request.param == "embedded":
        monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    else:
        # Without a model directory of its own the client could not draw a thing.
        monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", "/nonexistent")
        for name, address in request.getfixturevalue("addresses").items():
            monkeypatch.setenv(name, address)
    return request.param


SEEN: dict[str, tuple[int, bytes]] = {}
"""What each case gave on the first backend."""


def check_congruent(case: str, exit_code: int, stdout: bytes) -> None:
    """Checks that a case gives on this backend what it gave on the other."""
    assert SEEN.setdefault(case, (exit_code, stdout)) == (exit_code, stdout)


@pytest.mark.parametrize(
    "method", ["dct", "kmeans", "jpeg", "webp", "avif", "png", "jpeg2000", "tiff", "tga", "gif"]
)
@pytest.mark.usefixtures("backend")
def test_the_pipe_is_the_same_everywhere(method: str) -> None:
    """Generate | compress | decompress gives the same bytes, sidecars included."""
    drawn = run_cli("generate", "--label", "sedan", "-n", 3, "--seed", 42)
    small = run_cli("compress", "--method", method, stdin=drawn.stdout)
    back = run_cli("decompress", stdin=small.stdout)
    assert [drawn.exit_code, small.exit_code, back.exit_code] == [0, 0, 0]
    assert len(read_tar(back.stdout)) == 6
    for step in (drawn, small, back):
        check_congruent(f"{method} {step is drawn} {step is small}", step.exit_code, step.stdout)


@pytest.mark.usefixtures("backend")
def test_one_image_is_the_same_everywhere() -> None:
    """So does a single image, as plain files."""
    drawn = run_cli("generate", "--label", "suv", "--seed", 1)
    small = run_cli("compress", "--method", "kmeans", "--k", 16, stdin=drawn.stdout)
    assert small.stdout.startswith(b"\x89PNG")
    check_congruent("single drawn", drawn.exit_code, drawn.stdout)
    check_congruent("single small", small.exit_code, small.stdout)


@pytest.mark.parametrize(
    "arguments",
    ["models --json", "models cars", "codecs --json", "generate --label lorry", "generate -n 0",
     "compress --threshold 2", "compress -m kmeans --k 0", "compress"],
)  # fmt: skip
@pytest.mark.usefixtures("backend")
def test_answers_and_mistakes_are_the_same_everywhere(arguments: str) -> None:
    """Lists, refusals and broken members read the same."""
    tar = make_tar({"a.png": png_file(8, 8), "cut.jpg": jpeg_file(40, 40)[:200]})
    result = run_cli(*arguments.split(), stdin=tar)
    check_congruent(arguments, result.exit_code, result.stdout)
    check_congruent(f"{arguments} stderr", 0, result.stderr.encode())
