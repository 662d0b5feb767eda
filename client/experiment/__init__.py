"""Experiments: plans of images, codecs and settings, their results, and reports."""
