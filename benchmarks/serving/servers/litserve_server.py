"""LitServe: worker processes that batch, over HTTP."""

import base64
from typing import Any

import litserve
import numpy as np
from drawing import MAX_BATCH, MAX_DELAY_S, PORT, WORKERS, Z_DIM, Drawer
from fastapi import Request, Response


class Api(litserve.LitAPI):
    """Draws a batch of requests, each of one or more latent vectors."""

    def setup(self, device: Any) -> None:
        self.draw = Drawer()

    def decode_request(self, request: Request) -> np.ndarray:
        data = b"".join(map(base64.b64decode, request["z"]))
        return np.frombuffer(data, np.float32).reshape(-1, Z_DIM)

    def batch(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
        return np.concatenate(inputs), np.cumsum([len(z) for z in inputs])[:-1].tolist()

    def predict(self, x: tuple[np.ndarray, list[int]]) -> list[np.ndarray]:
        z, ends = x
        return np.split(self.draw(z), ends)

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> Response:
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    api = Api(max_batch_size=MAX_BATCH, batch_timeout=MAX_DELAY_S, api_path="/generate")
    litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, timeout=60).run(
        host="127.0.0.1", port=PORT, generate_client_file=False
    )
