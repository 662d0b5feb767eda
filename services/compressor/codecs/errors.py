"""What can go wrong in the codec library.

CodecError
├── UnknownCodecError        there is no codec of this name
├── InvalidOptionError       an option is unknown, out of range or at odds with another
├── UnsupportedImageError    a sound image that cannot be taken, such as an animation
├── CorruptDataError         no image, or one that is truncated or altered
├── TooManyPixelsError       more pixels than the caller accepts
└── MissingPackageError      an optional package is not installed

Every message is one sentence for the user: it names the value and what would be accepted.
"""


class CodecError(Exception):
    """Base of all errors of this package."""


class UnknownCodecError(CodecError):
    """There is no codec of this name; the message lists those that exist."""


class InvalidOptionError(CodecError):
    """An option is unknown, out of range or at odds with another one."""


class UnsupportedImageError(CodecError):
    """The image is sound, but this codec or this library cannot hold it without a silent loss."""


class CorruptDataError(CodecError):
    """The bytes are no image, or one that was truncated or altered."""


class TooManyPixelsError(CodecError):
    """The header announces more pixels than the caller accepts; nothing was decoded."""


class MissingPackageError(CodecError):
    """Something needs an optional package that is not installed; the message says how to get it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package {package}: pip install 'ganpress[{extra}]'")
