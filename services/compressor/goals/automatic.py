"""The codec that is best at a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.compressor.codecs import Codec, UnsupportedImageError, get_codec
from services.compressor.goals.goal import Goal, GoalError, UnreachableGoalError
from services.compressor.goals.search import Found, search
from services.compressor.goals.subject import Judge, Subject

DEFAULT_CANDIDATES = ("avif", "dct", "jpeg", "jpeg2000", "kmeans", "png", "webp")
"""What is tried unless told otherwise."""


@dataclass(frozen=True)
class Candidate:
    """What one codec reached."""

    codec_id: str
    """The codec."""
    found: Found | None
    """Its file at the goal; None when it did not reach it."""
    judged: float | None
    """Quality of the file by what decides; None when quality is the goal."""
    error: str
    """Why there is no file, one sentence."""
    encodes: int
    """Files written."""


@dataclass(frozen=True)
class Choice:
    """The best of several codecs."""

    found: Found
    """The file."""
    candidates: tuple[Candidate, ...]
    """What each codec reached, in the order given."""
    judged_by: Judge | None
    """What decided; None when quality is the goal, where the size decides."""


def choose(subject: Subject, goal: Goal, codecs: Sequence[Codec] = (), judge: Judge | None = None) -> Choice:
    """Tries several codecs and returns the best at the goal.

    Under a size the one of the highest quality is best, above a quality the one of the smallest file.

    Args:
        subject: What to compress.
        goal: The limit.
        codecs: The codecs to try, each a given number of times at most; empty: DEFAULT_CANDIDATES.
        judge: What decides under a size; None: SSIMULACRA2 where the image has it, else PSNR.

    Raises:
        UnreachableGoalError: None of them reaches the goal; the message tells why of each.
        GoalError: The image does not have what the goal, or the judge, is about.
    """
    judged_by = (judge or subject.best_judge()) if goal.is_size else None
    tried = codecs or tuple(get_codec(codec_id) for codec_id in DEFAULT_CANDIDATES)
    candidates = tuple(_tried(subject, codec, goal, judged_by) for codec in tried)
    reached = [(candidate, found) for candidate in candidates if (found := candidate.found)]
    if not reached:
        reasons = "; ".join(candidate.error for candidate in candidates)
        raise UnreachableGoalError(
            f"no codec reaches {goal.in_words(goal.target)} with this image: {reasons}"
        )
    _, best = max(reached, key=lambda pair: (pair[0].judged or 0.0, -len(pair[1].data)))
    return Choice(best, candidates, judged_by)


def _tried(subject: Subject, codec: Codec, goal: Goal, judged_by: Judge | None) -> Candidate:
    try:
        found = search(subject, codec, goal)
    except GoalError:
        raise
    except (UnreachableGoalError, UnsupportedImageError) as error:
        return Candidate(codec.id, None, None, str(error), getattr(error, "encodes", 0))
    judged = None if judged_by is None else subject.quality(judged_by, found.codec, found.data)
    return Candidate(codec.id, found, judged, "", found.encodes)
