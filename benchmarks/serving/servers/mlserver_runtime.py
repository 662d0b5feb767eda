"""MLServer: worker processes; the server batches before them."""

from __future__ import annotations

from drawing import Drawer
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Generator(MLModel):
    """Draws latent vectors."""

    async def load(self) -> bool:
        self._draw = Drawer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = self._draw(NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("image", pixels)])
