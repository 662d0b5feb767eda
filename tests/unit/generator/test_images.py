"""PNG files that say where they come from."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from services.common.version import GANPRESS_VERSION
from services.generator.images import Provenance, encode_image
from tests.helpers.images import smooth_image

PROVENANCE = Provenance("cars", 2, "ab" * 32, "suv", 2**64 - 1, 0.7)


@pytest.mark.parametrize("channels", [1, 3])
def test_png(channels):
    """The file has the very pixels, and the provenance in text chunks that any reader shows."""
    pixels = smooth_image(24, 16, channels).reshape(16, 24, channels)
    with Image.open(io.BytesIO(encode_image(pixels, PROVENANCE))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
        assert image.text == {
            "ganpress:model": "cars",
            "ganpress:version": "2",
            "ganpress:digest": "ab" * 32,
            "ganpress:label": "suv",
            "ganpress:seed": "18446744073709551615",
            "ganpress:truncation": "0.7",
            "Software": f"GanPress {GANPRESS_VERSION}",
        }


def test_unusual_labels():
    """An empty label and one beyond Latin-1 are read back as they were."""
    for label in ("", "кабриолет"):
        data = encode_image(smooth_image(4, 4), Provenance("m", 1, "0", label, 0, 1.0))
        with Image.open(io.BytesIO(data)) as image:
            assert image.text["ganpress:label"] == label


@pytest.mark.parametrize(("file_format", "name"), [("jpeg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_files(file_format, name, channels):
    """JPEG and WebP come close to the pixels, closer at higher quality, and tell their provenance in EXIF."""
    pixels = smooth_image(24, 16, channels).reshape(16, 24, channels)
    errors = []
    for quality in (30, 95):
        data = encode_image(pixels, PROVENANCE, file_format, quality)
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == name
            decoded = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(pixels.shape)
            exif = image.getexif()
        errors.append(np.abs(decoded.astype(int) - pixels).mean())
        assert json.loads(exif[ExifTags.Base.ImageDescription]) == {
            "model": "cars",
            "version": 2,
            "digest": "ab" * 32,
            "label": "suv",
            "seed": 2**64 - 1,
            "truncation": 0.7,
        }
        assert exif[ExifTags.Base.Software] == f"GanPress {GANPRESS_VERSION}"
    assert errors[1] < errors[0] < 20
    assert errors[1] < 3


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_all_provenance(file_format):
    """The other seed and position of a walk, and a mix of labels beyond Latin-1, are told as well."""
    provenance = Provenance("m", 1, "0", "", 3, 1.0, {"кабриолет": 0.25, "van": 0.75}, 2**64 - 1, 1 / 3)
    with Image.open(io.BytesIO(encode_image(smooth_image(8, 8), provenance, file_format))) as image:
        if file_format == "png":
            told = {key.removeprefix("ganpress:"): value for key, value in image.text.items()}
            told = {key: json.loads(told[key]) for key in ("label_mix", "to_seed", "position")}
        else:
            told = json.loads(image.getexif()[ExifTags.Base.ImageDescription])
    assert told["label_mix"] == provenance.label_mix
    assert (told["to_seed"], told["position"]) == (2**64 - 1, 1 / 3)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_same_input_same_file(file_format):
    """The same pixels and provenance give the same bytes."""
    pixels = smooth_image(20, 20)
    assert encode_image(pixels, PROVENANCE, file_format) == encode_image(
        pixels.copy(), PROVENANCE, file_format
    )
