"""Training images: where they come from, what they are labelled, how they are kept and drawn.

sources -> labels -> prepare -> Dataset -> Sampler; only the sampler needs PyTorch.
"""
