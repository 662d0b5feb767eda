"""Palette images in few bytes: indices coded by context mixing, in GanPress's container."""

from services.compressor.codecs.kmeans.packing.file import entries_of, pack, unpack

__all__ = ["entries_of", "pack", "unpack"]
