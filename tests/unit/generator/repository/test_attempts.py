"""When a version that could not be loaded is tried again."""

from __future__ import annotations

import pytest

from services.generator.errors import CorruptModelError, IncompleteModelError, RepositoryError
from services.generator.repository import Entry
from services.generator.repository.attempts import Attempts

SAME, OTHER = Entry("cars", 1, "same"), Entry("cars", 1, "other")
KEY = ("cars", 1)


class Clock:
    """A clock that is set."""

    now_s = 0.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now_s


@pytest.mark.parametrize("error", [IncompleteModelError("a"), RepositoryError("a"), MemoryError("a")])
def test_what_may_pass_is_tried_again(error):
    """Unchanged files are tried again after 10 s, then 20, 40, ... up to five minutes."""
    clock = Clock()
    attempts = Attempts(10, clock)
    assert attempts.is_due(SAME)
    for delay_s in (10, 20, 40, 80, 160, 300, 300):
        attempts.failed(SAME, error)
        clock.now_s += delay_s - 1
        assert not attempts.is_due(SAME)
        clock.now_s += 1
        assert attempts.is_due(SAME)


def test_what_is_corrupt_is_tried_once():
    """Unchanged corrupt files stay corrupt; changed ones are tried at once."""
    clock = Clock()
    attempts = Attempts(10, clock)
    attempts.failed(SAME, CorruptModelError("a"))
    clock.now_s = 1e9
    assert not attempts.is_due(SAME)
    assert attempts.is_due(OTHER)


def test_news():
    """The same reason is no news; what is incomplete stays so whatever is missing of it."""
    attempts = Attempts(10)
    assert attempts.failed(SAME, IncompleteModelError("1 byte"))
    assert not attempts.failed(OTHER, IncompleteModelError("2 bytes"))
    assert attempts.reason(KEY) == "2 bytes"
    assert attempts.failed(OTHER, CorruptModelError("a"))
    assert not attempts.failed(SAME, CorruptModelError("a"))
    assert attempts.failed(SAME, CorruptModelError("b"))


def test_forgetting():
    """A version that was loaded, or is gone, has no failures."""
    attempts = Attempts(10)
    attempts.failed(SAME, CorruptModelError("a"))
    attempts.keep_only([KEY])
    assert attempts.reason(KEY) == "a"
    attempts.succeeded(SAME)
    assert attempts.reason(KEY) == ""
    attempts.failed(SAME, MemoryError())
    assert attempts.reason(KEY) == "MemoryError"
    attempts.keep_only([])
    assert attempts.is_due(SAME)
