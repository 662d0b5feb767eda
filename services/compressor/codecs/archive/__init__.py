"""Many small images in one file: docs/codecs/archive.md has it byte by byte.

>>> import io
>>> import numpy as np
>>> from services.compressor.codecs import get_codec
>>> from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter
>>> file = io.BytesIO()
>>> with ArchiveWriter(file) as writer:
...     writer.add_image("a/0001", np.zeros((32, 32, 3), np.uint8), get_codec("png"))
>>> ArchiveReader(file).decode("a/0001").shape
(32, 32, 3)
"""

from services.compressor.codecs.archive.reader import ArchiveReader, Damage
from services.compressor.codecs.archive.records import Member, UnknownMemberError
from services.compressor.codecs.archive.writer import ArchiveWriter

__all__ = ["ArchiveReader", "ArchiveWriter", "Damage", "Member", "UnknownMemberError"]
