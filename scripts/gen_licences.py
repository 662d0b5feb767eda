"""Writes docs/licences.md: the licence of every package that is locked; with --check only compares."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import metadata
from pathlib import Path

from check_locks import read_lock

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/licences.md"
_HEAD = """# Licences

GanPress is under Apache-2.0. These are the packages of others that it uses, by what they say of themselves.
`scripts/gen_licences.py` writes this page from the locked packages (`requirements/`).

"""
_PARTS = {
    "Services and client": ("requirements/base.txt", ()),
    "Besides, for training and development": ("requirements/dev.txt", ("requirements/base.txt",)),
}


def main() -> None:
    """Writes the page, or ends with status 1 when packages are missing from it or too many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        TARGET.write_text(page(), encoding="utf-8")
        return
    # Licences are not compared: newer versions of a package word theirs otherwise.
    listed = set(re.findall(r"^\| ([^ ]+) \| [^|]+ \|$", TARGET.read_text(encoding="utf-8"), re.MULTILINE))
    wanted = {name for part in _PARTS for name in packages(part)}
    if different := sorted(listed - {"package", "---"} ^ wanted):
        sys.exit(f"docs/licences.md differs in {', '.join(different)}: run scripts/gen_licences.py")


def page() -> str:
    """Returns the page."""
    parts: list[str] = []
    for part in _PARTS:
        rows = [f"| {name} | {licence(name)} |" for name in packages(part)]
        parts.append("\n".join([f"## {part}", "", "| package | licence |", "| --- | --- |", *rows, ""]))
    return _HEAD + "\n".join(parts)


def packages(part: str) -> list[str]:
    """Returns the names of a part's packages."""
    lock, others = _PARTS[part]
    known = {name for other in others for name in read_lock(ROOT / other)}
    return sorted(set(read_lock(ROOT / lock)) - known)


def licence(name: str) -> str:
    """Returns what an installed package says of its licence, in a few words."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here"
    for expression in about.get_all("License-Expression") or []:
        return str(expression)
    classes = [str(text).split(" :: ") for text in about.get_all("Classifier") or []]
    named = [words[-1] for words in classes if words[0] == "License" and words[-1] != "OSI Approved"]
    first = "".join(about.get_all("License") or []).strip().partition("\n")[0]
    return ", ".join(named) or first[:60] or "see its files"


if __name__ == "__main__":
    main()
