"""What was read from an image file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.compressor.codecs import Extras, Pixels

ChangeKind = Literal[
    "orientation_applied",
    "profile_converted",
    "profile_dropped",
    "metadata_dropped",
    "frames_dropped",
    "depth_reduced",
    "colors_converted",
    "transparency_flattened",
    "trailing_bytes_dropped",
]


@dataclass(frozen=True)
class Change:
    """Something that was changed or left out."""

    kind: ChangeKind
    """What."""
    text: str
    """One sentence for a reader."""
    is_loss: bool = True
    """Whether something in the file is not in the result."""


@dataclass(frozen=True)
class Picture:
    """An image, or the frames of one."""

    frames: tuple[Pixels, ...]
    """The frames, at least one, all of one size and kind."""
    durations_ms: tuple[int, ...]
    """How long each frame of an animation is shown; empty for a still image."""
    loops: int
    """How often an animation is shown; 0 is for ever."""
    extras: Extras
    """What goes along."""
    format: str
    """Format of the file, such as "jpeg", or the codec of a GanPress file."""
    samples: str
    """Kind of its samples, for a reader."""
    frames_in_file: int
    """Frames or pages that the file holds."""
    changes: tuple[Change, ...]
    """What was changed or left out."""

    @property
    def first(self) -> Pixels:
        """The first frame."""
        return self.frames[0]
