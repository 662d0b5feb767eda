"""The DCT codec; docs/codecs/dct.md describes its files byte by byte."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Codec, Pixels
from services.compressor.codecs.dct import planes as colour
from services.compressor.codecs.dct.alpha import decode_alpha, encode_alpha
from services.compressor.codecs.dct.header import pack_payload, unpack_payload
from services.compressor.codecs.dct.picture import decode_planes, encode_planes
from services.compressor.codecs.dct.plan import PSNR, Plan, Tune
from services.compressor.codecs.dct.priors import PRIORS
from services.compressor.codecs.errors import (
    CorruptDataError,
    InvalidOptionError,
    TooManyPixelsError,
    UnsupportedImageError,
)
from services.compressor.codecs.options import choice, flag, real, whole
from services.compressor.codecs.registry import register

DEFAULT_QUALITY = 80

MAX_SIDE_PX = 65_535
"""Longest side, as of JPEG: planes are filled up to whole blocks, which makes eight rows of one."""


@register
@dataclass(frozen=True)
class Dct(Codec):
    """DCT of blocks of 8 to 32 samples, chosen and quantised by cost, coded by context mixing.

    `threshold` is the control of the study behind this product: in each plane, coefficients of 8 x 8 blocks
    smaller than `threshold` times the plane's largest one are dropped, the others are rounded to whole
    numbers. `quality` sets a quantiser step as JPEG's quality does.
    """

    id = "dct"
    technique = "dct"
    description = "DCT with context mixing in GanPress's own container."
    media_type = "image/x-ganpress-dct"
    file_extension = ".gpc"
    is_lossless = False

    threshold: float | None = real(
        None,
        "above 0, below 1",
        lambda value: 0 < value < 1,
        "Coefficients smaller than this share of their plane's largest are dropped; not with quality.",
    )
    quality: int | None = whole(
        None,
        1,
        100,
        "Quality, on the scale of JPEG's; not with threshold.",
        default_text=f"{DEFAULT_QUALITY} without threshold",
    )
    color_space: str | None = choice(
        None,
        ("rgb", "ycbcr"),
        "Colour space in which the coefficients are taken; a grey image has none.",
        default_text="rgb with threshold, ycbcr with quality",
    )
    effort: str = choice("best", ("best", "fast"), "Small files, or files made and read quickly.")
    subsampling: str | None = choice(
        None,
        ("444", "420"),
        "Resolution of the colour differences; 420 halves their rows and columns.",
        default_text="444; 420 when fast",
    )
    tune: str = choice(
        "perceptual", ("psnr", "perceptual"), "What is kept best: every error's square, or what eyes notice."
    )
    postfilter: bool | None = flag(
        None,
        "Filters the decoded planes towards the original; not when fast, not with threshold.",
        default_text="true; false when fast or with threshold",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and self.quality is not None:
            raise InvalidOptionError(
                "dct takes threshold or quality, not both "
                f"(threshold {self.threshold:g}, quality {self.quality})"
            )
        if self.postfilter and not self._can_filter:
            raise InvalidOptionError(
                "dct filters only with effort best and without threshold; leave postfilter out or false"
            )

    @property
    def _can_filter(self) -> bool:
        return self.effort == "best" and self.threshold is None

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Gives back the image, bit for bit the same on every machine; see `Codec.decode`."""
        file = container.unpack(data, max_pixels=max_pixels)
        if file.codec != container.DCT:
            raise CorruptDataError(f"the GanPress file is of codec {file.codec}, not of dct (1)")
        if max(file.height_px, file.width_px) > MAX_SIDE_PX:
            raise TooManyPixelsError(
                f"the DCT file has {file.width_px} x {file.height_px} pixels; "
                f"a side has at most {MAX_SIDE_PX}"
            )
        header, alpha, stream = unpack_payload(file.payload, channels=file.channels, priors=len(PRIORS))
        decoded = decode_planes(header, stream, file.height_px, file.width_px, 1 if file.channels == 1 else 3)
        image = colour.join(
            decoded,
            file.height_px,
            file.width_px,
            from_ycbcr=header.is_ycbcr,
            halved=header.is_halved,
        )
        if alpha is None:
            return image
        return np.dstack([image, decode_alpha(alpha, file.height_px, file.width_px)])

    def _check_image(self, image: Pixels) -> None:
        height_px, width_px, _ = image.shape
        if max(height_px, width_px) > MAX_SIDE_PX:
            raise UnsupportedImageError(
                f"dct takes sides of up to {MAX_SIDE_PX} pixels, not {width_px} x {height_px}"
            )

    def _encode(self, image: Pixels) -> bytes:
        height_px, width_px, channels = image.shape
        alpha = encode_alpha(np.ascontiguousarray(image[..., 3])) if channels == 4 else None
        plan = self._plan(image.shape)
        planes = colour.split(image[..., :3], to_ycbcr=plan.is_ycbcr, halved=plan.is_halved)
        header, stream = encode_planes(planes, plan, height_px * width_px)
        payload = pack_payload(header, alpha, stream)
        return container.Container(container.DCT, width_px, height_px, channels, payload).pack()

    def _plan(self, shape: tuple[int, ...]) -> Plan:
        height_px, width_px, channels = shape
        has_color = channels > 1
        color_space = self.color_space or ("ycbcr" if self.threshold is None else "rgb")
        is_fast = self.effort == "fast"
        subsampling = self.subsampling or ("420" if is_fast and self.threshold is None else "444")
        return Plan(
            threshold=self.threshold,
            quality=self.quality or DEFAULT_QUALITY,
            is_ycbcr=has_color and color_space == "ycbcr",
            is_halved=has_color and color_space == "ycbcr" and subsampling == "420",
            is_fast=is_fast,
            tune=Tune.perceptual(height_px, width_px) if self.tune == "perceptual" else PSNR,
            is_filtered=self._can_filter and self.postfilter is not False,
        )
