"""Commands as processes: pipes, signals, terminals, servers."""

from __future__ import annotations

import io
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar
from tests.helpers.images import jpeg_file, png_file

CLIENT = f"{shlex.quote(sys.executable)} -c 'from client.cli import main; main()'"


@pytest.fixture(autouse=True)
def environment(model_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in an empty folder, with random models."""
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "protos")]))
    monkeypatch.chdir(tmp_path)


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of bash in which `client` is the command."""
    script = f'set -o pipefail; client() {{ {CLIENT} "$@"; }}; {script}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def start(*arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Starts a command."""
    command = [sys.executable, "-c", "from client.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_pipes_join_client_and_tar(tmp_path: Path) -> None:
    """`tar c` can stand before the client and `tar t` after it."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg_file(16, 16))
    result = shell("tar c *.jpg | client compress --method dct -o out.tar && tar tf out.tar")
    assert result.returncode == 0
    assert result.stdout.split() == ["a.gpc", "a.json", "b.gpc", "b.json"]
    drawn = shell("client generate -n 3 --label suv --seed 1 | client compress -m kmeans | tar t")
    assert drawn.stdout.split()[::2] == ["cars-suv-1.png", "cars-suv-2.png", "cars-suv-3.png"]


def test_a_failure_before_the_pipe_is_told_once_more() -> None:
    """The command after a failed one says that nothing came, and leaves no file."""
    result = shell("client generate --label lorry | client compress -o x.png; echo $?; ls")
    assert result.stdout.split() == ["1"]
    assert [line.startswith("error: ") for line in result.stderr.splitlines()] == [True, True]


def test_a_reader_that_goes_away_ends_the_writer() -> None:
    """`head` ends the pipe: exit code 141 and not a word."""
    result = shell("client generate -q -n 2000 | head -c 100 >/dev/null; echo ${PIPESTATUS[0]}")
    assert (result.stdout, result.stderr) == ("141\n", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """While it waits for more on its pipe, a signal ends a command at once, and its file does not appear."""
    read_end, write_end = os.pipe()
    process = start("compress", "-o", "out.tar", stdin=read_end)
    os.write(write_end, make_tar({"a.png": png_file(8, 8), "b.png": png_file(8, 8)})[:1500])
    while not list(tmp_path.iterdir()):  # until it has opened its temporary file
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr.strip()) == (code, b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("generate",), "images are not written to the terminal"), (("compress",), "no input")],
)
def test_terminals_get_words_not_images(arguments: tuple[str, ...], message: str) -> None:
    """With a terminal on stdin and stdout the user is told what to do instead."""
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-c", "from client.cli import main; main()", *arguments]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        _, stderr = process.communicate(timeout=60)
    os.close(main_end)
    assert process.returncode == 1
    assert message in stderr.decode()
    assert len(stderr.splitlines()) == 1


def test_serve_runs_both_services_until_stopped() -> None:
    """The line that `serve` prints points other commands at it; SIGTERM ends it well."""
    server = start("serve", "--address", "127.0.0.1:0")
    assert isinstance(server.stdout, io.BufferedReader)
    line = server.stdout.readline().decode().strip()
    no_models = "export GANPRESS_GENERATOR_MODELS=/nonexistent"
    result = shell(f"{line}; {no_models}; client generate --seed 1 | client compress -m png | wc -c")
    server.terminate()
    server.communicate(timeout=30)
    assert server.returncode == 0
    assert int(result.stdout) > 100


def test_serve_says_why_it_cannot() -> None:
    """A taken address is one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start("serve", "--address", f"127.0.0.1:{taken.getsockname()[1]}")
        _, stderr = server.communicate(timeout=60)
    assert server.returncode == 1
    assert stderr.decode().splitlines()[-1].startswith("error: cannot listen on")
