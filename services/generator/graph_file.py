"""A graph's file, read once: what is checked is what is run.

A model is a program for the runtime. It is run only as the very file that its card names, whole in itself,
and made of operators that compute tensors from tensors: no loops, no branches, nothing from other libraries.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.generator.errors import CorruptModelError, IncompleteModelError
from services.generator.onnx_file import NotOnnxError, external_tensors, operators

_NAMES = """
Abs Add And ArgMax ArgMin AveragePool BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr
BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Concat Constant ConstantOfShape Conv
ConvInteger ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Div Dropout
DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample
GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM
LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger
Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow
QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size
Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu
Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
"""
OPERATORS = frozenset(_NAMES.split())
"""Operators of ONNX's own domain that a graph may have."""


def read_graph(path: Path, digest: str = "") -> bytes:
    """Returns a graph's file after checking it; give these bytes, not the path, to a runtime.

    Args:
        path: The file.
        digest: SHA-256 that it has to have, lower-case hexadecimal; empty: any.

    Raises:
        IncompleteModelError: It is another file.
        CorruptModelError: It cannot be read, or is nothing to run; see `check_graph`.
    """
    try:
        onnx = path.read_bytes()
    except OSError as error:
        raise IncompleteModelError(f"cannot read {path}: {error.strerror}") from error
    check_digest(onnx, digest, str(path))
    check_graph(onnx, str(path))
    return onnx


def check_digest(onnx: bytes, digest: str, where: str) -> None:
    """Raises IncompleteModelError when a digest is given and the file has another one."""
    found = hashlib.sha256(onnx).hexdigest()
    if digest and found != digest:
        raise IncompleteModelError(f"{where} has the SHA-256 {found}, its card says {digest}")


def check_graph(onnx: bytes, where: str) -> None:
    """Makes sure that a file is the whole of a graph, and has no operators but those of `OPERATORS`.

    Args:
        onnx: The file.
        where: Path or URL of the file, for messages.

    Raises:
        CorruptModelError: It needs other files, has other operators, or is no ONNX file at all.
    """
    try:
        external, others = external_tensors(onnx), sorted(operators(onnx) - OPERATORS)
    except NotOnnxError as error:
        raise CorruptModelError(f"{where} is not an ONNX file") from error
    if external:
        raise CorruptModelError(
            f"{where} keeps the values of {external[0]!r} in another file, which its digest does not cover: "
            "store all weights in model.onnx"
        )
    if others:
        raise CorruptModelError(
            f"{where} has the operator {others[0]}, which is not run: only operators of ONNX's own domain "
            "that compute tensors without loops and branches are (services/generator/graph_file.py)"
        )
