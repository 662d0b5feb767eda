"""How much a caller may ask for: rates by token buckets, calls by counting them.

Plain numbers over a monotonic clock, so a machine whose wall clock jumps changes nothing. Belongs to one
event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from services.common.access.errors import QuotaError

_BURST_S = 1.0  # of the rate, that an idle caller may take at once
_CALL_RETRY_S = 0.1


@dataclass(frozen=True)
class Allowance:
    """What a caller may ask for; 0 means no limit."""

    images_per_s: float = 0.0
    """Images a second, over any longer time."""
    megapixels_per_s: float = 0.0
    """Millions of pixels a second, over any longer time."""
    max_calls: int = 0
    """Calls under way at the same time."""


class Bucket:
    """A rate. It is spent ahead: whoever is not in debt may spend any amount, and then waits it off.

    So one large request passes as soon as many small ones would, and the mean is kept exactly.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the amount a second, above 0; begins with a second's worth."""
        self._rate = rate
        self._clock = clock
        self._balance = rate * _BURST_S
        self._at_s = clock()

    def debt_s(self) -> float:
        """Returns the seconds until something may be spent; 0: now."""
        now = self._clock()
        self._balance = min(self._rate * _BURST_S, self._balance + self._rate * (now - self._at_s))
        self._at_s = now
        return max(0.0, -self._balance / self._rate)

    def spend(self, amount: float) -> None:
        """Takes an amount, whatever the balance is."""
        self._balance -= amount


class Quota:
    """What one caller has asked for, held against its allowance."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts unused."""
        self.allowance = allowance
        self.calls = 0
        """Calls under way."""
        rates = {"images": allowance.images_per_s, "megapixels": allowance.megapixels_per_s}
        self._buckets = {name: Bucket(rate, clock) for name, rate in rates.items() if rate}

    def spend(self, images: int, pixels: int) -> None:
        """Takes images with so many pixels in all.

        Raises:
            QuotaError: More was taken lately than the allowance gives; nothing is taken then.
        """
        for name, bucket in self._buckets.items():
            if debt_s := bucket.debt_s():
                rate = getattr(self.allowance, f"{name}_per_s")
                raise QuotaError(
                    f"the allowance of {rate:g} {name} a second is used up: try again in {debt_s:.1f} s",
                    debt_s,
                )
        self.note(images, pixels)

    def note(self, images: int, pixels: int) -> None:
        """Takes images with so many pixels in all that are already made."""
        for name, amount in (("images", images), ("megapixels", pixels / 1e6)):
            if bucket := self._buckets.get(name):
                bucket.spend(amount)

    async def pace(self, images: int, pixels: int) -> None:
        """Takes images with so many pixels in all, once the allowance has room for them."""
        # It is time that is waited for, and others of the same caller may have spent meanwhile.
        while wait_s := self._debt_s():  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        self.note(images, pixels)

    @contextmanager
    def call(self) -> Generator[None]:
        """Counts a call while the context lasts.

        Raises:
            QuotaError: As many calls as may be are under way.
        """
        most = self.allowance.max_calls
        if most and self.calls >= most:
            raise QuotaError(
                f"{self.calls} calls of this caller are under way, and no more than {most} may be: wait for "
                "one to end",
                _CALL_RETRY_S,
            )
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    def _debt_s(self) -> float:
        return max((bucket.debt_s() for bucket in self._buckets.values()), default=0.0)
