"""Reads an image file of any kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from services.compressor.codecs import (
    DEFAULT_MAX_PIXELS,
    UPRIGHT,
    Extras,
    Pixels,
    UnsupportedImageError,
    codec_class,
    container,
    decode,
    identify,
    open_image,
)
from services.compressor.codecs.marking import is_kmeans
from services.compressor.inputs.colors import Colors, check_mode, colors_of, flattened, samples_in_words
from services.compressor.inputs.metadata import exif_of, other_texts, xmp_of
from services.compressor.inputs.picture import Change, Picture
from services.compressor.inputs.plugins import check_plugins, format_name, readable_formats
from services.compressor.inputs.structure import bits_per_sample, trailing_bytes
from services.compressor.inputs.wishes import Wishes

_TURNED_BY_READERS = ("TIFF", "HEIF", "JXL")
"""Formats whose readers turn images upright themselves."""
MAX_FRAMES = 10_000
"""Most frames of an image that are taken."""


def read(data: bytes, wishes: Wishes | None = None, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Returns what is in an image file or in a GanPress file.

    An orientation is applied; palettes become RGB; black-and-white becomes grey; transparency of any kind
    becomes RGBA; samples of more than 8 bits keep their upper ones. The report has whatever was lost.

    Args:
        data: The file.
        wishes: What becomes of profiles, metadata, frames and transparency.
        max_pixels: Most pixels, of all frames together that are taken.

    Raises:
        CorruptDataError: It is no image, or one that is truncated or altered.
        TooManyPixelsError: Its header announces more than `max_pixels` pixels; checked before decoding.
        UnsupportedImageError: It has 32-bit or floating-point samples or frames of different sizes, or it is
            a seed file.
        MissingPackageError: It needs a plug-in that is not installed.
    """
    wishes = wishes or Wishes()
    if container.is_container(data):
        return _whole(decode(data, max_pixels=max_pixels), identify(data), wishes)
    check_plugins(data, max_pixels)
    with open_image(data, readable_formats()) as image:
        container.check_pixels(image.width, image.height, max_pixels)
        if is_kmeans(image):
            return _whole(codec_class("kmeans").decode(data, max_pixels=max_pixels), "kmeans", wishes)
        return _read(image, data, wishes, max_pixels)


def _read(image: Image.Image, data: bytes, wishes: Wishes, max_pixels: int) -> Picture:
    check_mode(image)
    bits = bits_per_sample(image, data)
    samples = samples_in_words(image, bits)
    in_file = int(getattr(image, "n_frames", 1))
    # An MPO's further pictures are previews and views that cameras add to a photograph.
    count = in_file if wishes.takes_all_frames and image.format != "MPO" else 1
    if count > MAX_FRAMES or count * image.width * image.height > max_pixels:
        container.check_pixels(image.width, image.height * count, max_pixels)
        raise UnsupportedImageError(f"the file has {count} frames; at most {MAX_FRAMES} are taken")
    image.load()
    colors = colors_of(image, bits, wishes)
    upright, turned = _turn(image)
    extras, left_out = _extras(image, colors, wishes)
    frames, durations_ms = _frames(image, count, colors, upright)
    changes = [*turned, *colors.changes, *left_out]
    if in_file > count:
        changes.append(_dropped(image, in_file - count))
    if tail_bytes := trailing_bytes(image.format, data) if image.format != "MPO" else 0:
        changes.append(
            Change("trailing_bytes_dropped", f"{tail_bytes} bytes behind the end of the image were left out")
        )
    name = format_name(str(image.format))
    return _fitted(
        Picture(
            frames,
            durations_ms,
            int(image.info.get("loop", 0)),
            extras,
            name,
            samples,
            in_file,
            tuple(changes),
        ),
        wishes,
    )


def _frames(
    image: Image.Image, count: int, colors: Colors, upright: Image.Transpose | None
) -> tuple[tuple[Pixels, ...], tuple[int, ...]]:
    frames: list[Pixels] = []
    durations_ms: list[int] = []
    for number in range(count):
        if count > 1:
            image.seek(number)
            image.load()
        frame: Any = image.transpose(upright) if upright is not None else image
        frames.append(colors.pixels(frame))
        durations_ms.append(round(image.info.get("duration") or 0))
    if len({frame.shape[:2] for frame in frames}) > 1:
        raise UnsupportedImageError("the file's pages have different sizes; only its first one can be taken")
    channels = max(frame.shape[2] for frame in frames)
    same = tuple(_with_channels(frame, channels) for frame in frames)
    return same, tuple(durations_ms) if count > 1 else ()


def _turn(image: Image.Image) -> tuple[Image.Transpose | None, list[Change]]:
    if image.format in _TURNED_BY_READERS:
        was = int(image.info.get("original_orientation") or 1)
        upright = None
    else:
        was = image.getexif().get(ExifTags.Base.Orientation) or 1
        upright = UPRIGHT.get(was)
        was = was if upright is not None else 1
    if was == 1:
        return None, []
    text = f"the image was turned upright (EXIF orientation {was})"
    return upright, [Change("orientation_applied", text, is_loss=False)]


def _extras(image: Image.Image, colors: Colors, wishes: Wishes) -> tuple[Extras, list[Change]]:
    exif, xmp = exif_of(image), xmp_of(image)
    lost = other_texts(image)
    if not wishes.keeps_metadata:
        lost = [name for name, value in (("EXIF", exif), ("XMP", xmp)) if value] + lost
        exif = xmp = None
    changes: list[Change] = []
    if lost:
        changes.append(Change("metadata_dropped", f"{', '.join(lost)} left out"))
    return Extras(colors.profile, exif, xmp), changes


def _dropped(image: Image.Image, count: int) -> Change:
    others = "other" if count == 1 else f"other {count}"
    if image.format == "MPO":
        what = "picture (a preview or gain map)" if count == 1 else "pictures (previews or gain maps)"
    elif image.format in ("TIFF", "HEIF"):
        what = "page" if count == 1 else "pages"
    else:
        what = "frame" if count == 1 else "frames"
    return Change("frames_dropped", f"the first was taken, the {others} {what} left out")


def _whole(pixels: Pixels, name: str, wishes: Wishes) -> Picture:
    """Returns a picture of one of our own files, which hold nothing else."""
    samples = {1: "grey", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    return _fitted(Picture((pixels,), (), 0, Extras(), name, samples, 1, ()), wishes)


def _fitted(picture: Picture, wishes: Wishes) -> Picture:
    """Returns the picture without transparency where that is wished or of no use."""
    if picture.first.shape[2] != 4:
        return picture
    if wishes.background:
        frames = tuple(flattened(frame, wishes.background_rgb) for frame in picture.frames)
        change = Change("transparency_flattened", f"the image was laid on {wishes.background.lower()}")
        return replace(picture, frames=frames, changes=(*picture.changes, change))
    if not wishes.holds_alpha and all(frame[..., 3].min() == 255 for frame in picture.frames):
        return replace(picture, frames=tuple(frame[..., :3] for frame in picture.frames))
    return picture


def _with_channels(frame: Pixels, channels: int) -> Pixels:
    if frame.shape[2] == channels:
        return frame
    rgb = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame
    if channels == 3:
        return rgb
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
