"""How fast images are served, beside the speed of ONNX Runtime alone and other servers."""
