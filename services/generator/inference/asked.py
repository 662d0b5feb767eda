"""What a request of the protocol asks of a model."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ganpress.inference import grpc_service_pb2 as pb
from ganpress.v1.model_card_pb2 import ModelCard
from numpy.typing import NDArray

from services.common.server import MAX_MESSAGE_BYTES
from services.generator import noise
from services.generator.draws import Rows
from services.generator.engine import Labels
from services.generator.errors import RequestError
from services.generator.inference.parameters import Parameters
from services.generator.inference.tensors import DataType, read_inputs
from services.generator.models import Model
from services.generator.served import ServedModel, Ticket

_DRAWN_SEED_BITS = 53  # a seed that every language's JSON reads back exactly
_OTHER_FIELDS_BYTES = 2**16


@dataclass(frozen=True)
class TensorDraws:
    """Images of latent vectors and labels, each of which is given or comes from the images' seeds."""

    z: NDArray[np.float32] | None
    """float32 [N, z_dim]; None: from the seeds."""
    z_labels: Labels | None
    """int64 [N] or float32 [N, labels]; None: from the seeds, if the model has labels."""
    image_seeds: Sequence[int]
    """Seed of each image; empty when nothing comes from it."""
    n_labels: int
    """Labels of the model."""
    truncation: float
    """Factor on the latent vectors of the seeds."""

    def rows(self, start: int, stop: int) -> Rows:
        """Returns images number `start` to `stop`, without the last."""
        seeds, labels = self.image_seeds[start:stop], self._labels(start, stop)
        if self.z is None:
            return Rows(seeds, lambda of_seeds: noise.truncated(of_seeds, self.truncation), labels)
        z = self.z[start:stop]
        return Rows((), lambda _: z, labels)

    def _labels(self, start: int, stop: int) -> Labels:
        if self.z_labels is not None:
            return self.z_labels[start:stop]
        if not self.n_labels:
            return np.zeros(stop - start, np.int64)
        seeds = self.image_seeds[start:stop]
        return np.array([noise.drawn_label_index(seed, self.n_labels) for seed in seeds], np.int64)


@dataclass(frozen=True)
class Asked:
    """What a request asks of a model."""

    draws: TensorDraws
    """The images."""
    rows: int
    """How many."""
    as_pixels: bool
    """As samples, uint8 [N, H, W, C], or as the graph gives them, float32 [N, C, H, W]."""
    outputs: Sequence[str]
    """Names of the outputs that are wanted, in their order."""
    ticket: Ticket
    """How the request stands in the queue."""

    @classmethod
    def of(cls, request: pb.ModelInferRequest, served: ServedModel, caller: str, max_count: int) -> Asked:
        """Reads a request.

        Args:
            request: The request.
            served: The model that it names.
            caller: Who asks.
            max_count: Most images in a request.

        Raises:
            RequestError: An input, output or parameter is not acceptable.
        """
        model, parameters = served.model, Parameters(request.parameters)
        outputs, as_pixels = _outputs(request, model, parameters)
        inputs = read_inputs(request, input_types(model, mixes_labels=served.engine.mixes_labels))
        z, labels = _latents(inputs.get("z"), model), _labels(inputs.get("label"), model)
        rows = _rows(z, labels, parameters, max_rows(model.card, max_count, as_pixels=as_pixels))
        truncation = parameters.truncation
        if z is not None and truncation is not None:
            raise RequestError("parameter 'truncation' goes with a seed, not with a given z")
        draws = TensorDraws(
            z,
            labels,
            _seeds(parameters.seed, rows, is_needed=z is None or (labels is None and bool(model.labels))),
            len(model.labels),
            1.0 if truncation is None else truncation,
        )
        return cls(draws, rows, as_pixels, outputs, parameters.ticket(caller))


def input_types(model: Model, *, mixes_labels: bool) -> dict[str, Sequence[DataType]]:
    """Returns the data types that each input of a model may have, the usual one first."""
    if not model.labels:
        return {"z": ["FP32"]}
    return {"z": ["FP32"], "label": ["INT64", "BYTES", "FP32"] if mixes_labels else ["INT64", "BYTES"]}


def output_names(model: Model) -> list[str]:
    """Returns the names of a model's outputs."""
    return ["image", "label"] if model.labels else ["image"]


