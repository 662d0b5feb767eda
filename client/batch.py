"""What the commands that turn images into images share: samples in, outcomes out, failures told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from client.background import in_background
from client.report import Report
from client.samples import Sample, Source


class Batch:
    """Samples on their way: taken from the source, under way until their outcome comes."""

    def __init__(self, source: Source, report: Report, is_done: Callable[[Sample], bool] | None) -> None:
        """Takes what is read, what is told, and what says that a sample was done by an earlier run."""
        self._source = source
        self._report = report
        self._is_done = is_done
        self._under_way: dict[str, Sample] = {}

    async def samples(self) -> AsyncIterator[Sample]:
        """Yields what there is to do; the rest is reported."""
        async for item in in_background(self._source):
            if not isinstance(item, Sample):
                self._report.fail(item.name, item.reason)
            elif self._is_done and await asyncio.to_thread(self._is_done, item):
                self._report.left_out(item)
            else:
                self._under_way[item.key] = item
                yield item

    def take(self, key: str) -> Sample:
        """Returns the sample of a key; its outcome is here."""
        return self._under_way.pop(key)
