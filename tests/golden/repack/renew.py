"""Writes the golden files of repacked JPEGs: `python -m tests.golden.repack.renew`.

Files that exist are never written again: yesterday's files must open for ever.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from services.compressor.codecs import repack
from tests.helpers.jpegs import jpeg, photo

GOLDEN = Path(__file__).parent
EXPECTED = GOLDEN / "expected.json"


def main() -> None:
    """Writes what is missing."""
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    files = {
        "baseline-420.gpc": jpeg(photo(40, 27), quality=85),
        "progressive-444.gpc": jpeg(photo(33, 30), progressive=True, subsampling=0, quality=95),
        "grey-restart.gpc": jpeg(photo(25, 18, "L"), restart_marker_blocks=1),
        "cmyk.gpc": jpeg(photo(20, 17, "CMYK"), optimize=True) + b"tail",
        "1x1.gpc": jpeg(photo(1, 1)),
        "trained-420.gpc": jpeg(photo(40, 27), quality=85),
        "trained-progressive-444.gpc": jpeg(photo(33, 30), progressive=True, subsampling=0, quality=95),
        "trained-grey.gpc": jpeg(photo(25, 18, "L"), restart_marker_blocks=1),
        "trained-cmyk.gpc": jpeg(photo(20, 17, "CMYK"), optimize=True) + b"tail",
    }
    for name, data in files.items():
        if name not in expected:
            (GOLDEN / name).write_bytes(repack.pack(data))
            expected[name] = sha256(data).hexdigest()
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
