"""Checks that the locked versions are among those that pyproject.toml allows, and that each has hashes."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"requirements/base.txt": (), "requirements/dev.txt": ("train", "dev")}
"""Locks, and the extras that each has to satisfy."""
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Ends with status 1 and a line for each problem."""
    problems = list(find_problems(ROOT))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


def find_problems(root: Path) -> Iterator[str]:
    """Yields what is wrong with the locks, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, extras in LOCKS.items():
        pins = read_lock(root / name)
        for requirement in requirements(project, extras):
            pinned = pins.get(canonicalize_name(requirement.name))
            if pinned is None:
                yield f"{name} lacks {requirement.name}: run scripts/lock"
            elif not requirement.specifier.contains(pinned[0], prereleases=True):
                yield f"{name} has {requirement.name} {pinned[0]}, wanted is {requirement.specifier}"
        for package, (version, hashes) in pins.items():
            if not hashes:
                yield f"{name} has no hash of {package} {version}: run scripts/lock"


def read_lock(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Returns version and hashes by a package's canonical name."""
    return {
        canonicalize_name(name): (version, re.findall(r"--hash=sha256:[0-9a-f]{64}\b", rest))
        for name, version, rest in _PINNED.findall(path.read_text(encoding="utf-8"))
    }


def requirements(project: dict[str, Any], extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Yields what a project needs here, with extras; those of the project itself are followed."""
    for text in [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            yield from requirements(project | {"dependencies": []}, tuple(sorted(requirement.extras)))
        elif requirement.marker is None or requirement.marker.evaluate():
            yield requirement


if __name__ == "__main__":
    main()
