"""Workers that are processes: what a decoder does to one of them costs one request."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from services.compressor.errors import ERRORS, OverloadedImageError, WorkerDiedError
from services.compressor.jobs import JOBS
from services.compressor.workers import child
from services.compressor.workers.base import Limits, Workers

logger = logging.getLogger(__name__)

_LOADED, _PREPARED = "services.compressor.workers.loaded", "services.compressor.workers.prepared"
_KNOWN_ERRORS = {error.__name__: error for error in ERRORS}
_END_S = 5.0
_START_S = 10.0  # in which a process that others are forked from may take its leave
_PAUSE_S = 0.05


class ProcessWorkers(Workers):
    """Processes, forked from one that has the libraries loaded and no threads.

    One that dies, or that is killed since its caller left or its time is up, is replaced for the next job.
    """

    def __init__(self, count: int, limits: Limits, **queue: Any) -> None:
        """See `Workers`."""
        super().__init__(count, limits, **queue)
        self._ending = threading.Event()
        self._workers = [_Worker(limits, self._ending) for _ in range(count)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._jobs: set[Future[bytes]] = set()
        # Each waits for a process, with the GIL released; the next job is the thread's own to take.
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="compressor")

    @property
    def busy(self) -> int:
        """See `Workers.busy`."""
        return min(self.count, len(self._jobs))

    async def start(self, *, prepare: bool) -> None:
        """Starts the processes; the first one waits until the codecs are loaded."""
        multiprocessing.get_context("forkserver").set_forkserver_preload([_PREPARED if prepare else _LOADED])
        loop = asyncio.get_running_loop()
        try:
            for worker in self._workers:
                await loop.run_in_executor(self._threads, worker.ensure_alive)
                self._idle.put(worker)
        except asyncio.CancelledError:
            self._ending.set()  # first, lest the worker that waits for the template starts another
            _kill_template()
            raise
        if prepare:
            await self.work("prepare", JOBS["prepare"][1]())

    def stop(self) -> None:
        """Ends the processes."""
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.end()

    async def work(self, job: str, request: Any) -> Any:
        """See `Workers.work`."""
        exchange = _Exchange(job, request)
        running = self._threads.submit(exchange.run, self._idle)
        self._jobs.add(running)
        running.add_done_callback(self._jobs.discard)
        try:
            answer = await asyncio.wrap_future(running)  # cancelled, it is never begun
        except asyncio.CancelledError:
            exchange.call_off()
            raise
        except WorkerDiedError:
            self.deaths += 1
            raise
        if answer[:1] == child.DONE:
            kind = JOBS[job][2]
            return answer[1:] if issubclass(kind, bytes) else kind.FromString(answer[1:])
        raise _error(answer[1:].decode(errors="replace"))


class _Exchange:
    """A job and its answer, which may be called off."""

    def __init__(self, job: str, request: Any) -> None:
        self._job = job
        self._request = request
        self._worker: _Worker | None = None
        self._is_off = False
        self._lock = threading.Lock()

    def run(self, idle: SimpleQueue[_Worker]) -> bytes:
        """Lets an idle worker do it; on a thread, of which there are as many as workers."""
        worker = idle.get()
        try:
            with self._lock:
                if self._is_off:
                    return b""
                self._worker = worker
            return worker.exchange(self._job, self._request)
        finally:
            with self._lock:
                self._worker = None
            idle.put(worker)

    def call_off(self) -> None:
        """Ends the process that works on it, if one does."""
        with self._lock:
            self._is_off = True
            if self._worker:
                self._worker.kill()


class _Worker:
    """One process at a time."""

    def __init__(self, limits: Limits, ending: threading.Event) -> None:
        self._limits = limits
        self._ending = ending
        self._process: Any = None
        self._connection: Connection | None = None
        self._is_killed = False  # it may seem alive for a moment

    def ensure_alive(self) -> Connection:
        """Starts a process where there is none; returns the way to it."""
        # An idle process says nothing: what can be read is its end. It outlives the one that it was forked
        # from, whose place another takes, which is long in loading, before it is needed.
        if self._connection is not None and not self._is_killed and not self._connection.poll():
            with suppress(OSError):
                forkserver.ensure_running()
            return self._connection
        self.bury()
        end_s = time.monotonic() + _START_S
        while True:
            try:
                return self._start()
            except (EOFError, OSError) as error:  # what it is forked from ends in this moment
                if self._ending.wait(_PAUSE_S) or time.monotonic() > end_s:
                    raise WorkerDiedError(f"no process for the image could be started: {error}") from error

    def _start(self) -> Connection:
        context = multiprocessing.get_context("forkserver")
        outer, inner = context.Pipe()
        limits = self._limits
        process = context.Process(
            target=child.work, args=(inner, limits.max_pixels, limits.memory_bytes), daemon=True
        )
        try:
            process.start()
        except BaseException:
            outer.close()
            raise
        finally:
            inner.close()
        self._process, self._connection = process, outer
        return outer

    def exchange(self, job: str, request: Any) -> bytes:
        """Sends a job and returns its answer; on a thread.

        Raises:
            OverloadedImageError: The work takes longer than it may.
            WorkerDiedError: The process ended.
        """
        limit_s = self._limits.max_seconds
        data: bytes = request.SerializeToString()
        connection = self.ensure_alive()
        try:
            connection.send_bytes(job.encode())
            connection.send_bytes(data)
            if limit_s and not connection.poll(limit_s):
                self.kill()
                self.bury()
                raise OverloadedImageError(
                    f"the work took more than {limit_s:g} s, the most that a request may take"
                )
            return connection.recv_bytes()
        except (EOFError, OSError):
            reason = self.bury()
            logger.warning("a worker ended in a %s of %d bytes: %s", job, len(data), reason)
            raise WorkerDiedError(
                f"the image ended the process that worked on it ({reason}): it is broken in a way that a "
                "decoder cannot take, or needs too much memory"
            ) from None

    def kill(self) -> None:
        """Ends the process in the middle of its work."""
        if self._process is not None:
            self._is_killed = True
            self._process.kill()

    def bury(self) -> str:
        """Frees what is left of a process that ended; returns why it did."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        self._is_killed = False
        if connection is not None:
            connection.close()
        if process is None:
            return ""
        process.join(_END_S)
        code = process.exitcode
        process.close() if code is not None else process.kill()
        return f"signal {-code}" if code and code < 0 else f"exit status {code}"

    def end(self) -> None:
        """Ends the process, which does nothing."""
        if self._connection is not None:
            self._connection.close()  # it reads the end of its jobs
        if self._process is not None:
            self._process.join(_END_S)
            self._process.kill()
        self._process = self._connection = None


def _kill_template() -> None:
    """Ends the process that workers are forked from: while it compiles, for a minute, it hears nothing."""
    template: Any = forkserver._forkserver  # pyright: ignore - there is no public way
    if pid := getattr(template, "_forkserver_pid", None):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _error(told: str) -> Exception:
    """Returns the error that a process told by its class and words."""
    name, _, message = told.partition("\n")
    for base in _KNOWN_ERRORS.values():
        for kind in (base, *_derived(base)):
            if kind.__name__ == name:
                error = kind.__new__(kind, message)  # whatever its own arguments are
                error.args = (message,)
                return error
    return RuntimeError(f"a worker failed: {told}")


def _derived(kind: type[Exception]) -> list[type[Exception]]:
    direct = kind.__subclasses__()
    return [*direct, *(deeper for one in direct for deeper in _derived(one))]
