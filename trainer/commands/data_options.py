"""Options of every command that reads raw data, and the table of what was made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from trainer.data.options import DISAGREEING, LABEL_RULES, UNKNOWN, DataOptions

_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--include", multiple=True, help="Take only paths that match this pattern; repeatable."),
    click.option("--exclude", multiple=True, help="Leave out paths that match this pattern; repeatable."),
    click.option("--label-rule", type=click.Choice(LABEL_RULES), default="auto", show_default=True,
                 help="Label of an image: its folder's or class's name, or the car body type in that name; "
                 "auto: body-type for Stanford Cars as published, else folder."),
    click.option("--label", help="One label for all images, instead of a rule."),
    click.option("--label-file", type=_FILE, help="CSV with a label for each file, instead of a rule."),
    click.option("--label-column", default="label", show_default=True,
                 help="Column of --label-file that holds the label; the other is `file`."),
    click.option("--disagreeing", type=click.Choice(DISAGREEING), default="error", show_default=True,
                 help="Which to believe where --label-file and the folder differ."),
    click.option("--label-map", type=_FILE,
                 help="CSV (name,label), JSON or TOML that turns names or patterns into labels."),
    click.option("--unknown", type=click.Choice(UNKNOWN), default="error", show_default=True,
                 help="What becomes of images that --label-file or --label-map does not know."),
    click.option("--unlabelled", multiple=True,
                 help="Give images whose path matches this pattern no label; repeatable."),
    click.option("--drop-label", multiple=True, help="Leave out images of this label; repeatable."),
    click.option("--crop/--no-crop", default=True, show_default=True,
                 help="Cut Stanford Cars photos to their boxes."),
    click.option("--keep-near-doubles", is_flag=True,
                 help="Keep photos that are there a second time with small changes."),
    click.option("--test-share", type=float, default=0.0, show_default=True,
                 help="Share of the images set aside for testing, where the data has no splits."),
    click.option("--data-name", "name", default="", help="Name of the data. [default: DATA's file name]"),
    click.option("--data-terms", "terms", default="", help="Origin and licence of the data."),
)  # fmt: skip


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for raw data; the command gets them as `data_options`, a `DataOptions`."""

    @wraps(command)
    def wrapper(**values: Any) -> Any:
        names = DataOptions.__dataclass_fields__.keys() & values.keys()
        return command(data_options=DataOptions(**{name: values.pop(name) for name in names}), **values)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


@contextmanager
def reading_progress(location: str) -> Iterator[Callable[[int], None]]:
    """Shows on stderr how many files of the raw data have been looked at; gives the function to report to."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(f"reading {location}", err=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"reading {location}")
        yield lambda files: bar.update(task, description=f"reading {location}: {files} files")
