"""Numbers of bytes as people write them."""

from __future__ import annotations

import click
import pytest

from client.request_options import ByteCount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60600", 60600),
        ("60KB", 61440),
        ("60 kb", 61440),
        ("1.5MB", 1572864),
        ("2M", 2097152),
        ("1KiB", 1024),
    ],
)
def test_byte_counts(text: str, expected: int) -> None:
    """Units of 1024 bytes, of either case, with fractions."""
    assert ByteCount().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "KB", "1.2.3", "1TB", "much", "1e400"])
def test_other_words_are_refused(text: str) -> None:
    """What is no number of bytes is named."""
    with pytest.raises(click.BadParameter, match="is no number of bytes, such as 60600, 60KB or"):
        ByteCount().convert(text, None, None)
