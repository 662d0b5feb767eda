"""What fuzzing has found so far, and the seeds that it began with."""

from __future__ import annotations

import pytest

from tests.fuzz.inputs import read_corpus, read_regressions
from tests.fuzz.targets import NAMES, load_target

REGRESSIONS = [(target, name) for target in NAMES for name in read_regressions(target)]


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_corpus(name: str) -> None:
    """No input that is kept makes a parser fail, nor does one with a bit flipped, nor one cut in half."""
    target = load_target(name)
    for data in [*target.seeds(), *read_corpus(name)]:
        target.run(data)
        target.run(data[: len(data) // 2])
        if data:
            place = len(data) * 2 // 3
            target.run(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])


@pytest.mark.parametrize(("target", "name"), REGRESSIONS)
def test_regression(target: str, name: str) -> None:
    """What once made a parser fail does so no more."""
    load_target(target).run(read_regressions(target)[name])
