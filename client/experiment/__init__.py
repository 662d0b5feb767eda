"""Experiments: generated and real images through every codec and setting, as rows and as a report."""
