"""Freed memory is kept for the next step."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from trainer.memory import keep_freed_memory


def faults_of_a_large_block() -> int:
    """Returns how many pages the kernel gave meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(12 << 20)  # 48 MB: above any size from which the C library asks the kernel each time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another C library than GNU's")
def test_a_block_that_was_freed_needs_no_new_pages() -> None:
    """Once memory is kept, asking again for as large a block as was freed makes the kernel give no page."""
    if not keep_freed_memory():
        pytest.skip("another C library than GNU's")
    assert min(faults_of_a_large_block() for _ in range(8)) < 100  # of 12,288; the first times the heap grows
