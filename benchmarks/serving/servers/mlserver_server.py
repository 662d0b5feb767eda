"""Writes MLServer's settings into the current folder and starts it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from drawing import MAX_BATCH, MAX_DELAY_S, NAME, PORT, WORKERS

settings = {
    "host": "127.0.0.1",
    "grpc_port": PORT,
    "http_port": PORT + 1,
    "metrics_port": PORT + 2,
    "parallel_workers": WORKERS,
    "grpc_max_message_length": 2**26,
}
model = {
    "name": NAME,
    "implementation": "mlserver_runtime.Generator",
    "max_batch_size": MAX_BATCH,
    "max_batch_time": MAX_DELAY_S,
}
Path("settings.json").write_text(json.dumps(settings))
Path("model-settings.json").write_text(json.dumps(model))
os.environ["PYTHONPATH"] = str(Path(__file__).parent)
os.execv(sys.executable, [sys.executable, "-c", "from mlserver.cli import main; main()", "start", "."])
