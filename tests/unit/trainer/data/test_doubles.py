"""Exact and near doubles."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.helpers.images import jpeg_file, smooth_image
from trainer.data.decode import decode
from trainer.data.doubles import Double, find_doubles, fingerprint
from trainer.data.raw import RawImage


def found(images: list[np.ndarray], *, near: bool = True) -> dict[int, Double]:
    """Returns the doubles among images."""
    return find_doubles([fingerprint(image) for image in images], images.__getitem__, near=near)


def square(data: bytes, size_px: int = 64) -> np.ndarray:
    """Returns an image file as training sees it."""
    return decode(RawImage("x", data), size_px, 3)


def variants(data: bytes) -> dict[str, np.ndarray]:
    """Returns a photo as it comes back from the web: the same to the eye."""
    image = Image.open(io.BytesIO(data)).convert("RGB")

    def saved(changed: Image.Image, quality: int) -> np.ndarray:
        buffer = io.BytesIO()
        changed.save(buffer, "JPEG", quality=quality)
        return square(buffer.getvalue())

    width, height = image.size
    return {
        "saved again": saved(image, 40),
        "scaled": saved(image.resize((width * 2 // 3, height * 2 // 3)), 80),
        "brighter": saved(ImageEnhance.Brightness(image).enhance(1.06), 90),
        "trimmed": saved(image.crop((1, 1, width - 1, height - 1)), 90),
    }


def test_exact_doubles_keep_the_first() -> None:
    """Of equal images the first stays, also without a look at near ones."""
    a, b = square(jpeg_file(seed=1)), square(jpeg_file(seed=2))
    expected = {2: Double(1, exact=True), 3: Double(0, exact=True), 4: Double(0, exact=True)}
    assert found([a, b, b, a, a]) == found([a, b, b, a, a], near=False) == expected


@pytest.mark.parametrize("size_px", [32, 64, 128])
def test_different_images_stay(size_px: int) -> None:
    """Images of different content are no doubles in any size, also when they are all alike in kind."""
    images = [smooth_image(size_px, size_px, 3, seed).transpose(2, 0, 1) for seed in range(40)]
    assert found(images) == {}


@pytest.mark.data
def test_photos_and_their_variants(shared_data: Path) -> None:
    """Each variant of a real photo is its double, and no photo is another's."""
    with tarfile.open(shared_data / "cars.tar") as tar:
        members = [m for m in tar.getmembers() if m.name.startswith("test/") and m.name.endswith("1.jpg")]
        photos = [tar.extractfile(member).read() for member in members[:60]]  # type: ignore[union-attr]
    originals = [square(photo) for photo in photos]
    assert found(originals) == {}
    changed = {(i, name): variant for i in range(20) for name, variant in variants(photos[i]).items()}
    doubles = found([*originals, *changed.values()])
    kept = {key: doubles[position].kept for position, key in enumerate(changed, len(originals))}
    assert kept == {(i, name): i for i, name in changed}
