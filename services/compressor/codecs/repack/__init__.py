"""JPEG files in fewer bytes, and back to the identical file; docs/codecs/repack.md.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGB", (40, 30), "navy").save(file, "JPEG")
>>> unpack(pack(file.getvalue())) == file.getvalue()
True
"""

from services.compressor.codecs.repack.codec import Repack
from services.compressor.codecs.repack.file import jpeg_bytes, pack, unpack

__all__ = ["Repack", "jpeg_bytes", "pack", "unpack"]