def max_rows(card: ModelCard, max_count: int, *, as_pixels: bool = False) -> int:
    """Returns how many images a request may ask for: they come in one message."""
    image_bytes = card.image_size_px**2 * card.channels * (1 if as_pixels else 4)
    return max(1, min(max_count, (MAX_MESSAGE_BYTES - _OTHER_FIELDS_BYTES) // (image_bytes + 8)))


def _outputs(
    request: pb.ModelInferRequest, model: Model, parameters: Parameters
) -> tuple[Sequence[str], bool]:
    """Returns the outputs that are wanted, and whether images are wanted as samples."""
    known, as_pixels = output_names(model), parameters.as_pixels
    names = [output.name for output in request.outputs]
    for output in request.outputs:
        name = output.name
        if name not in known:
            raise RequestError(
                f"model {model.name!r} has no output {name!r}; its outputs are {', '.join(known)}"
            )
        if names.count(name) > 1:
            raise RequestError(f"output {name!r} is wanted twice")
        unknown = sorted(set(output.parameters) - ({"format"} if name == "image" else set()))
        if unknown:
            raise RequestError(f"parameter {unknown[0]!r} of output {name!r} is not supported")
        if output.parameters:
            as_pixels = Parameters(output.parameters).as_pixels
    return names or known, as_pixels


def _latents(z: NDArray[Any] | None, model: Model) -> NDArray[np.float32] | None:
    if z is None:
        return None
    if z.ndim != 2 or z.shape[1] != model.card.z_dim:
        raise RequestError(
            f"input 'z' of model {model.name!r} has to have the shape [N, {model.card.z_dim}], not "
            f"{list(z.shape)}"
        )
    if not np.isfinite(z).all():
        raise RequestError("input 'z' has to hold finite numbers, not NaN or infinity")
    return z


def _labels(labels: NDArray[Any] | None, model: Model) -> Labels | None:
    """Returns indices [N] of labels given by index or name, [N] or [N, 1], or weights [N, labels]."""
    if labels is None:
        return None
    n_labels = len(model.labels)
    if labels.dtype == np.float32:
        if labels.ndim != 2 or labels.shape[1] != n_labels:
            raise RequestError(
                f"input 'label' of FP32 has to have the shape [N, {n_labels}], not {list(labels.shape)}"
            )
        if not np.isfinite(labels).all():
            raise RequestError("input 'label' has to hold finite weights, not NaN or infinity")
        return labels
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise RequestError(f"input 'label' has to have the shape [N] or [N, 1], not {list(labels.shape)}")
    labels = labels.reshape(-1)
    if labels.dtype == object:
        indices = {label.encode(): index for index, label in enumerate(model.labels)}
        unknown = next((name for name in labels if name not in indices), None)
        if unknown is not None:
            raise RequestError(
                f"model {model.name!r} has no label {unknown.decode(errors='replace')!r}; its labels are "
                f"{', '.join(model.labels)}"
            )
        return np.array([indices[name] for name in labels], np.int64)
    outside = labels[(labels < 0) | (labels >= n_labels)]
    if outside.size:
        raise RequestError(
            f"label indices of model {model.name!r} go from 0 to {n_labels - 1}, not {outside[0]}"
        )
    return labels


def _rows(z: NDArray[np.float32] | None, labels: Labels | None, parameters: Parameters, most: int) -> int:
    count = parameters.integer("count", 1, 2**63 - 1)
    sizes = {"z": z, "label": labels}
    given = {name: len(array) for name, array in sizes.items() if array is not None}
    if count is not None:
        given["count"] = count
    rows = next(iter(given.values()), 1)
    if any(size != rows for size in given.values()):
        told = ", ".join(f"{size} by {name!r}" for name, size in given.items())
        raise RequestError(f"the number of images has to be the same everywhere, not {told}")
    if not 1 <= rows <= most:
        raise RequestError(f"a request may ask for 1 to {most} images in this format, not for {rows}")
    return rows


def _seeds(given: int | None, rows: int, *, is_needed: bool) -> Sequence[int]:
    if not is_needed:
        if given is not None:
            raise RequestError("parameter 'seed' is for what is not given, but z and labels are")
        return ()
    first = secrets.randbits(_DRAWN_SEED_BITS) if given is None else given
    if first + rows - 1 > noise.MAX_SEED:
        raise RequestError(f"seeds go from 0 to {noise.MAX_SEED}: {rows} from {first} on are not among them")
    return range(first, first + rows)
