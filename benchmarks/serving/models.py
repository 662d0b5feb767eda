"""The generators that are served: DCGAN with 64 features (Radford et al. 2015), untrained.

Speed does not depend on the values of weights. Norms are left out: ONNX Runtime folds them into the
convolutions when it loads a model.
"""

from __future__ import annotations

from pathlib import Path

from tests.helpers.models import write_model

Z_DIM = 100
SIZES_PX = (64, 32)


def write_models(root: Path) -> None:
    """Writes the models `dcgan64` and `dcgan32` into a model repository."""
    for size_px in SIZES_PX:
        write_model(root, name(size_px), labels=(), z_dim=Z_DIM, image_size_px=size_px, width=64)


def quantize_models(root: Path) -> None:
    """Adds the int8 variants as newer versions, so that they are what a request without a version gets."""
    from services.generator.quantization.command import make_variant
    from services.generator.quantization.variant import find_model

    for size_px in SIZES_PX:
        make_variant(
            find_model(str(root / name(size_px) / "1")),
            root,
            name=name(size_px),
            version=2,
            images=16,
            calibration_images=300,
            min_psnr_db=0,  # of images of random weights
        )


def name(size_px: int) -> str:
    """Returns a model's name."""
    return f"dcgan{size_px}"


def onnx_path(root: Path, size_px: int) -> Path:
    """Returns the path of a model's graph."""
    return root / name(size_px) / "1" / "model.onnx"
