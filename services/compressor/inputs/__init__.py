"""Image files of the real world, as the codecs take them, with a report of what was changed on the way.

>>> from services.compressor.codecs import get_codec
>>> import numpy as np
>>> data = get_codec("png").encode(np.zeros((4, 6, 3), np.uint8))
>>> picture = read(data)
>>> picture.frames[0].shape, picture.format, picture.changes
((4, 6, 3), 'png', ())
"""

from services.compressor.inputs.picture import Change, ChangeKind, Picture
from services.compressor.inputs.plugins import input_formats
from services.compressor.inputs.reading import MAX_FRAMES, read
from services.compressor.inputs.wishes import Wishes

__all__ = ["MAX_FRAMES", "Change", "ChangeKind", "Picture", "Wishes", "input_formats", "read"]
