"""DCT codec of GanPress: blocks of 8 to 32 samples, chosen by cost, in a context-mixing coder.

codec       the codec and its options
plan        what the options mean for the encoder
header      the bytes before the coefficients
planes      pixels to planes and back; alpha: the alpha plane
steps       quantiser steps; transforms: the DCT; scan: the order of coefficients
quantise    sizes of blocks and coefficients by cost; threshold: the study's control
contexts    what the models see; entropy: bits and samples of a plane
picture     all planes of a picture
priors      what training has taught the models
postfilter  the filter behind the decoder
"""

from services.compressor.codecs.dct.codec import DEFAULT_QUALITY, Dct

__all__ = ["DEFAULT_QUALITY", "Dct"]
