"""The command line itself: help, errors, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

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


@pytest.mark.parametrize(
    ("words", "expected"),
    [("client com", "compress"), ("client compress --codec we", "webp"), ("client archive ex", "extract")],
)
def test_shells_complete(words: str, expected: str, tmp_path: Path) -> None:
    """What `client completion` prints makes bash complete commands, codecs and commands of groups."""
    program = tmp_path / "client"
    program.write_text(f"#!{sys.executable}\nfrom client.cli import main\nmain()\n")
    program.chmod(0o755)
    script = (
        f'complete() {{ :; }}; eval "$(client completion bash)"; COMP_WORDS=({words}); '
        f"COMP_CWORD={len(words.split()) - 1}; _client_completion client; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "protos")]),
    }
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert expected in done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "compress",
        "compress -o",
        "compare",
        "compare x.png --html",
        "evaluate a/",
        "archive list",
        "archive extract x.gpa -o",
        "experiment run",
        "experiment run plan.yaml -o",
        "experiment report",
    ],
)
def test_paths_are_completed(words: str) -> None:
    """Where a path is wanted, the shell is told to complete files, of inputs and of outputs."""
    completions = ShellComplete(cli, {}, "client", "_CLIENT_COMPLETE").get_completions(words.split(), "ph")
    assert [(item.type, item.value) for item in completions] == [("file", "ph")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_both_programs_are_completed(shell: str) -> None:
    """Each shell gets what it needs for client and for ganpress."""
    text = run_cli("completion", shell).stdout.decode()
    assert all(f"_{name}_completion" in text for name in ("client", "ganpress"))


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
