"""The inside of a process that does jobs, one at a time, until its parent leaves."""

from __future__ import annotations

import logging
import os
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.common.errors import status_of
from services.common.memory import keep_freed_memory
from services.compressor.errors import ERRORS
from services.compressor.failures import out_of_memory
from services.compressor.jobs import JOBS

DONE, FAILED = b"+", b"-"
"""First byte of an answer: a message follows, or an error's class and words."""

logger = logging.getLogger(__name__)


def work(connection: Connection, max_pixels: int, memory_bytes: int) -> None:
    """Answers jobs: each is its name and its message, each answer one block of bytes.

    Args:
        connection: Where jobs come from and answers go.
        max_pixels: Most pixels of an image.
        memory_bytes: Address space for the jobs, above what the process has now; 0 means no limit.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which lets the jobs end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1, "blas")
    keep_freed_memory()
    _limit_memory(memory_bytes)
    while True:
        try:
            job, data = connection.recv_bytes().decode(), connection.recv_bytes()
        except (EOFError, OSError):
            return
        answer = _answer(job, data, max_pixels)
        del data
        connection.send_bytes(answer)


def _answer(job: str, data: bytes, max_pixels: int) -> bytes:
    do, request_class, _ = JOBS[job]
    request = request_class()
    try:
        request.ParseFromString(data)
        answer = do(request, max_pixels, lambda: None)
        return DONE + (answer if isinstance(answer, bytes) else answer.SerializeToString())
    except MemoryError:
        return _told(out_of_memory())
    except Exception as error:
        if status_of(error, ERRORS) is None:
            logger.exception("%s failed", job)
        return _told(error)


def _told(error: Exception) -> bytes:
    return FAILED + f"{type(error).__name__}\n{error}".encode(errors="replace")


def _limit_memory(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if memory_bytes and statm.exists():
        held_bytes = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most_bytes = held_bytes + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
