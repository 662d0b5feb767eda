"""Codes an alpha plane without loss.

Each sample is asked first whether it equals the one to the left, then whether the one above; a sample that
equals neither comes bit by bit. The contexts are the neighbours, so that flat areas and straight edges cost
next to nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import (
    code_mixed,
    compiled,
    finish,
    new_decoder,
    new_encoder,
    new_models,
    new_weights,
    readable,
)
from services.compressor.codecs.coding.coder import Buffer, Coder
from services.compressor.codecs.coding.mixer import Weights
from services.compressor.codecs.coding.models import Models

Alpha = npt.NDArray[np.uint8]

_INPUTS = 3
_REGION = 1 << 16
_LIMIT, _RATE = 255, 20


def encode_alpha(alpha: Alpha) -> bytes:
    """Returns the stream of a uint8 [height, width] plane."""
    buffer = np.empty(32 * alpha.size + 64, np.uint8)
    coder = new_encoder()
    _code(coder, buffer, alpha.copy(), new_models(_INPUTS * _REGION), new_weights(10, _INPUTS))
    return finish(coder, buffer)


def decode_alpha(stream: bytes, height: int, width: int) -> Alpha:
    """Returns the plane of a stream; any bytes give some plane."""
    alpha = np.zeros((height, width), np.uint8)
    buffer = readable(stream)
    _code(new_decoder(buffer), buffer, alpha, new_models(_INPUTS * _REGION), new_weights(10, _INPUTS))
    return alpha


@compiled
def _code(coder: Coder, buffer: Buffer, alpha: Alpha, models: Models, weights: Weights) -> None:
    height, width = alpha.shape
    contexts = np.zeros(_INPUTS, np.int64)
    votes = np.zeros(_INPUTS, np.int32)
    for y in range(height):
        for x in range(width):
            value = np.int64(alpha[y, x])
            above = np.int64(alpha[y - 1, x]) if y else 0
            left = np.int64(alpha[y, x - 1]) if x else above
            corner = np.int64(alpha[y - 1, x - 1]) if x and y else above
            right = np.int64(alpha[y - 1, x + 1]) if y and x + 1 < width else above
            shape = (left == above) + 2 * (above == corner) + 4 * (above == right) + 8 * (left == corner)
            contexts[0] = shape * 256 + left
            contexts[1] = _REGION + (left ^ above) * 256 + above
            contexts[2] = 2 * _REGION + shape * 16 + (left >> 4)
            same = code_mixed(
                coder, buffer, 1 if value == left else 0, models, contexts, votes, weights, 0, _LIMIT, _RATE
            )
            if same:
                alpha[y, x] = left
                continue
            if above != left:
                for i in range(_INPUTS):
                    contexts[i] += 4096 * (1 if i != 1 else 0)
                same = code_mixed(
                    coder,
                    buffer,
                    1 if value == above else 0,
                    models,
                    contexts,
                    votes,
                    weights,
                    1,
                    _LIMIT,
                    _RATE,
                )
                if same:
                    alpha[y, x] = above
                    continue
            node = 1
            for i in range(8):
                contexts[0] = 8192 + node
                contexts[1] = _REGION + 8192 + (left >> 2) * 256 + node
                contexts[2] = 2 * _REGION + 8192 + ((left + above) >> 3) * 256 + node
                bit = code_mixed(
                    coder,
                    buffer,
                    value >> (7 - i) & 1,
                    models,
                    contexts,
                    votes,
                    weights,
                    2 + i,
                    _LIMIT,
                    _RATE,
                )
                node = node << 1 | bit
            alpha[y, x] = node - 256
