"""How fast the compressor service is beside its codecs."""
