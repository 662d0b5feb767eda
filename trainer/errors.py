"""What the trainer raises on purpose; every message is one sentence or two for the user.

TrainerError
├── ConfigError    a setting is unknown or out of range
├── SourceError    the data cannot be found, read or used
├── RunError       a run folder cannot be used
├── DivergedError  a loss or weight is no longer a finite number
└── ExportError    the exported model is not the trained one

Each class is defined where it is raised.
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of all errors that the trainer raises on purpose."""
