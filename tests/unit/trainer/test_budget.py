"""The end of a run, and where its time goes."""

import math

import pytest

from trainer.budget import Budget
from trainer.config import Config
from trainer.meter import Stopwatch


def test_the_earlier_end_holds() -> None:
    """The share that is spent is the larger of steps and time, and never exceeds 1."""
    both = Budget(100, 60.0)
    assert both.share(50, 15.0) == 0.5
    assert both.share(10, 45.0) == 0.75
    assert both.share(99, 61.0) == 1
    assert both.share(100, 0.0) == 1


def test_a_budget_of_one_kind() -> None:
    """Epochs alone know no time and minutes alone no steps; epochs are rounded up to whole steps."""
    steps = Budget.of(Config(epochs=2.5), 7)
    assert (steps.total_steps, steps.seconds) == (18, None)
    assert steps.share(9, 1e9) == 0.5
    time = Budget.of(Config(epochs=0.0, minutes=2.0), 7)
    assert (time.total_steps, time.seconds) == (None, 120)
    assert time.share(10**9, 30.0) == 0.25
    assert Budget.of(Config(epochs=0.01), 7).total_steps == 1


def test_the_time_left_is_that_to_the_earlier_end() -> None:
    """The estimate follows the pace of the steps, and the clock where that ends first."""
    both = Budget(100, 60.0)
    assert both.seconds_left(40, 10.0, 0.5) == 30
    assert both.seconds_left(40, 10.0, 5.0) == 50
    assert both.seconds_left(100, 61.0, 5.0) == 0
    assert Budget(None, 60.0).seconds_left(40, 10.0, 5.0) == 50


def test_a_stopwatch_continues_and_stands_still() -> None:
    """Time is counted from what was there before, only between start and stop, and its shares add up."""
    watch = Stopwatch(100.0)
    assert watch.elapsed_s == 100
    watch.start()
    with watch.step(), watch.data():
        math.factorial(20_000)
    seconds, data, other = watch.lap()
    watch.stop()
    stopped = watch.elapsed_s
    assert stopped == watch.elapsed_s > 100
    assert seconds > 0
    assert 0 < data <= 1
    assert data + other == pytest.approx(1, abs=0.2)
