"""Quality and size of a compressed image."""

from services.compressor.codecs.metrics.noise import psnr, psnr_y
from services.compressor.codecs.metrics.perception import ssimulacra2
from services.compressor.codecs.metrics.rates import bd_rate, bits_per_pixel
from services.compressor.codecs.metrics.structure import ms_ssim, ssim

__all__ = ["bd_rate", "bits_per_pixel", "ms_ssim", "psnr", "psnr_y", "ssim", "ssimulacra2"]
