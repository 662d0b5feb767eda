"""The one option of each codec that trades quality for size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.compressor.codecs import Codec

_JPEG2000_LARGEST_RATIO = 2000.0
_JPEG2000_STEPS = 510


@dataclass(frozen=True)
class Setting:
    """An option and its values, from the smallest files to the best."""

    name: str
    """Name of the option."""
    values: tuple[Any, ...]
    """What to give it, at most 511 values; None means that it is left out."""
    unset: Mapping[str, Any]
    """Options that exclude it, and what unsets them."""

    def of(self, codec: Codec, index: int) -> Codec:
        """Returns the codec with the setting at a value."""
        return replace(codec, **{**self.unset, self.name: self.values[index]})

    def text(self, index: int) -> str:
        """Returns a value for a reader; "lossless" when the option is left out."""
        value = self.values[index]
        return "lossless" if value is None else f"{value:.6g}"


_RATIOS = tuple(
    round(_JPEG2000_LARGEST_RATIO ** (1 - i / (_JPEG2000_STEPS - 1)), 4) for i in range(_JPEG2000_STEPS)
)

_SETTINGS = {
    "avif": Setting("quality", tuple(range(101)), {}),
    "dct": Setting("quality", tuple(range(1, 101)), {"threshold": None}),
    "gif": Setting("colors", tuple(range(2, 257)), {}),
    "jpeg": Setting("quality", tuple(range(1, 101)), {}),
    # By equal factors from 2000 to 1, and at last no ratio at all, which is lossless.
    "jpeg2000": Setting("ratio", (*_RATIOS, None), {"psnr_db": None}),
    "kmeans": Setting("k", tuple(range(1, 257)), {}),
    "webp": Setting("quality", tuple(range(101)), {}),
}


def setting_of(codec: Codec | type[Codec]) -> Setting | None:
    """Returns what a goal searches of a codec; None when there is nothing, as with lossless ones."""
    if getattr(codec, "lossless", False) is True:  # WebP's quality is then an effort
        return None
    return _SETTINGS.get(codec.id)
