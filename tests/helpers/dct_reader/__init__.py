"""A second reader of DCT files, written from docs/codecs/dct.md alone, in plain Python and NumPy.

It is slow and simple, and shares no code with the codec, only the file of priors, so that it proves the
document complete.

bits      range coder and models
blocks    from bits to the samples of a plane
pictures  container, header, filter, colour and alpha: `read`
"""

from tests.helpers.dct_reader.pictures import read

__all__ = ["read"]
