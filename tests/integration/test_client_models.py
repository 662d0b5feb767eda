"""`client models` against a server whose models come and go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.cli import run_cli
from tests.helpers.models import write_model
from tests.helpers.servers import server

OPTIONS = ("--watch-s", "0", "--versions", "latest", "--model-control", "true")


def printed(*arguments: object) -> str:
    """What a command prints that succeeds."""
    result = run_cli("models", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.decode()


def test_states_load_and_unload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All versions are listed with their states and reasons; one is loaded, rolled back and loaded again."""
    for version in (1, 2):
        write_model(tmp_path, version=version, seed=version)
    with server("services.generator", "--models", str(tmp_path), *OPTIONS) as address:
        monkeypatch.setenv("GANPRESS_GENERATOR", address)
        write_model(tmp_path, version=3, seed=3)
        listed = printed("--all")
        assert listed.count("not loaded") == 2
        assert f"repository: {tmp_path}" in listed
        states = {
            v["version"]: v["state"] for v in json.loads(printed("cars", "--load", "--json"))["versions"]
        }
        assert states == {
            3: "MODEL_STATE_READY",
            2: "MODEL_STATE_NOT_LOADED",
            1: "MODEL_STATE_NOT_LOADED",
        }
        assert "it was unloaded by request" in printed("cars", "--version", 3, "--unload")
        assert json.loads(printed("--json"))["models"][0]["version"] == 2
        (tmp_path / "cars" / "3" / "model.onnx").unlink()
        refused = run_cli("models", "cars", "--version", 3, "--load")
        assert refused.exit_code == 1
        assert "model.onnx: No such file or directory; served of model 'cars': 2" in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("cars", "--all"), 2, "--all lists all models: leave out NAME"),
        (("--load",), 2, "--load needs the NAME of a model"),
        (("--unload",), 2, "--unload needs the NAME of a model"),
        (("cars", "--version", "-1"), 2, "--version has to be 0 to 4294967295, not -1"),
        (("cars", "--load"), 1, "clients may not load and unload models here"),
        (("cars", "--unload"), 1, "model_control allows it"),
    ],
)
def test_mistakes(
    model_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    exit_code: int,
    message: str,
) -> None:
    """What makes no sense, or is not allowed, is said in a sentence."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    result = run_cli("models", *arguments)
    assert (result.exit_code, message in result.stderr) == (exit_code, True)
    assert "Traceback" not in result.stderr
