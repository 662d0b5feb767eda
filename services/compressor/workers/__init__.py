"""Who does the jobs: threads of the server, or processes that may die without harm."""

from services.compressor.workers.base import Limits, Workers
from services.compressor.workers.processes import ProcessWorkers
from services.compressor.workers.threads import ThreadWorkers

__all__ = ["Limits", "ProcessWorkers", "ThreadWorkers", "Workers"]
