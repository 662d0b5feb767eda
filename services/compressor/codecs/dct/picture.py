"""Codes the planes of a picture, one after the other, into one stream, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import finish, has_overflowed, new_decoder, new_encoder, readable
from services.compressor.codecs.coding.coder import Buffer, Coder
from services.compressor.codecs.dct import filtering
from services.compressor.codecs.dct.blocks import Blocks, Steps, new_room
from services.compressor.codecs.dct.entropy import code_plane
from services.compressor.codecs.dct.header import Header
from services.compressor.codecs.dct.plan import Plan
from services.compressor.codecs.dct.planes import Plane, Samples
from services.compressor.codecs.dct.priors import State, initial_state, prior_for, rates
from services.compressor.codecs.dct.quantise import choose_blocks, quantise_blocks
from services.compressor.codecs.dct.steps import UNIT
from services.compressor.codecs.dct.threshold import threshold_blocks
from services.compressor.codecs.dct.voting import new_coding

_LAGRANGE = np.float32(0.08)  # squared steps a bit
_NEAREST, _FAVOUR_ZERO = 128, 112  # rounding of means, in 1/256 step


def encode_planes(planes: list[Plane], plan: Plan, pixels: int) -> tuple[Header, bytes]:
    """Returns the header and the stream of a picture's padded planes."""
    header = header_of(plan, prior_for(pixels))
    rounding = _NEAREST if plan.threshold is not None else _FAVOUR_ZERO
    return header, _stream(header, planes, quantised_planes(planes, plan), rounding)


def header_of(plan: Plan, prior: int) -> Header:
    """Returns what a picture's header says under a plan."""
    return Header(
        plan.quantiser,
        is_ycbcr=plan.is_ycbcr,
        is_halved=plan.is_halved,
        codes_sizes=plan.largest_level > 0,
        is_filtered=plan.is_filtered,
        is_light=plan.is_fast,
        prior=prior,
    )


def quantised_planes(planes: list[Plane], plan: Plan) -> list[Blocks]:
    """Returns the sizes and coefficients that a plan chooses for padded planes."""
    blocks = [_quantised(planes, number, plan) for number in range(len(planes))]
    if len(planes) == 3:
        blocks[2] = _with_sizes_of(blocks[1], planes[2], plan)
    return blocks


def decode_planes(header: Header, stream: bytes, height: int, width: int, count: int) -> list[Samples]:
    """Returns the samples of all planes, padded."""
    small = ((height + 1) // 2, (width + 1) // 2)
    blocks = [
        Blocks.empty(*(small if number and header.is_halved else (height, width))) for number in range(count)
    ]
    buffer = readable(stream)
    coder = new_decoder(buffer)
    code(coder, buffer, initial_state(header.prior), header, blocks, 0)
    if not header.is_filtered:
        return [plane.samples for plane in blocks]
    return [
        filtering.decode(coder, buffer, header, number, plane.samples) for number, plane in enumerate(blocks)
    ]


def _quantised(planes: list[Plane], number: int, plan: Plan) -> Blocks:
    plane = planes[number]
    blocks = Blocks.empty(*plane.shape)
    if plan.threshold is not None:
        threshold_blocks(plane, plan.threshold, blocks.coefficients, blocks.targets)
    elif number < 2:
        choose_blocks(
            plane,
            _inverse_steps(plan, number),
            _LAGRANGE,
            3 * min(number, 1),
            plan.largest_level,
            *rates(),
            blocks.sizes,
            blocks.coefficients,
            blocks.targets,
        )
    return blocks


def _with_sizes_of(other: Blocks, plane: Plane, plan: Plan) -> Blocks:
    """Returns the third plane's blocks, which have the second's sizes."""
    blocks = Blocks.empty(*plane.shape)
    if plan.threshold is not None:
        threshold_blocks(plane, plan.threshold, blocks.coefficients, blocks.targets)
        return blocks
    blocks.sizes[:] = other.sizes
    quantise_blocks(
        plane,
        _inverse_steps(plan, 2),
        _LAGRANGE,
        3,
        *rates(),
        blocks.sizes,
        blocks.coefficients,
        blocks.targets,
    )
    return blocks


def _inverse_steps(plan: Plan, number: int) -> npt.NDArray[np.float32]:
    steps, _ = plan.quantiser.tables(number)
    return (UNIT / steps).astype(np.float32)


def _stream(header: Header, planes: list[Plane], blocks: list[Blocks], rounding: int) -> bytes:
    size_bytes = 4096 + sum(plane.coefficients.size for plane in blocks)
    while True:
        buffer, coder = np.empty(size_bytes, np.uint8), new_encoder()
        code(coder, buffer, initial_state(header.prior), header, blocks, rounding)
        if header.is_filtered:
            for number, (plane, block) in enumerate(zip(planes, blocks, strict=True)):
                filtering.encode(coder, buffer, header, number, block.samples, plane)
        if not has_overflowed(coder, buffer):
            return finish(coder, buffer)
        size_bytes *= 4


def code(
    coder: Coder, buffer: Buffer, state: State, header: Header, planes: list[Blocks], rounding: int
) -> None:
    """Codes the planes one after the other; a decoder fills them. `rounding` is that of `mean_residual`."""
    coding, room = new_coding(coder, buffer, state.models, state.weights), new_room()
    for number, plane in enumerate(planes):
        other = planes[max(number - 1, 0)]
        if number == 2:
            plane.sizes[:] = other.sizes
        code_plane(
            coding,
            room,
            plane,
            other,
            Steps(*header.quantiser.tables(number)),
            number,
            0 if number == 0 else 2 if number == 1 and header.is_halved else 1,
            int(header.codes_sizes and number < 2),
            int(header.is_light),
            rounding,
        )
