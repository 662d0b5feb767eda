"""Generated images stored as what regenerates them: docs/codecs/seed.md has it byte by byte.

>>> import numpy as np
>>> from services.compressor.codecs.seed import Origin, SeedCodec
>>> codec = SeedCodec(lambda origin: np.full((64, 64, 3), origin.seed + 0.25, np.float32))
>>> data = codec.encode(np.full((64, 64, 3), 7, np.uint8), Origin("ab" * 32, "sedan", 7))
>>> len(data) < 80, codec.decode(data)[0, 0].tolist()
(True, [7, 7, 7])
"""

from services.compressor.codecs.seed.codec import (
    RegenerationError,
    Sampler,
    SeedCodec,
    is_seed,
    read_origin,
)
from services.compressor.codecs.seed.layout import Origin

__all__ = [
    "Origin",
    "RegenerationError",
    "Sampler",
    "SeedCodec",
    "is_seed",
    "read_origin",
]
