"""Arrays and PNG files."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from client.errors import InputError
from client.images import from_png, to_png
from tests.helpers.images import smooth_image


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_come_back(channels: int) -> None:
    """Grey, RGB and RGBA survive the file."""
    pixels = smooth_image(5, 7, channels)
    np.testing.assert_array_equal(from_png(to_png(pixels)), pixels)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)],
)
def test_other_arrays_are_refused(pixels: NDArray[np.uint8]) -> None:
    """The message names type and shape."""
    with pytest.raises(InputError, match=r"uint8 .* not"):
        to_png(pixels)
