"""The generator service: images drawn from ONNX generators, named by their seeds."""
