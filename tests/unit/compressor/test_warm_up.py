"""Codecs that are compiled before they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.compressor.warm_up import unpack_cache


def test_built_cache_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an image's build compiled is copied to where Numba looks; without either nothing happens."""
    built, target = tmp_path / "built", tmp_path / "target"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(target))
    unpack_cache(built)
    assert not target.exists()
    (built / "dct_1").mkdir(parents=True)
    (built / "dct_1/step.nbi").write_bytes(b"index")
    for _ in range(2):
        unpack_cache(built)
        assert (target / "dct_1/step.nbi").read_bytes() == b"index"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    unpack_cache(built)
