"""K-means."""

from services.compressor.codecs.kmeans.codec import Kmeans

__all__ = ["Kmeans"]
