"""The command line itself: help, errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from client.cli import COMMANDS, cli
from tests.helpers.cli import run_cli


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """Each command's help works, and the group lists it with the same words."""
    result = run_cli(name, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.get_short_help_str(100) == COMMANDS[name]


def test_help_imports_nothing_heavy() -> None:
    """`client --help` waits for neither gRPC nor NumPy nor what computes."""
    code = (
        "import sys, client.cli\n"
        "try: client.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'grpc', 'numpy', 'onnxruntime', 'sklearn', 'PIL', 'rich'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_version() -> None:
    """--version is the distribution's."""
    assert version("ganpress") in run_cli("--version").stdout.decode()


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["compress", "--frobnicate"], ["generate", "--timeout", "0"]]
)
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    """Click explains a wrong use of options."""
    result = run_cli(*arguments)
    assert result.exit_code == 2
    assert "Usage: client" in result.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "/full/x.png"),
            "error: /full/x.png: No space left on device\n",
        ),
        (KeyError("oops"), "error: this is a bug in GanPress, please report it: KeyError: 'oops'\n"),
    ],
)
def test_unexpected_errors_are_one_line(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in a command ends in a line; --debug adds where it happened."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("client.commands.inspect.open_source", fail)
    result = run_cli("inspect")
    assert (result.exit_code, result.stderr) == (1, message)
    assert "Traceback" in run_cli("--debug", "inspect").stderr


def test_ctrl_c_ends_a_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command leaves the exit code a shell expects and no message."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("client.commands.inspect.open_source", interrupt)
    result = run_cli("inspect")
    assert (result.exit_code, result.stderr.strip()) == (130, "")
