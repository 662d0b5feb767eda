"""The Open Inference Protocol: the generator's models as any client of KServe or Triton sees them."""
