"""The command line, run in this process with real files for stdin, stdout and stderr."""

from __future__ import annotations

import io
import signal
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from unittest import mock

from client.cli import main


@dataclass(frozen=True)
class Result:
    """What a command did."""

    exit_code: int
    stdout: bytes
    stderr: str


def run_cli(*arguments: object, stdin: bytes = b"") -> Result:
    """Runs `client ARGUMENTS` with `stdin` and returns what came out."""
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(tempfile.TemporaryFile("w+")) for name in ("stdin", "stdout", "stderr")
        }
        files["stdin"].buffer.write(stdin)
        files["stdin"].seek(0)
        for name, file in files.items():
            stack.enter_context(mock.patch.object(sys, name, file))
        stack.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            exit_code = int(end.code or 0)
        for name in ("stdout", "stderr"):
            files[name].flush()
            files[name].seek(0)
        return Result(exit_code, files["stdout"].buffer.read(), files["stderr"].buffer.read().decode())


def make_tar(files: Mapping[str, bytes]) -> bytes:
    """Returns a tar with these files, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def read_tar(data: bytes) -> dict[str, bytes]:
    """Returns the files in a tar by name, in their order."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
