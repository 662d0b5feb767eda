"""Binary context mixing in integers: adaptive bit models, a logistic mixer and a range coder, for Numba.

A codec turns its data into yes-or-no questions. For each it names several contexts; every context has a
model, the probability seen so far in it, and the mixer weighs their votes into one probability, which the
range coder spends bits by. One function asks, encoding and decoding alike, so that both cannot differ:

    coder = new_encoder()                                # or new_decoder(readable(data))
    models = new_models(1000)
    weights = new_weights(sets=4, inputs=3)
    bit = code_mixed(coder, buffer, bit, models, contexts, votes, weights, selected, limit, rate)
    data = finish(coder, buffer)

All arithmetic is on integers, so files decode alike on every CPU, with and without compilation. Nothing reads
or writes outside of the buffer: a decoder sees zeros after its end, an encoder counts the bytes that found no
room. Functions are compiled on first use and cached; they release the GIL.

After mixing in paq8 and lpaq (Mahoney, "Data Compression Explained", chapters 3.2 and 4.3).
"""

from services.compressor.codecs.coding.coder import (
    code_bit,
    cost_bits,
    finish,
    has_overflowed,
    new_decoder,
    new_encoder,
    new_meter,
    readable,
)
from services.compressor.codecs.coding.compiled import compiled, inner, lean
from services.compressor.codecs.coding.mixer import code_mixed, mix, new_weights, train
from services.compressor.codecs.coding.models import code_adaptive, new_models, probability, update
from services.compressor.codecs.coding.tables import SQUASH, STRETCH

__all__ = [
    "SQUASH",
    "STRETCH",
    "code_adaptive",
    "code_bit",
    "code_mixed",
    "compiled",
    "cost_bits",
    "finish",
    "has_overflowed",
    "inner",
    "lean",
    "mix",
    "new_decoder",
    "new_encoder",
    "new_meter",
    "new_models",
    "new_weights",
    "probability",
    "readable",
    "train",
    "update",
]
