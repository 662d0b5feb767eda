"""Imported by the process from which workers are forked: they begin with every codec loaded and compiled."""

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.warm_up import warm_up

with threadpool_limits(1, "blas"):  # a process that is forked from has no threads
    warm_up()
