"""PyTriton: Triton's server in front of functions in this process, one a session."""

from __future__ import annotations

import numpy as np
from drawing import MAX_BATCH, MAX_DELAY_S, NAME, PORT, SIZE_PX, WORKERS, Z_DIM, Drawer
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def function() -> object:
    """Returns a function with a session of its own."""
    draw = Drawer()

    @batch
    def infer(z: np.ndarray) -> list[np.ndarray]:
        return [draw(z)]

    return infer


if __name__ == "__main__":
    config = TritonConfig(
        grpc_address="127.0.0.1",
        grpc_port=PORT,
        http_address="127.0.0.1",
        http_port=PORT + 1,
        metrics_port=PORT + 2,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name=NAME,
            infer_func=[function() for _ in range(WORKERS)],
            inputs=[Tensor(name="z", dtype=np.float32, shape=(Z_DIM,))],
            outputs=[Tensor(name="image", dtype=np.uint8, shape=(SIZE_PX, SIZE_PX, 3))],
            config=ModelConfig(
                max_batch_size=MAX_BATCH,
                batcher=DynamicBatcher(max_queue_delay_microseconds=round(MAX_DELAY_S * 1e6)),
            ),
        )
        triton.serve()
