"""Models of 8-bit integers from models of floating-point numbers, by post-training quantization.

Needs the packages of the extra `quantize`; only the command imports them, never the service.
"""
