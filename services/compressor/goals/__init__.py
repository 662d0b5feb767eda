"""Goals instead of settings: the best file under a size, or the smallest above a quality.

>>> import numpy as np
>>> from services.compressor.codecs import get_codec
>>> from services.compressor.goals import Goal, Subject, search
>>> image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
>>> found = search(Subject.of(image), get_codec("jpeg"), Goal("bytes", 2000))
>>> len(found.data) <= 2000 and found.encodes <= 9
True
"""

from services.compressor.goals.automatic import DEFAULT_CANDIDATES, Candidate, Choice, choose
from services.compressor.goals.goal import Goal, GoalError, GoalKind, UnreachableGoalError
from services.compressor.goals.search import MAX_ENCODES, Found, search
from services.compressor.goals.settings import Setting, setting_of
from services.compressor.goals.subject import Judge, Subject

__all__ = [
    "DEFAULT_CANDIDATES",
    "MAX_ENCODES",
    "Candidate",
    "Choice",
    "Found",
    "Goal",
    "GoalError",
    "GoalKind",
    "Judge",
    "Setting",
    "Subject",
    "UnreachableGoalError",
    "choose",
    "search",
    "setting_of",
]
