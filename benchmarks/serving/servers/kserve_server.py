"""KServe's SDK: no batching; one session with as many threads as there are cores."""

from __future__ import annotations

from typing import Any

from drawing import NAME, PORT, WORKERS, Drawer
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Generator(Model):
    """Draws latent vectors."""

    def load(self) -> bool:
        self._draw = Drawer(WORKERS)
        self.ready = True
        return True

    def predict(self, payload: InferRequest, *_: Any, **__: Any) -> InferResponse:
        pixels = self._draw(payload.inputs[0].as_numpy())
        output = InferOutput("image", list(pixels.shape), "UINT8")
        output.set_data_from_numpy(pixels, binary_data=True)
        return InferResponse(payload.id, NAME, [output], use_binary_outputs=True)


if __name__ == "__main__":
    model = Generator(NAME)
    model.load()
    ModelServer(http_port=PORT + 1, grpc_port=PORT).start([model])
