"""What the generator's library raises; every message is one sentence for a user.

GeneratorError
├── RequestError             a label, count, seed or truncation is not acceptable
├── UnknownModelError        no such model or version
├── CorruptModelError        a model directory does not hold what its card says
└── NoModelsError            there is nothing to serve
"""

from __future__ import annotations


class GeneratorError(Exception):
    """Base class."""


class RequestError(GeneratorError):
    """A label, count, seed or truncation is not acceptable."""


class UnknownModelError(GeneratorError):
    """There is no such model or version; the message lists those that exist."""


class CorruptModelError(GeneratorError):
    """A model directory does not hold what its card says; the message names file and reason."""


class NoModelsError(GeneratorError):
    """There is no model to serve; the message says where they were looked for."""
