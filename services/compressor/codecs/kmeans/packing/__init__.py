"""Palette images in few bytes: indices coded by context mixing, in GanPress's container."""

from services.compressor.codecs.kmeans.packing.file import CONTAINER_CODEC, entries_of, pack, unpack

__all__ = ["CONTAINER_CODEC", "entries_of", "pack", "unpack"]
