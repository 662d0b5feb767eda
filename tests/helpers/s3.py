"""A server with the API of S3 on this machine, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import s3fs


@contextmanager
def s3_server() -> Generator[str]:
    """Starts moto's server on a free port and yields its URL; what is stored there is gone in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        url = _url(process)
        s3fs.S3FileSystem.clear_instance_cache()  # of clients of an earlier server
        reader = threading.Thread(target=process.stderr.read)  # it logs each request, and waits for a reader
        reader.start()
        yield url
    finally:
        process.kill()
        process.wait()


def s3_environment(url: str) -> dict[str, str]:
    """Returns the variables that lead S3's clients to a server of `s3_server`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    log = ""
    for line in process.stderr:
        log += line
        if found := re.search(r"Running on (http://\S+)", line):
            return found[1]
    raise AssertionError(f"the S3 server did not start:\n{log}")
