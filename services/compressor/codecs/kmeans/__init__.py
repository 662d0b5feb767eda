"""K-means."""

from services.compressor.codecs.kmeans.codec import Kmeans, is_kmeans

__all__ = ["Kmeans", "is_kmeans"]
