"""The fair queue: priorities first, callers in equal parts, requests of a caller in turn."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.generator.scheduling.queue import FairQueue


@dataclass(eq=False)
class Request:
    """A request as the queue sees it."""

    caller: str
    ready: int
    priority: int = 0


def take(queue: FairQueue[Request], limit: int) -> list[tuple[Request, int]]:
    """Takes items and lowers `ready`, as a lane does."""
    taken = queue.take(limit)
    for request, count in taken:
        request.ready -= count
    return taken


def queue_of(*requests: Request) -> FairQueue[Request]:
    """A queue into which the requests were pushed in this order."""
    queue: FairQueue[Request] = FairQueue()
    for request in requests:
        queue.push(request)
    return queue


REQUESTS = st.lists(
    st.builds(Request, caller=st.sampled_from("abc"), ready=st.integers(1, 20), priority=st.integers(0, 2)),
    max_size=8,
)


@given(requests=REQUESTS, limits=st.lists(st.integers(1, 12), max_size=10))
def test_everything_is_taken_once(requests, limits):
    """Every item is taken once; a take has as many as its limit while there are as many."""
    queue = queue_of(*requests)
    for limit in [*limits, 1000]:
        before = sum(request.ready for request in requests)
        taken = take(queue, limit)
        assert sum(count for _, count in taken) == min(limit, before)
        assert all(count >= 1 for _, count in taken)
        assert all(request.ready >= 0 for request in requests)
        assert all((request in queue) == (request.ready > 0) for request in requests)
    assert queue.take(1) == []


@given(requests=REQUESTS, limit=st.integers(1, 40))
def test_priorities_are_strict(requests, limit):
    """Nothing of a lower rank is taken while anything of a higher one waits."""
    taken = take(queue_of(*requests), limit)
    lowest = max((request.priority for request, _ in taken), default=0)
    assert all(request.ready == 0 for request in requests if request.priority < lowest)


@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=5),
    limits=st.lists(st.integers(1, 9), min_size=1, max_size=30),
)
def test_callers_get_equal_parts(counts, limits):
    """Callers that always have items get as many, within one take, however many requests each has."""
    requests = [
        Request(f"caller {number}", 10_000) for number, count in enumerate(counts) for _ in range(count)
    ]
    queue = queue_of(*requests)
    got = dict.fromkeys((request.caller for request in requests), 0)
    for limit in limits:
        for request, count in take(queue, limit):
            got[request.caller] += count
    assert max(got.values()) - min(got.values()) <= max(limits)


def test_small_requests_do_not_wait():
    """A small request shares the next take with a large one of the same caller that came first."""
    large, small = Request("a", 100), Request("a", 2)
    assert take(queue_of(large, small), 8) == [(large, 6), (small, 2)]


def test_who_had_a_turn_goes_to_the_end():
    """When there is less than one item for each, those left out come first next time."""
    requests = [Request(name, 5) for name in "abc"]
    queue = queue_of(*requests)
    names = [[request.caller for request, _ in take(queue, 2)] for _ in range(3)]
    assert names == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_discard():
    """A request that left is not taken; leaving twice changes nothing."""
    first, second = Request("a", 1), Request("b", 1)
    queue = queue_of(first, second)
    queue.discard(first)
    queue.discard(first)
    assert first not in queue
    assert take(queue, 5) == [(second, 1)]
