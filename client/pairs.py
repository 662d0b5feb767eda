"""Two inputs side by side: images of the same key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from client.samples import Rejected, Sample, Source


@dataclass(frozen=True)
class Pair:
    """An image and what became of it."""

    original: Sample
    """The first input's."""
    result: Sample
    """The second input's, of the same key."""


def pairs(originals: Source, results: Source) -> Iterator[Pair | Rejected]:
    """Yields images of the same key, and what has no partner or cannot be read.

    Both inputs are read side by side: in the same order they are never held whole, in another order those
    that wait for their partners are. Two lone images are a pair whatever their names.
    """
    if not originals.is_stream and not results.is_stream:
        yield from _lone(originals, results)
        return
    waiting: tuple[dict[str, Sample], dict[str, Sample]] = {}, {}
    sides = (iter(originals), iter(results))
    is_over = [False, False]
    while not all(is_over):
        for side in (0, 1):
            item = None if is_over[side] else next(sides[side], None)
            if item is None:
                is_over[side] = True
            elif isinstance(item, Rejected):
                yield item
            elif partner := waiting[1 - side].pop(item.key, None):
                yield Pair(item, partner) if side == 0 else Pair(partner, item)
            else:
                waiting[side][item.key] = item
    for side, other in ((0, "second"), (1, "first")):
        for sample in waiting[side].values():
            yield Rejected(sample.name, f"there is no {sample.key!r} in the {other} input")


def _lone(originals: Source, results: Source) -> Iterator[Pair | Rejected]:
    for original, result in zip(originals, results, strict=False):
        if isinstance(original, Rejected):
            yield original
        elif isinstance(result, Rejected):
            yield result
        else:
            yield Pair(original, result)
