"""Imported by the process from which workers are forked: they begin with every codec imported."""

from services.compressor.codecs import list_codecs, list_file_codecs

list_codecs()
list_file_codecs()
