"""What every codec promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.errors import InvalidOptionError, UnsupportedImageError
from services.compressor.codecs.extras import Extras
from services.compressor.codecs.options import Option

Pixels = npt.NDArray[np.uint8]
"""An image: uint8 [height, width, channels], 0..255; 1 channel is grey, 3 are RGB, 4 are RGBA (straight)."""

NO_EXTRAS = Extras()

DEFAULT_MAX_PIXELS = 2**26
"""Most pixels (width x height) that a decoder gives unless told otherwise."""


@dataclass(frozen=True)
class Parameter:
    """One option of a codec, for a reader."""

    name: str
    """Its name; also the field's name in the protobuf API."""
    accepts: str
    """The values it takes."""
    default: str
    """Its default; empty when it is unset by default."""
    description: str
    """What it does, one sentence."""


@dataclass(frozen=True)
class Codec(ABC):
    """A way to compress one image, with its options.

    A codec is a frozen dataclass whose fields are its options, declared by `codecs.options`; a value that
    is not accepted raises InvalidOptionError on construction. Codecs that are equal write equal files on
    one machine. A file describes itself: `decode` needs no options.

    >>> from services.compressor.codecs import decode, get_codec
    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> decode(get_codec("kmeans", k=2).encode(image)).shape
    (2, 3, 3)
    """

    id: ClassVar[str]
    """Name of the codec."""
    technique: ClassVar[str]
    """Technique it belongs to: "dct", "kmeans" or "pillow"."""
    description: ClassVar[str]
    """What it does, one sentence."""
    media_type: ClassVar[str]
    """Media type of its files."""
    file_extension: ClassVar[str]
    """Extension of its files' names, with the dot."""
    is_lossless: ClassVar[bool]
    """Whether decoding gives back every pixel under the default options."""
    channels: ClassVar[tuple[int, ...]] = (1, 3, 4)
    """Numbers of channels that it keeps."""
    keeps_metadata: ClassVar[bool] = False
    """Whether its files can hold colour profiles, EXIF and XMP."""
    keeps_frames: ClassVar[bool] = False
    """Whether its files can hold the frames of an animation."""

    def __post_init__(self) -> None:
        for option_field in fields(self):
            value = getattr(self, option_field.name)
            if value is not None or option_field.default is not None:
                object.__setattr__(self, option_field.name, self._checked(option_field, value))

    def encode(self, image: Pixels) -> bytes:
        """Compresses one image into a file.

        Args:
            image: At least 1 x 1 pixels, 1, 3 or 4 channels.

        Raises:
            UnsupportedImageError: The array is no such image, or the codec cannot hold it.
        """
        self._check(image)
        return self._encode(image)

    def encode_frames(
        self,
        frames: Sequence[Pixels],
        extras: Extras = NO_EXTRAS,
        *,
        durations_ms: Sequence[int] = (),
        loops: int = 0,
    ) -> bytes:
        """Compresses an image or an animation with what goes along into a file.

        Args:
            frames: As `encode` takes them, all of one size; one without extras gives what `encode` gives.
            extras: What goes along.
            durations_ms: How long each of several frames is shown.
            loops: How often an animation is shown, 0 for ever.

        Raises:
            UnsupportedImageError: The codec cannot hold all of it.
        """
        if len(frames) == 1 and not extras:
            return self.encode(frames[0])
        if extras and not self.keeps_metadata:
            raise UnsupportedImageError(f"{self.id} cannot keep {extras.names()}")
        if len(frames) > 1 and not self.keeps_frames:
            raise UnsupportedImageError(f"{self.id} cannot keep {len(frames)} frames; it takes one image")
        for frame in frames:
            self._check(frame)
        return self._encode_frames(frames, extras, durations_ms, loops)

    @classmethod
    @abstractmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Gives back the image in a file that the codec wrote.

        Raises:
            CorruptDataError: The bytes are not such a file, or it was truncated or altered.
            TooManyPixelsError: Its header announces more than `max_pixels` pixels; checked before decoding.
        """

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Returns the codec's options in the order of its fields."""
        return tuple(
            Parameter(f.name, option.accepts, option.default_text, option.description)
            for f in fields(cls)
            for option in [_option_of(f)]
        )

    @classmethod
    def choices(cls) -> dict[str, tuple[object, ...]]:
        """Returns, of each option that is a choice, all that it takes."""
        return {f.name: values for f in fields(cls) if (values := _option_of(f).values)}

    @abstractmethod
    def _encode(self, image: Pixels) -> bytes:
        """Compresses an image that was checked."""

    def _encode_frames(
        self, frames: Sequence[Pixels], extras: Extras, durations_ms: Sequence[int], loops: int
    ) -> bytes:
        """Compresses what was checked; only codecs that keep extras or frames are asked."""
        raise NotImplementedError

    def _check(self, image: Pixels) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3, 4) or not image.size:
            raise UnsupportedImageError(
                f"an image is uint8 [height, width, 1, 3 or 4], not {image.dtype} {list(image.shape)}"
            )
        self._check_image(image)

    def _check_image(self, image: Pixels) -> None:  # noqa: B027 - most codecs hold every image
        """Raises UnsupportedImageError when the codec cannot hold the image."""

    def _checked(self, option_field: Field[Any], value: object) -> object:
        option = _option_of(option_field)
        try:
            return option.convert(value)
        except ValueError:
            raise InvalidOptionError(
                f"{self.id} option {option_field.name} takes {option.accepts}, not {value!r}"
            ) from None


def _option_of(option_field: Field[Any]) -> Option:
    return option_field.metadata["option"]


@dataclass(frozen=True)
class FileCodec(Codec):
    """A codec that takes files of one format instead of pixels, and gives them back byte for byte."""

    is_lossless = True
    input_media_type: ClassVar[str]
    """Media type of the files that it takes and gives back."""
    input_file_extension: ClassVar[str]
    """Extension of such files' names, with the dot."""

    @abstractmethod
    def encode_file(self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
        """Compresses a file.

        Raises:
            CorruptDataError: It is not of this format, or it is broken.
            UnsupportedImageError: It is of a kind that cannot be given back byte for byte.
            TooManyPixelsError: Its header announces more than `max_pixels` pixels.
        """

    @classmethod
    @abstractmethod
    def restore_file(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
        """Gives back the file that was compressed; raises as `decode` does."""

    def _encode(self, image: Pixels) -> bytes:  # noqa: ARG002 - takes no image
        raise UnsupportedImageError(f"{self.id} takes {self.input_media_type} files, not pixels")
