"""Parameters of a request in the protocol."""

from __future__ import annotations

from collections.abc import Mapping

from ganpress.inference import grpc_service_pb2 as pb

from services.generator import noise
from services.generator.errors import RequestError
from services.generator.served import Ticket

NAMES = ("seed", "count", "truncation", "format", "priority", "timeout")
"""The parameters that a request may have."""

_IGNORED = "triton_enable_empty_final_response"  # every answer here is final, and none is empty
_PRIORITIES = range(4)
_NORMAL = 2


class Parameters:
    """Reads parameters by name and type."""

    def __init__(self, parameters: Mapping[str, pb.InferParameter]) -> None:
        """Takes a request's parameters.

        Raises:
            RequestError: One of them is not known.
        """
        self._parameters = parameters
        for name in sorted(parameters):
            if name not in {*NAMES, _IGNORED}:
                raise RequestError(f"parameter {name!r} is not known: {', '.join(NAMES)} are")

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Returns an integer in low..high, None when it is not given.

        Raises:
            RequestError: It is another value.
        """
        if name not in self._parameters:
            return None
        value = _value(self._parameters[name])
        if not isinstance(value, int) or isinstance(value, bool):
            raise RequestError(f"parameter {name!r} has to be an integer, not {value!r}")
        if not low <= value <= high:
            raise RequestError(f"parameter {name!r} has to be {low} to {high}, not {value}")
        return value

    @property
    def seed(self) -> int | None:
        """Seed of the first image."""
        return self.integer("seed", 0, noise.MAX_SEED)

    @property
    def truncation(self) -> float | None:
        """Factor on latent vectors that are made here."""
        if "truncation" not in self._parameters:
            return None
        value = _value(self._parameters["truncation"])
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise RequestError(f"parameter 'truncation' has to be a number, not {value!r}")
        if not 0 < value <= 1:
            raise RequestError(f"parameter 'truncation' has to be above 0 and at most 1, not {value}")
        return float(value)

    @property
    def as_pixels(self) -> bool:
        """Whether images are wanted as samples, UINT8 [N, H, W, C], not as FP32 [N, C, H, W]."""
        value = _value(self._parameters["format"]) if "format" in self._parameters else "FP32"
        if value not in {"FP32", "UINT8"}:
            raise RequestError(f"parameter 'format' has to be 'FP32' or 'UINT8', not {value!r}")
        return value == "UINT8"

    def ticket(self, caller: str) -> Ticket:
        """Returns how the request stands in the queue."""
        priority = self.integer("priority", _PRIORITIES.start, _PRIORITIES[-1])
        timeout_us = self.integer("timeout", 0, 2**63 - 1)
        return Ticket(caller, priority or _NORMAL, timeout_us / 1e6 if timeout_us else None)


def _value(parameter: pb.InferParameter) -> bool | int | float | str | None:
    kind = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, kind) if kind else None
