"""What the codecs that Pillow does for us share."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, NO_EXTRAS, Codec, Pixels
from services.compressor.codecs.errors import UnsupportedImageError
from services.compressor.codecs.extras import Extras
from services.compressor.codecs.options import real
from services.compressor.codecs.reading import read_pixels
from services.compressor.codecs.resizing import resized


@dataclass(frozen=True)
class PillowCodec(Codec):
    """A codec that writes one of Pillow's formats."""

    technique = "pillow"

    pillow_format: ClassVar[str]
    """Pillow's name of the format."""
    max_side_px: ClassVar[int]
    """Longest side that the format or its library can hold."""

    resize: float = real(
        1.0,
        "above 0, at most 1",
        lambda value: 0 < value <= 1,
        "Factor on both sides of the image before it is encoded.",
        default_text="1",
    )

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """See `Codec.decode`; also reads such files written by others."""
        return read_pixels(data, max_pixels, (cls.pillow_format,))

    def _encode(self, image: Pixels) -> bytes:
        return self._encode_frames((image,), NO_EXTRAS, (), 0)

    def _encode_frames(
        self, frames: Sequence[Pixels], extras: Extras, durations_ms: Sequence[int], loops: int
    ) -> bytes:
        buffer = io.BytesIO()
        first, *others = (self._prepared(resized(frame, *self._target_px(frame))) for frame in frames)
        options = {**self._save_options(), **self._extra_options(extras)}
        if others:
            options |= {"save_all": True, "append_images": others, "loop": loops}
            options |= {"duration": [max(1, duration_ms) for duration_ms in durations_ms]}
        try:
            first.save(buffer, self.pillow_format, **options)
        except ValueError as error:
            if not extras:
                raise
            raise UnsupportedImageError(f"{self.id} cannot keep {extras.names()}: {error}") from error
        return buffer.getvalue()

    def _extra_options(self, extras: Extras) -> dict[str, Any]:
        """Returns the arguments of Pillow's `save` for what goes along."""
        options = {"icc_profile": extras.icc_profile, "exif": extras.exif, "xmp": extras.xmp}
        return {name: value for name, value in options.items() if value}

    def _prepared(self, image: Pixels) -> Image.Image:
        """Returns what is saved."""
        return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)

    def _target_px(self, image: Pixels) -> tuple[int, int]:
        height_px, width_px, _ = image.shape
        return max(1, round(width_px * self.resize)), max(1, round(height_px * self.resize))

    def _check_image(self, image: Pixels) -> None:
        width_px, height_px = self._target_px(image)
        if max(height_px, width_px) > self.max_side_px:
            raise UnsupportedImageError(
                f"{self.id} holds sides up to {self.max_side_px} pixels; "
                f"the image has {width_px} x {height_px}"
            )

    @abstractmethod
    def _save_options(self) -> dict[str, Any]:
        """Returns the arguments of Pillow's `save`."""
