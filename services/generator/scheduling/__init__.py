"""Batches across requests: a pure library of threads, lanes and jobs.

A `Scheduler` has threads that compute. A `Lane` is the queue of one function, such as a model's; requests
become `Job`s in it, whose items share batches. A free thread takes what waits, so an idle server answers at
once and a loaded one fills its batches; a large request is split over the threads.
"""

from services.generator.scheduling.errors import (
    ClosedError,
    QueueFullError,
    QueueTimeoutError,
    SchedulingError,
)
from services.generator.scheduling.job import Job
from services.generator.scheduling.lane import Batch, Lane, LaneOptions, Piece
from services.generator.scheduling.threads import Scheduler
from services.generator.scheduling.times import BatchTimes, Observer, Outcome, RequestTimes

__all__ = [
    "Batch",
    "BatchTimes",
    "ClosedError",
    "Job",
    "Lane",
    "LaneOptions",
    "Observer",
    "Outcome",
    "Piece",
    "QueueFullError",
    "QueueTimeoutError",
    "RequestTimes",
    "Scheduler",
    "SchedulingError",
]
