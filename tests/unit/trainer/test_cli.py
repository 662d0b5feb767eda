"""The trainer's group of commands: help, what it imports, how errors end it."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from trainer.cli import COMMANDS, cli, main
from trainer.errors import TrainerError


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes `prepare` raise an error."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("trainer.data.prepare.prepare", fail)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """Each command's help works, and the group lists it with the same words."""
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.get_short_help_str(100) == COMMANDS[name]
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "--help" in result.output


@pytest.mark.parametrize("arguments", [["--help"], ["prepare", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help waits for neither PyTorch nor what decodes images."""
    code = (
        "import sys, trainer.cli\n"
        f"try: trainer.cli.main({arguments})\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'onnx', 'numpy', 'scipy', 'PIL', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TrainerError("it is so"), 1, "error: it is so\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "error: /x: Permission denied\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_that_are_not_bugs_are_one_line(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What the trainer refuses, what the system refuses and an interruption end without a traceback."""
    failing(monkeypatch, error)
    with pytest.raises(SystemExit) as exit_:
        main(["prepare", "x", "--out", "y"])
    assert exit_.value.code == code
    assert capsys.readouterr().err.removeprefix("reading x\n").lstrip("\n") == message


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is not hidden."""
    failing(monkeypatch, KeyError("oops"))
    with pytest.raises(KeyError):
        main(["prepare", "x", "--out", "y"])
