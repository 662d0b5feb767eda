"""The primitives of binary context mixing."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compressor.codecs.coding import (
    SQUASH,
    STRETCH,
    code_adaptive,
    code_bit,
    code_mixed,
    cost_bits,
    finish,
    has_overflowed,
    new_decoder,
    new_encoder,
    new_meter,
    new_models,
    new_weights,
    readable,
)

EMPTY = np.zeros(0, np.uint8)
bits_and_chances = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 65535)), max_size=300)


def code_sequence(coder: np.ndarray, buffer: np.ndarray, bits: list[int]) -> list[int]:
    """Codes bits by three contexts of the bits before them."""
    models, weights = new_models(512), new_weights(2, 3)
    contexts, votes = np.zeros(3, np.int64), np.zeros(3, np.int32)
    history, coded = 1, []
    for bit in bits:
        contexts[:] = history & 1, 2 + (history & 15), 32 + (history & 255)
        coded.append(code_mixed(coder, buffer, bit, models, contexts, votes, weights, history & 1, 255, 20))
        history = (history << 1 | coded[-1]) & 0xFFFF
    return coded


@settings(max_examples=60, deadline=None)
@given(bits_and_chances)
def test_bits_come_back(sequence: list[tuple[int, int]]) -> None:
    """Bits of any probabilities come back from the range coder."""
    buffer = np.zeros(2 * len(sequence) + 8, np.uint8)
    coder = new_encoder()
    for bit, chance in sequence:
        code_bit(coder, buffer, bit, chance)
    data = readable(finish(coder, buffer))
    coder = new_decoder(data)
    assert [code_bit(coder, data, 0, chance) for _, chance in sequence] == [bit for bit, _ in sequence]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=300))
def test_mixed_bits_come_back(bits: list[int]) -> None:
    """What the mixer learns while encoding, it learns while decoding."""
    buffer = np.zeros(2 * len(bits) + 8, np.uint8)
    coder = new_encoder()
    code_sequence(coder, buffer, bits)
    data = readable(finish(coder, buffer))
    assert code_sequence(new_decoder(data), data, [0] * len(bits)) == bits


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_decode_to_something(data: bytes) -> None:
    """A decoder of any bytes gives bits, for as long as it is asked."""
    buffer = readable(data)
    assert set(code_sequence(new_decoder(buffer), buffer, [0] * 400)) <= {0, 1}


def test_full_buffer_is_noticed() -> None:
    """An encoder writes nothing outside of its buffer and says that it was too small."""
    memory = np.full(40, 7, np.uint8)
    coder = new_encoder()
    for i in range(200):
        code_bit(coder, memory[:10], i & 1, 30000)
    assert np.all(memory[10:] == 7)
    assert has_overflowed(coder, memory[:10])
    with pytest.raises(ValueError, match="buffer of 10 bytes is too small"):
        finish(coder, memory[:10])


def test_size_is_near_the_entropy() -> None:
    """Bits with a chance of 5 % take hardly more than their entropy, coded and as measured."""
    bits = (np.random.default_rng(1).random(20_000) < 0.05).astype(int).tolist()
    buffer, coder, meter, models = np.zeros(20_000, np.uint8), new_encoder(), new_meter(), new_models(2)
    for bit in bits:
        code_adaptive(coder, buffer, bit, models, 0, 511)
        code_adaptive(meter, EMPTY, bit, models, 1, 511)
    share = sum(bits) / len(bits)
    entropy_bits = -len(bits) * (share * math.log2(share) + (1 - share) * math.log2(1 - share))
    coded_bits = 8 * len(finish(coder, buffer))
    assert entropy_bits < coded_bits < 1.02 * entropy_bits + 32
    assert cost_bits(meter) == pytest.approx(coded_bits, rel=0.01)


def test_tables_are_inverse() -> None:
    """Stretch undoes squash to its precision; both ascend and never reach certainty."""
    assert np.all(np.diff(SQUASH) >= 0)
    assert np.all(np.diff(STRETCH) >= 0)
    assert 1 <= SQUASH.min() < SQUASH.max() <= 65535
    middles = np.arange(64, 4032)
    assert np.abs(SQUASH[STRETCH[middles] + 2048] / 16 - (middles + 0.5)).max() < 4.1


def test_same_bytes_without_compilation() -> None:
    """Python without Numba's compiler writes the same bytes."""
    program = (
        "from tests.unit.codecs.coding.test_coding import *\n"
        "buffer, coder = np.zeros(99, np.uint8), new_encoder()\n"
        "code_sequence(coder, buffer, [i * i % 7 & 1 for i in range(400)])\n"
        "print(finish(coder, buffer).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for disabled in ("0", "1")
    }
    assert len(outputs) == 1
