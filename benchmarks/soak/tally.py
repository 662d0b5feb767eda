"""What happened, by minute."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc

from client.errors import GanpressError, ServiceError

Code = grpc.StatusCode
_WORKER_ENDED = "ended the process that worked on it"


class WrongAnswerError(Exception):
    """An answer that is not what was asked for."""


class Tally:
    """Durations and outcomes of the calls of each kind."""

    def __init__(self) -> None:
        """Starts empty, now."""
        self._begun_s = time.monotonic()
        self.durations_s: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """By kind of call: seconds since the start, and how long a call that ended well took."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Calls by kind and status."""
        self.unexpected: list[str] = []
        """What nobody injected, a line each."""
        self.killed = 0
        """Workers that were killed, each of which may cost one request."""
        self.lost = 0
        """Requests that ended with the worker that had them."""

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun_s

    @asynccontextmanager
    async def call(self, kind: str, *expected: grpc.StatusCode) -> AsyncGenerator[None]:
        """Counts a call; a status that is not expected is noted, and swallowed like the others."""
        begun_s = time.perf_counter()
        try:
            yield
        except (GanpressError, grpc.aio.AioRpcError, WrongAnswerError) as error:
            code = _code(error)
            self.outcomes[kind, code.name if code else type(error).__name__] += 1
            if code is Code.INTERNAL and _WORKER_ENDED in str(error) and self.lost < self.killed:
                self.lost += 1
            elif code not in expected:
                self.unexpected.append(f"{self.now_s:.0f} s, {kind}: {code and code.name}: {error}"[:300])
        else:
            self.outcomes[kind, "OK"] += 1
            self.durations_s[kind].append((self.now_s, time.perf_counter() - begun_s))

    def quantile_ms(self, kind: str, share: float, start_s: float, stop_s: float) -> float:
        """Returns a quantile of the durations in a part of the time; NaN without calls."""
        took = sorted(took for at, took in self.durations_s[kind] if start_s <= at < stop_s)
        return 1e3 * took[min(len(took) - 1, int(share * len(took)))] if took else float("nan")


def _code(error: Exception) -> grpc.StatusCode | None:
    match error:
        case ServiceError():
            return error.code
        case grpc.aio.AioRpcError():
            return error.code()
        case _:
            return None
