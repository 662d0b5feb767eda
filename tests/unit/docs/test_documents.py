"""The pages for readers: what they link to and what they tell to type is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

import click
import pytest

from client.cli import cli as client
from services.common.settings import env_of
from services.compressor.__main__ import main as compressor
from services.compressor.settings import CompressorSettings
from services.generator.__main__ import main as generator
from services.generator.settings import GeneratorSettings
from trainer.cli import cli as trainer

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda page: str(page.relative_to(ROOT))
)
PROGRAMS: dict[str, click.Command] = {
    "client": client,
    "ganpress": client,
    "ganpress-compressor": compressor,
    "ganpress-generator": generator,
    "ganpress-trainer": trainer,
}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_END_OF_COMMAND = re.compile(r"[|&;<>()]+")


def name(page: Path) -> str:
    """Returns a page's path within the repository."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """Returns a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yields a page's links within the repository: as written, their files, their anchors."""
    for link in _LINK.findall(text_of(page)):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


def commands(page: Path) -> Iterator[list[str]]:
    """Yields the words of each command of a page, in its shell blocks and within its lines."""
    whole = page.read_text(encoding="utf-8")
    lines = [
        line
        for language, block in _FENCE.findall(whole)
        if language == "sh"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", text_of(page))]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # within a line, what is no command may have half a quotation
            continue
        command: list[str] = []
        for word in [*words, ";"]:
            if _END_OF_COMMAND.fullmatch(word):
                yield command
                command = []
            elif command or not re.fullmatch(r"[A-Z_]+=.*|eval", word):  # settings of the environment
                command.append(word)


def unknown_words(program: click.Command, words: list[str]) -> Iterator[str]:
    """Yields the subcommands and options of a command line that its program does not have."""
    command, rest = program, iter(words)
    for word in rest:
        with click.Context(command, info_name="program", **program.context_settings) as context:
            options = {
                option: parameter
                for parameter in command.get_params(context)
                for option in (*parameter.opts, *parameter.secondary_opts)
            }
            subcommands = command.list_commands(context) if isinstance(command, click.Group) else []
            if re.match(r"--?[a-z]", word):
                option, equals, _ = word.partition("=")
                known = options.get(option)
                if known is None:
                    yield word
                elif not equals and isinstance(known, click.Option) and not (known.is_flag or known.count):
                    next(rest, None)  # its value
            elif word in subcommands:
                assert isinstance(command, click.Group)
                command = command.get_command(context, word) or command
            elif subcommands and program in {client, trainer} and re.fullmatch(r"[a-z-]+", word):
                yield word


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link within the repository names a file that exists, and a heading that this file has."""
    for link, file, anchor in links(page):
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tables_are_whole(page: Path) -> None:
    """All rows of a table have as many cells as its head, and an empty line ends it."""
    cells: int | None = None
    for line in _FENCE.sub("", page.read_text(encoding="utf-8")).splitlines():
        if not line.startswith("|"):
            assert cells is None or not line.strip(), line
            cells = None
            continue
        found = re.sub(r"\\\|", "", line).count("|")
        assert cells in {None, found}, line
        cells = found


def test_every_page_can_be_reached() -> None:
    """From the README, links lead to every page."""
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [file for _, file, _ in links(page) if file.suffix == ".md"]
            waiting += [file / "README.md" for _, file, _ in links(page) if (file / "README.md").exists()]
    assert sorted(map(name, set(PAGES) - reached)) == []


def test_decisions_are_numbered_and_listed() -> None:
    """The decisions have numbers without gaps, and the list of them gives each with its title."""
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    listed = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for record in records:
        number, _, title = (
            record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(". ")
        )
        assert int(number) == int(record.name[:4])
        assert f"[{number}]({record.name}) | {title} |" in listed


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_can_be_typed(page: Path) -> None:
    """Every command of a page has a program, subcommands and options that exist."""
    for words in commands(page):
        match words:
            case [program, *rest] if program in PROGRAMS:
                assert list(unknown_words(PROGRAMS[program], rest)) == [], " ".join(words)
            case ["python", "-m", module, *rest] if module.partition(".")[0] in {
                "benchmarks",
                "tests",
                "services",
            }:
                spec = find_spec(module)
                assert spec is not None, module
                assert spec.origin is not None
                folder = Path(spec.origin).parent
                source = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
                for word in takewhile(lambda word: word != "--", rest):
                    assert not word.startswith("--") or f'"{word}"' in source, " ".join(words)
            case ["python", program, *_] if program.endswith(".py"):
                assert (ROOT / program).is_file(), program
            case [program, *_] if program.startswith(("scripts/", "examples/")):
                assert (ROOT / program).exists(), program
            case _:
                pass


def test_variables_of_the_environment_are_read() -> None:
    """Every variable of the environment that a page names is one that a program reads."""
    settings = {
        env_of(group, field)
        for group in (GeneratorSettings, CompressorSettings)
        for field in [*group.model_fields, "config"]
    }
    tracked = ["git", "grep", "-hoE", "GANPRESS_[A-Z0-9_]*[A-Z0-9]", "--", "*.py", "scripts", "*Dockerfile"]
    read = settings | set(
        subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )
    for page in PAGES:
        named = set(re.findall(r"\bGANPRESS_[A-Z0-9_]*[A-Z0-9]\b(?![_*])", page.read_text(encoding="utf-8")))
        assert sorted(named - read) == [], name(page)
