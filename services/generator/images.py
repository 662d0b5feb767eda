"""Pixels to image files that say where they come from."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from services.common.version import GANPRESS_VERSION

FileFormat = Literal["png", "jpeg", "webp"]
DEFAULT_QUALITY = 90


@dataclass(frozen=True)
class Provenance:
    """What names an image: the same digest, label, seed and truncation give the same pixels."""

    model: str
    """Model name."""
    version: int
    """Model version."""
    digest: str
    """Digest of the model."""
    label: str
    """Label; empty for an unconditional model and for a mix."""
    seed: int
    """Seed of this image alone; of an image on the way between two, the first one."""
    truncation: float
    """Factor on the latent vector."""
    label_mix: Mapping[str, float] = field(default_factory=dict[str, float])
    """Share of each label in a mix, in place of one label."""
    to_seed: int | None = None
    """The other seed, of an image on the way between two."""
    position: float | None = None
    """How far on that way, 0..1."""

    def items(self) -> dict[str, Any]:
        """Returns the fields by name, without those that say nothing of this image."""
        every = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in every.items() if value is not None and value != {}}


def encode_image(
    pixels: NDArray[np.uint8],
    provenance: Provenance,
    file_format: FileFormat = "png",
    quality: int = DEFAULT_QUALITY,
) -> bytes:
    """Returns an image file with the provenance inside; the same input gives the same bytes.

    Args:
        pixels: uint8 [H, W, C], C is 1 or 3.
        provenance: What names the image. A PNG has it in text chunks, `ganpress:<field>`; JPEG and WebP as a
            JSON object in EXIF's ImageDescription. `Software` names GanPress.
        file_format: Format of the file.
        quality: Of JPEG and WebP, 1..100.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    buffer = io.BytesIO()
    match file_format:
        case "png":
            image.save(buffer, "PNG", pnginfo=_text_chunks(provenance))
        case "jpeg":
            image.save(buffer, "JPEG", quality=quality, exif=_exif(provenance))
        case "webp":
            image.save(buffer, "WEBP", quality=quality, exif=_exif(provenance))
    return buffer.getvalue()


def _text_chunks(provenance: Provenance) -> PngInfo:
    text = PngInfo()
    for name, value in provenance.items().items():
        text.add_text(f"ganpress:{name}", value if isinstance(value, str) else json.dumps(value))
    text.add_text("Software", f"GanPress {GANPRESS_VERSION}")
    return text


def _exif(provenance: Provenance) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = json.dumps(provenance.items())  # EXIF's text is ASCII, as is this
    exif[ExifTags.Base.Software] = f"GanPress {GANPRESS_VERSION}"
    return exif
