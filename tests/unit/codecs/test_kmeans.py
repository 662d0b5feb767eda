"""The k-means codec."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from services.compressor.codecs import CorruptDataError, Pixels, decode, get_codec, identify, psnr
from tests.helpers.images import image_file, smooth_image


def colors_of(image: Pixels) -> set[tuple[int, ...]]:
    """Returns the distinct colours."""
    return {tuple(color) for color in image.reshape(-1, image.shape[2]).tolist()}


@pytest.mark.parametrize(("k", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)])
def test_standard_indexed_png(k: int, bits: int) -> None:
    """The file is an indexed PNG of at most k colours with as few bits a pixel as they need."""
    data = get_codec("kmeans", k=k).encode(smooth_image(60, 50))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "P", (60, 50))
        assert np.array_equal(np.asarray(image.convert("RGB")), decode(data))
    assert data[12:16] == b"IHDR"
    assert data[24] == bits
    assert len(colors_of(decode(data))) <= k


def test_few_colors_are_kept_exactly() -> None:
    """An image of at most k colours comes back as it was."""
    image = np.random.default_rng(0).integers(0, 4, (40, 30, 3), np.uint8) * 85
    assert len(colors_of(image)) == 64
    assert np.array_equal(decode(get_codec("kmeans", k=64).encode(image)), image)
    assert not np.array_equal(decode(get_codec("kmeans", k=63).encode(image)), image)


def test_each_pixel_gets_the_nearest_color() -> None:
    """No colour of the palette is nearer to a pixel than the one it got."""
    image = smooth_image(40, 30)
    decoded = decode(get_codec("kmeans", k=7).encode(image))
    palette = np.array(sorted(colors_of(decoded)))
    distances = np.square(image[..., np.newaxis, :].astype(int) - palette).sum(-1)
    assert np.array_equal(np.square(image.astype(int) - decoded).sum(-1), distances.min(-1))


def test_one_color_is_the_mean() -> None:
    """With k = 1 the one colour is the image's mean, each pixel counted."""
    image = smooth_image(31, 17)
    mean = np.rint(image.reshape(-1, 3).mean(0))
    assert np.abs(decode(get_codec("kmeans", k=1).encode(image))[0, 0] - mean).max() <= 1


def test_more_colors_are_better() -> None:
    """Fidelity grows with k."""
    image = smooth_image(64, 64)
    fidelity = [psnr(image, decode(get_codec("kmeans", k=k).encode(image))) for k in (2, 8, 64, 256)]
    assert fidelity == sorted(fidelity)


def test_seed_names_the_file() -> None:
    """The same seed gives the same file on any number of threads."""
    image = smooth_image(80, 60)
    files = set()
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            files.add(get_codec("kmeans", k=16, seed=5).encode(image))
    assert len(files) == 1
    assert get_codec("kmeans", k=16, seed=6).encode(image) not in files


def test_transparency_is_kept() -> None:
    """Transparency is clustered with the colour; all fully transparent pixels are one colour."""
    image = smooth_image(40, 40, 4)
    image[..., 3] = 255
    image[:20, :20, 3] = 0
    image[20:, 20:, 3] = 128
    decoded = decode(get_codec("kmeans", k=16).encode(image))
    assert np.array_equal(decoded[..., 3], image[..., 3])
    assert colors_of(decoded[:20, :20]) == {(0, 0, 0, 0)}
    assert psnr(image, decoded) > 25


def test_channels_come_back() -> None:
    """Grey stays grey, and RGBA stays RGBA even when nothing is transparent."""
    grey = smooth_image(20, 20, 1)[..., np.newaxis]
    assert decode(get_codec("kmeans", k=300 - 44).encode(grey)).shape == (20, 20, 1)
    opaque = np.concatenate([smooth_image(20, 20), np.full((20, 20, 1), 255, np.uint8)], axis=2)
    assert decode(get_codec("kmeans").encode(opaque)).shape == (20, 20, 4)


def test_foreign_indexed_png() -> None:
    """An indexed PNG of someone else is a PNG, and not taken for our own."""
    buffer = io.BytesIO()
    Image.fromarray(smooth_image(20, 20)).quantize(8).save(buffer, "PNG")
    assert identify(buffer.getvalue()) == "png"
    assert identify(image_file(smooth_image(20, 20))) == "png"
    with pytest.raises(CorruptDataError, match="no gpKM chunk"):
        get_codec("kmeans").decode(buffer.getvalue())


def test_very_many_colors_are_joined_before_clustering() -> None:
    """Noise of more colours than are clustered one by one still gets a palette that fits all its pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    decoded = decode(get_codec("kmeans", k=64).encode(noise))
    assert len(np.unique(decoded.reshape(-1, 3), axis=0)) == 64
    # 64 cells of equal size would be cubes of side 64: an error of 64^2 / 12 in each channel.
    assert psnr(noise, decoded) > 10 * np.log10(255**2 / (64**2 / 12)) - 0.5


@pytest.mark.data
@pytest.mark.parametrize("k", [16, 64])
def test_no_worse_than_scikit_learn(shared_data: Path, k: int) -> None:
    """On photographs the PSNR is at most 0.02 dB below that of scikit-learn's KMeans on all pixels."""
    with tarfile.open(shared_data / "kodak.tar") as archive:
        file = archive.extractfile("kodim07.png")
        assert file is not None
        image = np.ascontiguousarray(decode(file.read())[200:328, 200:328])
    with threadpool_limits(1):
        model = KMeans(k, n_init=1, random_state=0).fit(image.reshape(-1, 3).astype(np.float32))
    centers = np.rint(model.cluster_centers_).astype(np.uint8)
    reference = psnr(image, centers[model.labels_].reshape(image.shape))
    assert psnr(image, decode(get_codec("kmeans", k=k).encode(image))) >= reference - 0.02


@pytest.mark.parametrize("dither", [0.5, 1.0])
def test_dithering_keeps_the_mean(dither: float) -> None:
    """Dithered with two greys, a flat ramp keeps its local mean better than without, in the same palette."""
    ramp = np.repeat(np.linspace(60, 190, 64).astype(np.uint8)[:, np.newaxis], 64, axis=1)[..., np.newaxis]
    plain = decode(get_codec("kmeans", k=2).encode(ramp)).astype(float)
    dithered = decode(get_codec("kmeans", k=2, dither=dither).encode(ramp)).astype(float)
    assert set(np.unique(dithered)) <= set(np.unique(plain))

    def error(decoded: np.ndarray) -> float:
        return float(np.abs((decoded - ramp).reshape(8, 8, 8, 8).mean((1, 3))).mean())

    assert error(dithered) < 0.9 * error(plain)
