"""The results of the 2022 study that GanPress started from, to stand beside ours.

The study compressed one 640x480 JPEG photograph of a car (155.97 KB, 155 KB where it speaks of DCT and
k-means) and one 664x331 picture of generated images in a grid (60.82 KB).
"""

from __future__ import annotations

from dataclasses import dataclass

from client.experiment.pictures import SourceName


@dataclass(frozen=True)
class StudyRow:
    """One row of the study's tables of compression; 1 KB is 1024 bytes."""

    source: SourceName
    """Which image it was."""
    codec: str
    """Our codec of the same technique."""
    setting: str
    """Our name of the same setting."""
    before_kb: float
    """Size before."""
    after_kb: float
    """Size after."""
    smaller_by: str
    """Reduction as the study prints it."""


STUDY = (
    StudyRow("real", "dct", "threshold=0.01", 155.0, 60.6, "60.903 %"),
    StudyRow("real", "dct", "threshold=0.02", 155.0, 43.5, "71.936 %"),
    StudyRow("real", "dct", "threshold=0.03", 155.0, 35.7, "76.968 %"),
    StudyRow("real", "kmeans", "k=64", 155.0, 90.0, "about 42 %"),
    StudyRow("real", "jpeg", "quality=90", 155.97, 76.97, "50.65 %"),
    StudyRow("real", "jpeg", "quality=85", 155.97, 60.30, "61.34 %"),
    StudyRow("generated", "jpeg", "quality=85", 60.82, 56.04, "7.86 %"),
)
