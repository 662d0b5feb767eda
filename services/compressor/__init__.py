"""Compressor service: DCT, k-means and Pillow codecs over gRPC."""
