"""libFuzzer by way of Atheris, for one target."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

from tests.fuzz.inputs import WORK, name_of, read_corpus, read_regressions

_INSTRUMENTED = ["services", "client", "trainer", "PIL", "google", "json", "tarfile", "tomllib", "yaml"]
"""Packages whose branches guide the fuzzer."""
_MAX_RSS_MB = 3000
_INPUT_TIMEOUT_S = 600  # of a machine that does much else


def fuzz(name: str, seconds: int, *, is_interpreted: bool, merge: bool, merge_flags: list[str]) -> None:
    """Fuzzes a target; does not return.

    What makes it fail is kept, one input for each place, and fuzzing goes on. With `merge` nothing is fuzzed:
    the least inputs that reach what all together reach are put into the folder `kept`. For that libFuzzer
    starts itself again, with `merge_flags`.
    """
    if is_interpreted:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    else:
        # Numba's cache does not tell functions with checks from those without.
        os.environ["NUMBA_BOUNDSCHECK"] = "1"
        os.environ["NUMBA_CACHE_DIR"] = str(WORK / "numba")
    import atheris

    with atheris.instrument_imports(_INSTRUMENTED, [] if is_interpreted else _kernels()):
        from tests.fuzz.targets import load_target

        target = load_target(name)

    import numpy as np

    np.seterr(over="ignore")
    corpus, kept, found = (WORK / name / folder for folder in ("corpus", "kept", "found"))
    for folder in (corpus, kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    for data in [*target.seeds(), *read_corpus(name), *read_regressions(name).values()]:
        (corpus / name_of(data)).write_bytes(data)
    seen: set[str] = set()

    def run(data: bytes) -> None:
        try:
            target.run(data)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            place = _place(error)
            if place not in seen:
                seen.add(place)
                (found / name_of(place.encode())).write_bytes(data)
                (found / f"{name_of(place.encode())}.txt").write_text(traceback.format_exc())

    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={target.max_bytes}",
        f"-artifact_prefix={found}/",
        f"-rss_limit_mb={_MAX_RSS_MB}",
        f"-timeout={_INPUT_TIMEOUT_S}",
        "-reload=0",
        "-print_final_stats=1",
    ]
    program = WORK / name / "merge.sh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.fuzz {name} --keep --merge-flags "$@"\n')
    program.chmod(0o755)
    folders = ["-merge=1", str(kept), str(corpus)] if merge else [str(corpus)]
    atheris.Setup([str(program), *(merge_flags or [*flags, *folders])], run)
    atheris.Fuzz()


def _place(error: Exception) -> str:
    """Returns what tells findings apart: the kind of error and the last line of ours that it went through."""
    root = str(Path(__file__).parents[2])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
    ours = [frame for frame in frames if "/tests/" not in frame.filename and "/.venv/" not in frame.filename]
    last = (ours or frames)[-1]
    return f"{type(error).__name__} {last.filename}:{last.name}"


def _kernels() -> list[str]:
    """Returns the modules with functions that Numba compiles, which cannot be instrumented."""
    root = Path(__file__).parents[2]
    return [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in (root / "services/compressor/codecs").rglob("*.py")
        if re.search(r"^ *@(compiled|inner|lean)\b|^import numba", path.read_text(), re.MULTILINE)
    ]
