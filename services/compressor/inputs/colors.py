"""From the samples of any image to grey, RGB or RGBA with 8 bits."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

from services.compressor.codecs import Pixels, UnsupportedImageError
from services.compressor.inputs.picture import Change
from services.compressor.inputs.wishes import Wishes

_WORDS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "La": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "LAB": "CIE L*a*b*",
}
"""Words for Pillow's modes; the others are words already."""
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
"""Colour space of the profile that fits samples of a mode."""

_SRGB_GAMMA = 1 / 2.2
_SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # white, red, green, blue
_SAME = 0.002  # what rounding and other writers' digits of the same numbers differ by


def samples_in_words(image: Image.Image, bits: int) -> str:
    """Returns the kind of an image's samples for a reader."""
    words = "grey" if image.mode.startswith("I;16") else _WORDS.get(image.mode, image.mode)
    return f"{bits}-bit {words}" if bits > 8 else words


def check_mode(image: Image.Image) -> None:
    """Raises UnsupportedImageError for samples that would lose more than bits."""
    if image.mode in ("I", "F"):
        kind = {"I": "32-bit", "F": "floating-point"}[image.mode]
        raise UnsupportedImageError(
            f"{kind} samples are not supported, for nothing says which of them is white: scale them to 8 or "
            "16 bits first"
        )


@dataclass(frozen=True)
class Colors:
    """How the frames of a file become samples, decided once for all of them."""

    changes: tuple[Change, ...]
    """What that changes."""
    profile: bytes | None
    """The profile that goes along; None when none does."""
    to_srgb: Callable[[Image.Image], Image.Image] | None
    """Converts grey, RGB or CMYK samples; None leaves the colours as they are."""

    def pixels(self, image: Image.Image) -> Pixels:
        """Returns a frame's samples."""
        if image.mode.startswith("I;16"):
            return (np.asarray(image) >> 8).astype(np.uint8)[..., np.newaxis]
        base = _base(image)
        if self.to_srgb is None:
            base = base.convert("RGB") if base.mode not in ("L", "RGB") else base
        else:
            was_grey = base.mode == "L"
            base = self.to_srgb(base)
            base = base.getchannel("G") if was_grey else base
        pixels = np.asarray(base).reshape(image.height, image.width, -1)
        if not image.has_transparency_data:
            return np.ascontiguousarray(pixels)
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        rgb = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        return np.dstack([rgb, alpha])


def colors_of(image: Image.Image, bits: int, wishes: Wishes) -> Colors:
    """Decides what becomes of the colours of an image, of which only the header need be read."""
    changes: list[Change] = []
    if bits > 8:
        changes.append(Change("depth_reduced", f"samples of {bits} bits were cut to their upper 8"))
    base_mode = _base_mode(image)
    if base_mode == "LAB":
        changes.append(Change("colors_converted", "CIE L*a*b* was converted to sRGB"))
        lab = cast("Any", ImageCms).createProfile("LAB")
        return Colors(tuple(changes), None, _transform(lab, "LAB"))
    profile = image.info.get("icc_profile")
    if not profile:
        changes += _ignored(image)
        if base_mode == "CMYK":
            changes.append(
                Change(
                    "colors_converted", "CMYK was converted to RGB without a profile: colours are approximate"
                )
            )
        return Colors(tuple(changes), None, None)
    return _with_profile(bytes(profile), base_mode, wishes, changes)


def _ignored(image: Image.Image) -> list[Change]:
    """Returns what a PNG without profile says of its colours, unless that is sRGB."""
    info: Any = image.info
    if image.format != "PNG" or "srgb" in info:
        return []
    told: list[str] = []
    if (gamma := info.get("gamma")) is not None and abs(gamma - _SRGB_GAMMA) > _SAME:
        told.append(f"the gamma {gamma:g}")
    if (primaries := info.get("chromaticity")) and any(
        abs(a - b) > _SAME for a, b in zip(primaries, _SRGB_CHROMATICITIES, strict=False)
    ):
        told.append("the chromaticities")
    if not told:
        return []
    return [Change("profile_dropped", f"{' and '.join(told)} left out: the samples are taken as sRGB")]


def flattened(pixels: Pixels, background: tuple[int, int, int]) -> Pixels:
    """Returns RGB samples of a transparent image on a background."""
    alpha = pixels[..., 3:].astype(np.uint16)
    rgb = pixels[..., :3] * alpha + np.array(background, np.uint16) * (255 - alpha)
    return ((rgb + 127) // 255).astype(np.uint8)


def _with_profile(profile: bytes, mode: str, wishes: Wishes, changes: list[Change]) -> Colors:
    try:
        opened = cast("Any", ImageCms).ImageCmsProfile(io.BytesIO(profile))
        name = str(cast("Any", ImageCms).getProfileDescription(opened)).strip() or "without a name"
        if opened.profile.xcolor_space != _SPACES[mode]:
            raise ValueError(f"it is for {opened.profile.xcolor_space.strip()}")
        if wishes.keeps_profile and mode != "CMYK" and (mode != "L" or wishes.holds_grey):
            return Colors(tuple(changes), profile, None)
        if "srgb" in name.lower() and mode == "RGB":
            text = f"the profile {name!r} was left out: colours without one are sRGB"
            return Colors((*changes, Change("profile_converted", text, is_loss=False)), None, None)
        transform = _transform(opened, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        text = f"the colour profile was left out: it cannot be applied ({error})"
        return Colors((*changes, Change("profile_dropped", text)), None, None)
    text = f"colours were converted from {name!r} to sRGB"
    return Colors((*changes, Change("profile_converted", text, is_loss=False)), None, transform)


def _transform(profile: Any, mode: str) -> Callable[[Image.Image], Image.Image]:
    cms = cast("Any", ImageCms)
    transform = cms.buildTransform(
        profile,
        cms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return lambda image: cms.applyTransform(image, transform)


def _base_mode(image: Image.Image) -> str:
    """Returns the mode of an image's colours: L, RGB, CMYK or LAB."""
    if image.mode.startswith("I;16") or image.mode in ("1", "L", "LA", "La"):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def _base(image: Image.Image) -> Image.Image:
    """Returns an image's colours without transparency.

    Grey with transparency is RGB here, as the codecs want it; colours are not weighted by it.
    """
    mode = _base_mode(image)
    if mode == "L" and image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    if image.mode == mode:
        return image
    if mode == "RGB" and image.has_transparency_data:
        return image.convert("RGBA").convert("RGB")
    return image.convert(mode)
