"""The generator and compressor services, and the libraries that they serve."""
