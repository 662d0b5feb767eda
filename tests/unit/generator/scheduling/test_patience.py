"""Patience: company is waited for only where it is likely to come and worth it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.generator.scheduling.patience import Patience

BATCHES = st.lists(st.tuples(st.integers(1, 64), st.integers(1, 32), st.floats(1e-4, 10)), max_size=20)


def loaded(max_delay_s: float = 1.0) -> Patience:
    """Eight callers of one image each have kept two threads busy for a while: 10 ms an image."""
    patience = Patience(32, 2, max_delay_s)
    for _ in range(50):
        patience.note(8, 4, 0.04)
    return patience


def test_under_load_the_usual_share_is_waited_for():
    """Less than a third of the load waits for an eighth of the time that a third takes; a third does not."""
    patience = loaded()
    assert 0.003 < patience.left_s(waiting=1, waited_s=0, running=3) < 0.004
    assert 0.001 < patience.left_s(waiting=2, waited_s=0.002, running=3) < 0.002
    assert patience.left_s(waiting=1, waited_s=0.01, running=3) < 0
    assert patience.left_s(waiting=3, waited_s=0, running=3) == 0


def test_nobody_waits_for_callers_that_there_are_not():
    """When the whole of the usual load waits or is computed, what waits is taken."""
    assert loaded().left_s(waiting=2, waited_s=0, running=5) > 0
    assert loaded().left_s(waiting=2, waited_s=0, running=6) == 0


def test_a_batch_is_the_share_of_a_thread_with_one_more_on_its_way():
    """Eight items make batches of three on two threads, more items larger ones, up to the largest."""
    patience = loaded()
    assert [patience.share(under_way) for under_way in (1, 8, 9, 10, 96, 1000)] == [3, 3, 3, 4, 32, 32]


def test_the_limit_holds():
    """No wait is longer than the setting; a setting of 0 means none."""
    assert loaded(0.001).left_s(waiting=1, waited_s=0, running=1) == 0.001
    assert loaded(0.0).left_s(waiting=1, waited_s=0, running=1) == 0


def test_load_is_forgotten():
    """When the callers are gone, one that is left waits for nobody."""
    patience = loaded()
    for _ in range(20):
        patience.note(1, 1, 0.01)
    assert patience.left_s(waiting=1, waited_s=0, running=1) == 0


@given(batches=BATCHES, waiting=st.integers(1, 64), max_delay_s=st.floats(0, 10))
def test_an_idle_lane_never_waits(batches, waiting, max_delay_s):
    """Whatever was before: where nothing runs, what waits is taken at once."""
    patience = Patience(32, 2, max_delay_s)
    for batch in batches:
        patience.note(*batch)
    assert patience.left_s(waiting, 0, running=0) == 0


@given(batches=BATCHES, waiting=st.integers(1, 64), waited_s=st.floats(0, 20), max_delay_s=st.floats(0, 10))
def test_a_wait_ends(batches, waiting, waited_s, max_delay_s):
    """Nobody waits longer than the setting, nor for more than a full batch, and a batch is never empty."""
    patience = Patience(32, 2, max_delay_s)
    for batch in batches:
        patience.note(*batch)
    left_s = patience.left_s(waiting, waited_s, running=1)
    assert left_s + waited_s <= max(max_delay_s, waited_s) + 1e-9
    assert waiting < 32 or left_s <= 0
    assert 1 <= patience.share(waiting) <= 32
