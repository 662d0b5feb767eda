"""Trains image GANs and exports their generators to ONNX with a model card."""
