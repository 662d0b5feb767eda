"""Search for the setting that comes closest to a goal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.compressor.codecs import Codec
from services.compressor.goals.goal import Goal, GoalError, UnreachableGoalError
from services.compressor.goals.settings import Setting, setting_of
from services.compressor.goals.subject import Subject

MAX_ENCODES = 9
"""Most files written for one goal: enough to bisect 511 settings."""


@dataclass(frozen=True)
class Found:
    """A file within its goal."""

    data: bytes
    """The file."""
    codec: Codec
    """The codec that wrote it, with its setting."""
    setting: str
    """Name of the option that was searched; empty when there was none."""
    value: str
    """Its value, for a reader."""
    reached: float
    """What the file has of what the goal limits."""
    encodes: int
    """Files written, 1 to MAX_ENCODES."""


@dataclass(frozen=True)
class _Try:
    index: int
    codec: Codec
    data: bytes
    reached: float


def search(subject: Subject, codec: Codec, goal: Goal) -> Found:
    """Returns the best file not above a size, or the smallest not below a quality.

    The limit is kept whatever the codec does. That nothing better exists is certain where size and quality
    grow with the setting, as they nearly do. A codec without a setting writes its one file.

    Args:
        subject: What to compress.
        codec: The codec; its setting is overridden, its other options are kept.
        goal: The limit.

    Raises:
        UnreachableGoalError: No setting keeps within the limit; the message tells the closest.
        GoalError: The image does not have what the goal is about.
        CodecError: What the codec raises.
    """
    setting = setting_of(codec)
    if setting is None:
        return _only(subject, codec, goal)
    tries = _bisect(subject, codec, setting, goal)
    met = [one for one in tries if goal.is_met(one.reached)]
    if not met:
        closest = min(tries, key=lambda one: one.reached if goal.is_size else -one.reached)
        raise UnreachableGoalError(
            f"{codec.id} cannot reach {goal.in_words(goal.target)} with this image: the closest is "
            f"{goal.in_words(closest.reached)}, with {setting.name} {setting.text(closest.index)}",
            len(tries),
        )
    best = max(met, key=lambda one: one.index) if goal.is_size else min(met, key=lambda one: len(one.data))
    return Found(
        best.data, best.codec, setting.name, setting.text(best.index), best.reached, encodes=len(tries)
    )


def _only(subject: Subject, codec: Codec, goal: Goal) -> Found:
    subject.go_on()
    data = subject.encode(codec)
    reached = subject.reached(goal, codec, data)
    if not goal.is_met(reached):
        raise UnreachableGoalError(
            f"{codec.id} cannot reach {goal.in_words(goal.target)} with this image: it has no setting to "
            f"change, and its one file has {goal.in_words(reached)}",
            1,
        )
    return Found(data, codec, "", "", reached, encodes=1)


def _bisect(subject: Subject, codec: Codec, setting: Setting, goal: Goal) -> list[_Try]:
    """Returns all files tried; among them, neighbours within and beyond the limit, where both exist."""
    count = len(setting.values)
    if count >= 1 << MAX_ENCODES:
        raise GoalError(f"{codec.id} has {count} values of {setting.name}, too many to search")
    tries: dict[int, _Try] = {}
    low, high = -1, count  # at the one end files are too small or too bad, at the other the opposite
    while high - low > 1:
        index = _next_index(goal, tries.get(low), tries.get(high), low, high, MAX_ENCODES - len(tries))
        subject.go_on()
        chosen = setting.of(codec, index)
        data = subject.encode(chosen)
        tries[index] = _Try(index, chosen, data, subject.reached(goal, chosen, data))
        if goal.is_met(tries[index].reached) == goal.is_size:
            low = index
        else:
            high = index
    return list(tries.values())


def _next_index(goal: Goal, below: _Try | None, above: _Try | None, low: int, high: int, left: int) -> int:
    """Returns where to look between two settings: where a line between them meets the goal, else the middle.

    It is the middle whenever the tries left are needed for bisecting.
    """
    middle = (low + high) // 2
    needed = math.ceil(math.log2(high - low))
    if below is None or above is None or needed >= left:
        return middle
    a, b, target = (_scaled(goal, value) for value in (below.reached, above.reached, goal.target))
    if not all(map(math.isfinite, (a, b, target))) or b <= a:
        return middle
    share = min(max((target - a) / (b - a), 0.0), 1.0)
    # The crossing is between two neighbours, and the one that keeps the limit is wanted first.
    step = math.floor(share * (high - low)) if goal.is_size else math.ceil(share * (high - low))
    return min(max(low + step, low + 1), high - 1)


def _scaled(goal: Goal, value: float) -> float:
    """Returns a value as it grows about evenly with the setting: sizes by their logarithm."""
    return math.log(value) if goal.is_size else value
