"""The reference pages say what the code does."""

from __future__ import annotations

import pytest

from scripts.gen_docs import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name):
    """A generated page is what `scripts/gen_docs.py` gives; if not, run it."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()
