"""What a plan does to images before they go in: how they stand, how large, in which light and colours."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from pydantic import BaseModel, ConfigDict, Field, model_validator

NONE = "none"


class Perturbation(BaseModel):
    """Changes of an image, in the order of these fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    grey: bool | None = None
    """Take the colour away (ITU-R BT.601 luma)."""
    flip: Literal["horizontal", "vertical"] | None = None
    """Mirror the image."""
    rotate: float | None = Field(None, ge=-360, le=360)
    """Turn by degrees against the clock; corners take the mirrored image, and the size stays but for 90."""
    zoom: float | None = Field(None, ge=0.1, le=10)
    """Enlarge (above 1, edges are cut) or shrink (below 1, the border is mirrored) at the same size."""
    brightness: float | None = Field(None, ge=0, le=4)
    """Multiply the light; 1 leaves it."""
    contrast: float | None = Field(None, ge=0, le=4)
    """Multiply the distance from the mean grey; 1 leaves it."""
    saturation: float | None = Field(None, ge=0, le=4)
    """Multiply the distance from grey of the same light; 1 leaves it."""
    hue: float | None = Field(None, ge=-360, le=360)
    """Turn the colours around the colour circle by degrees."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.changes():
            raise ValueError(f"names no change: one or more of {', '.join(type(self).model_fields)}, or none")
        return self

    def changes(self) -> dict[str, object]:
        """Returns the changes that are set, by name."""
        return {name: value for name, value in self if value is not None and value is not False}

    @property
    def name(self) -> str:
        """Returns the name in the results, such as "rotate=90"."""
        return " ".join(f"{name}={_text(value)}" for name, value in self.changes().items())

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns a changed copy of uint8 [H, W, C], C 1, 3 or 4; alpha is turned and resized along."""
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        if self.grey:
            picture = _grey(picture)
        if self.flip:
            sideways = self.flip == "horizontal"
            picture = picture.transpose(
                Image.Transpose.FLIP_LEFT_RIGHT if sideways else Image.Transpose.FLIP_TOP_BOTTOM
            )
        if self.rotate:
            picture = _rotated(picture, self.rotate)
        if self.zoom:
            picture = _zoomed(picture, self.zoom)
        picture = self._coloured(picture)
        changed = np.asarray(picture)
        return changed[..., None] if changed.ndim == 2 else changed

    def _coloured(self, picture: Image.Image) -> Image.Image:
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
        colours = picture.convert("RGB") if alpha else picture
        for enhancer, factor in (
            (ImageEnhance.Brightness, self.brightness),
            (ImageEnhance.Contrast, self.contrast),
            (ImageEnhance.Color, self.saturation),
        ):
            if factor is not None:
                colours = enhancer(colours).enhance(factor)
        if self.hue and colours.mode == "RGB":
            colours = _hue_turned(colours, self.hue)
        if alpha:
            colours.putalpha(alpha)
        return colours


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("L")
    grey = picture.convert("L").convert("RGB")
    grey.putalpha(picture.getchannel("A"))
    return grey


def _rotated(picture: Image.Image, degrees: float) -> Image.Image:
    quarters = {
        90: Image.Transpose.ROTATE_90,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_270,
    }
    if degrees % 360 in quarters:
        return picture.transpose(quarters[int(degrees % 360)])  # without loss
    width_px, height_px = picture.size
    margin_px = max(width_px, height_px)  # what turns in from outside is mirrored, so that no edge is made
    turned = _mirrored_around(picture, margin_px).rotate(degrees, Image.Resampling.BICUBIC)
    return turned.crop((margin_px, margin_px, margin_px + width_px, margin_px + height_px))


def _zoomed(picture: Image.Image, factor: float) -> Image.Image:
    width_px, height_px = picture.size
    size = (max(1, round(width_px * factor)), max(1, round(height_px * factor)))
    scaled = picture.resize(size, Image.Resampling.LANCZOS)
    margin_px = max(0, width_px - size[0], height_px - size[1])
    scaled = _mirrored_around(scaled, margin_px) if margin_px else scaled
    left, top = (scaled.width - width_px) // 2, (scaled.height - height_px) // 2
    return scaled.crop((left, top, left + width_px, top + height_px))


def _mirrored_around(picture: Image.Image, margin_px: int) -> Image.Image:
    pixels = np.asarray(picture)
    margins = [(margin_px, margin_px)] * 2 + [(0, 0)] * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, margins, "symmetric"))


def _hue_turned(picture: Image.Image, degrees: float) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int64) + round(degrees * 256 / 360)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert("RGB")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
