"""Speed and quality of training, beside PyTorch's example."""

import os

# As the trainer's command line does, before PyTorch is imported: see trainer/cli.py.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
