"""How near a quantized model's images are to those of the model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from skimage import feature, metrics, transform  # pyright: ignore[reportMissingTypeStubs]

from services.generator import noise
from services.generator.engine import Engine, to_pixels

hog: Any = cast("Any", feature).hog  # they have no type annotations
structural_similarity: Any = cast("Any", metrics).structural_similarity
resize: Any = cast("Any", transform).resize

Pixels = NDArray[np.uint8]
"""Samples of images, uint8 [N, H, W, C]."""

MAX_PSNR_DB = 100.0
"""What equal images count as, so that means stay finite."""

_BATCH = 32
_HOG_SIDE_PX = 32
_THUMBNAIL_PX = 8


@dataclass(frozen=True)
class Fidelity:
    """What was measured. Distances compare distributions: of one model's images with the other's.

    Each distance of int8 images has a float32 one beside it, of as many float32 images of the same seeds:
    what the choice of seeds alone makes. Where the two are alike, the distribution has not moved.
    """

    images: int
    """Images of each kind."""
    psnr_db: NDArray[np.float64]
    """Of each int8 image against the float32 image of the same seed and label, at most MAX_PSNR_DB."""
    ssim: NDArray[np.float64]
    """The same, structural similarity."""
    max_grey_levels: int
    """Largest difference of a sample."""
    distances: dict[str, tuple[float, float]]
    """Name of each distance to float32 images of other seeds: that of int8 images, that of float32 ones."""


def compare(parent: Engine, child: Engine, z_dim: int, n_labels: int, images: int) -> Fidelity:
    """Draws the images of seeds from 0 on with both models, labels in turn, and measures how alike they are.

    Args:
        parent: The float32 model.
        child: The quantized one.
        z_dim: Length of a latent vector.
        n_labels: Number of labels, 0 for an unconditional model.
        images: Images that are compared one by one; as many again of later seeds are the reference of the
            distances.
    """
    drawn: list[tuple[Pixels, Pixels, Pixels]] = []
    for start in range(0, images, _BATCH):
        stop = min(start + _BATCH, images)
        labels = np.arange(start, stop) % max(n_labels, 1)
        z, other_z = (noise.latents(range(a + start, a + stop), z_dim) for a in (0, images))
        drawn.append((_drawn(parent, z, labels), _drawn(child, z, labels), _drawn(parent, other_z, labels)))
    exact, near, other = (np.concatenate(part) for part in zip(*drawn, strict=True))
    distances: dict[str, tuple[float, float]] = {}
    for name, features in (("hog", hog_features), ("thumbnail", thumbnails)):
        of_exact, of_near, of_other = features(exact), features(near), features(other)
        for kind, distance in (("fd", frechet_distance), ("kid", kernel_distance)):
            distances[f"{kind}_{name}"] = (distance(of_near, of_other), distance(of_exact, of_other))
    differences = np.abs(exact.astype(np.int16) - near)
    return Fidelity(
        images=images,
        psnr_db=psnr_db(exact, near),
        ssim=np.array([_ssim(a, b) for a, b in zip(exact, near, strict=True)]),
        max_grey_levels=int(differences.max()),
        distances=distances,
    )


def psnr_db(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    """Returns the peak signal-to-noise ratio of each image, float64 [N], at most MAX_PSNR_DB."""
    difference = a.astype(np.float64) - b
    error = np.maximum((difference**2).mean(axis=(1, 2, 3)), 255**2 / 10 ** (MAX_PSNR_DB / 10))
    return 10 * np.log10(255**2 / error)


def hog_features(images: Pixels) -> NDArray[np.float64]:
    """Returns shapes: histograms of oriented gradients (Dalal & Triggs 2005), float64 [N, 128].

    Of the grey image at 32 px, 8 orientations in cells of 8x8 px, each cell normalised alone.
    """
    grey = images.mean(axis=3) / 255
    return np.stack([hog(_resized(image, _HOG_SIDE_PX), 8, (8, 8), (1, 1)) for image in grey])


def thumbnails(images: Pixels) -> NDArray[np.float64]:
    """Returns colours: images shrunk to 8x8 px, 0..1, float64 [N, 64 C]."""
    return np.stack([_resized(image / 255, _THUMBNAIL_PX).ravel() for image in images])


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Returns the Fréchet distance of Gaussians fitted to features [N, F] (Heusel et al. 2017), 0 or more."""
    of_a, of_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The trace of (AB)^(1/2) is the sum of the roots of AB's eigenvalues, which are not negative.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(of_a @ of_b).real, 0)).sum()
    means = a.mean(axis=0) - b.mean(axis=0)
    return max(float(means @ means + np.trace(of_a) + np.trace(of_b) - 2 * roots), 0.0)


def kernel_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Returns the squared MMD with a cubic kernel (Bińkowski et al. 2018), unbiased: about 0 for the same."""

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def among(x: NDArray[np.float64]) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return among(a) + among(b) - 2 * float(kernel(a, b).mean())


def _drawn(engine: Engine, z: NDArray[np.float32], labels: NDArray[np.int64]) -> Pixels:
    return to_pixels(engine.run(z, engine.label_input(labels)))


def _ssim(a: Pixels, b: Pixels) -> float:
    side_px = min(a.shape[:2])
    window_px = min(7, side_px - 1 + side_px % 2)  # the largest odd one that fits
    return float(structural_similarity(a, b, win_size=window_px, channel_axis=2, data_range=255))


def _resized(image: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    if image.shape[:2] == (side_px, side_px):
        return image
    return resize(image, (side_px, side_px), order=1, anti_aliasing=True)
