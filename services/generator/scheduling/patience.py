"""How many items make a batch, and how long a free thread waits for them.

Plain numbers: no clock, no threads.
"""

from __future__ import annotations

_SHARE = 1 / 8  # of a batch's time: so much may waiting for company cost
_DECAY = 0.8  # of the load, a batch
_SMOOTHING = 0.2  # of the time that an item takes


class Patience:
    """What a lane learns of its load, and the batches and the waiting that it is worth.

    Callers come back when they have their answers. So the usual load is parted into a batch for each thread
    and one more, which is on its way between the lane and its callers while the others are computed: no
    thread is idle, and who came first is served first. While other batches run, such a share is worth waiting
    for, as long as there are callers left who may come, and only for a small part of the time that it takes
    to compute. Where nothing runs, nobody waits.
    """

    def __init__(self, max_batch_size: int, threads: int, max_delay_s: float) -> None:
        """Takes the largest batch, the number of them that may run, and the longest wait at all."""
        self._max_batch_size = max_batch_size
        self._threads = threads
        self._max_delay_s = max_delay_s
        self.item_s = 0.0
        """Seconds that an item takes, lately."""
        self.load = 0.0
        """Items that waited or ran at the same time, lately."""

    def note(self, under_way: int, items: int, compute_s: float) -> None:
        """Takes note of a batch that ended: the items that waited or ran then, its own, its time."""
        self.load = max(under_way, _DECAY * self.load)
        self.item_s += _SMOOTHING * (compute_s / items - self.item_s)

    def share(self, under_way: int) -> int:
        """Returns the items of a batch while so many items wait or run."""
        return min(self._max_batch_size, int(-(-max(under_way, self.load) // (self._threads + 1))))

    def left_s(self, waiting: int, waited_s: float, running: int) -> float:
        """Returns how long to wait on; 0 or less: take what waits.

        Args:
            waiting: Items that wait.
            waited_s: How long the first of them has.
            running: Items that are being computed.
        """
        if not running or not self._max_delay_s or waiting + running >= self.load:
            return 0.0
        wanted = self.share(waiting + running)
        if waiting >= wanted:
            return 0.0
        return min(self._max_delay_s, _SHARE * wanted * self.item_s) - waited_s
