"""What the generator's library raises; every message is one sentence for a user.

GeneratorError
├── RequestError               a label, count, seed or truncation is not acceptable
├── UnknownModelError          no such model or version
├── CorruptModelError          a model's files are not what its card says
│   └── IncompleteModelError   they are not so yet: they may still be being copied
├── RepositoryError            the model repository cannot be read
├── ModelControlError          clients may not load and unload models
├── OutOfMemoryError           there is no memory for an image
├── DeviceError                the device that has to compute cannot be used
├── MissingRuntimeError        the package that shall compute is not installed
└── NoModelsError              there is nothing to serve
"""

from __future__ import annotations


class GeneratorError(Exception):
    """Base class."""


class RequestError(GeneratorError):
    """A label, count, seed or truncation is not acceptable."""


class UnknownModelError(GeneratorError):
    """There is no such model or version; the message lists those that exist."""


class CorruptModelError(GeneratorError):
    """A model's files are not what its card says; the message names file and reason."""


class IncompleteModelError(CorruptModelError):
    """A model's files are not what its card says, as if they were still being copied: try again later."""


class RepositoryError(GeneratorError):
    """The model repository, or the cache of its files, cannot be used; the message says where and why."""


class ModelControlError(GeneratorError):
    """Clients may not load and unload models; the message names the setting."""


class OutOfMemoryError(GeneratorError):
    """There is no memory for an image."""

    retry_after_s = 1.0
    """Seconds after which it may be worth trying again."""


class DeviceError(GeneratorError):
    """The device that has to compute cannot be used; the message says why, and names the setting."""


class MissingRuntimeError(GeneratorError):
    """The package that shall compute, or quantize, is not installed; the message says how to get it."""


class NoModelsError(GeneratorError):
    """There is no model to serve; the message says where they were looked for."""
