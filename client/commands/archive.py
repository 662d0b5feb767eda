"""`client archive`: many images in one file."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from client.errors import GanpressError, InputError, PartialError
from client.options import (
    PLACE,
    Wording,
    force_option,
    inputs_argument,
    json_option,
    output_option,
    wording_options,
)
from client.outputs import Output, open_file, open_sink
from client.places import is_url
from client.records import size_text
from client.report import Report
from client.samples import Sample, Source
from client.tables import print_table
from client.terminal import note, open_source, progress

if TYPE_CHECKING:
    from client.archives import Collector


@click.group(short_help="Put many images into one file, list them, take them out.")
def archive() -> None:
    """Put many images into one file, list them, take them out (docs/codecs/archive.md).

    Images lie in an archive as their files are: compress them first. The archive is smaller than a tar, any
    member can be read alone, it can grow, and damage to one member costs no other.

    \b
    client compress photos/ --codec dct | client archive create photos.gpa
    client archive list photos.gpa
    client archive extract photos.gpa 'trucks/*' -o trucks/
    client decompress photos.gpa -o back/
    """  # noqa: D301 - click keeps the lines after \b as they are


@archive.command(short_help="Put images into a new archive.")
@click.argument("file", metavar="ARCHIVE", type=PLACE)
@inputs_argument
@force_option
@wording_options
def create(file: str, inputs: Sequence[str], force: bool, wording: Wording) -> None:
    """Put images into a new ARCHIVE, with the files that belong to them; - is stdout.

    INPUTS are image files, folders, patterns, tars, archives and URLs; without any, stdin is an image or tar.
    """
    from client.archives import Collector
    from services.compressor.codecs.archive import ArchiveWriter

    source = open_source(inputs, output=file)
    report = Report(source, "archived", wording, images_on_stdout=file == "-")
    with open_file(file, force=force) as opened, ArchiveWriter(opened) as writer:
        _collect(source, Collector(writer), report)
        report.check_any()
    report.finish()


@archive.command(short_help="Add images to an archive.")
@click.argument("file", metavar="ARCHIVE", type=PLACE)
@inputs_argument
@force_option
@wording_options
def append(file: str, inputs: Sequence[str], force: bool, wording: Wording) -> None:
    """Add images to an ARCHIVE; with --force they take the place of those of the same name."""
    from client.archives import Collector, append_to

    if is_url(file):
        raise InputError(f"{file}: only an archive on this machine can grow")
    with append_to(Path(file)) as (writer, reader):
        source = open_source(inputs, output=file)
        report = Report(source, "added", wording, images_on_stdout=False)
        _collect(source, Collector(writer, None if force else reader.__contains__), report)
        report.check_any()
    report.finish()


@archive.command(name="list", short_help="List what is in an archive.")
@click.argument("file", metavar="ARCHIVE", type=PLACE)
@json_option
def list_(file: str, as_json: bool) -> None:
    """List the members of an ARCHIVE: name, codec and bytes; - is stdin. Damaged ones are told.

    With --json each member is one line, and the totals are the last.
    """
    from client.archives import damage, damaged_places, list_members, open_archive, read_member

    rows: list[list[str]] = []
    member_bytes = 0
    unread: list[str] = []
    with open_archive(file) as (reader, archive_bytes):
        keys, damaged = list_members(reader)
        for key in keys:
            try:
                member = read_member(reader, key)
            except InputError as error:
                unread.append(key)
                note(f"error: {key}: {error}")
                continue
            member_bytes += len(member.data)
            if as_json:
                click.echo(json.dumps({"name": key, "codec": member.codec, "bytes": len(member.data)}))
            else:
                rows.append([key, member.codec, size_text(len(member.data))])
        damaged += len(unread)
        for place in damaged_places(reader) if damaged else ():
            note(f"error: {file}: {place}")
    count = len(keys) - len(unread)
    if as_json:
        totals = {"members": count, "member_bytes": member_bytes, "archive_bytes": archive_bytes}
        click.echo(json.dumps({"summary": {**totals, "damaged": damaged}}))
    else:
        print_table(["name", "codec", "size"], rows)
        click.echo(f"\n{count} members of {size_text(member_bytes)} in {size_text(archive_bytes)}")
    if damaged:
        raise PartialError(f"{file}: {damage(damaged)}")


@archive.command(short_help="Take images out of an archive.")
@click.argument("file", metavar="ARCHIVE", type=PLACE)
@click.argument("names", nargs=-1)
@output_option
@force_option
@wording_options
def extract(file: str, names: Sequence[str], output: str | None, force: bool, wording: Wording) -> None:
    """Take files out of an ARCHIVE as they were put in: all, or those with NAMES, which may be patterns.

    They become a tar, or files in a folder with the same names and tree; one NAME without wildcards is a
    plain file. `client decompress` takes archives, too, and gives PNGs.
    """
    from client.archives import damage, file_name, list_members, open_archive, read_member

    is_one = len(names) == 1 and not any(char in names[0] for char in "*?[")
    with open_archive(file) as (reader, _):
        keys, damaged = list_members(reader)
        chosen = [key for key in keys if not names or any(fnmatch.fnmatchcase(key, name) for name in names)]
        for name in names:
            if not any(fnmatch.fnmatchcase(key, name) for key in chosen):
                raise InputError(f"{file} has no member {name!r}; it has {len(keys)}")
        source = Source(not is_one, len(chosen), ())
        report = Report(source, "extracted", wording, images_on_stdout=output in (None, "-"))
        try:
            with open_sink(output, is_stream=not is_one, total=len(chosen), force=force) as sink:
                for key in chosen:
                    path = PurePosixPath(key.lstrip("/"))
                    try:
                        if ".." in path.parts:
                            raise InputError("its name leads out of the folder")
                        read = partial(read_member, reader, key)
                        path, data = PurePosixPath(file_name(read, str(path))), read().data
                        sink.add(Output(str(path.with_suffix("")), path.suffix, data))
                    except InputError as error:
                        report.fail(key, error)
                        continue
                    sample = Sample(key, key, data)
                    report.done(sample, size_text(len(data)), {"bytes": len(data)})
                if damaged and not names:
                    report.fail(file, damage(damaged))
                report.check_any()
        except GanpressError:
            report.break_off()
            raise
    report.finish()


def _collect(source: Source, collector: Collector, report: Report) -> None:
    with progress("archiving", source.total) as bar:
        for item in source:
            bar.advance()
            if not isinstance(item, Sample):
                report.fail(item.name, item.reason)
                continue
            try:
                name, size_bytes = collector.add(item)
            except InputError as error:
                report.fail(item.name, error)
                continue
            report.done(item, f"{size_text(size_bytes)} as {name}", {"member": name, "bytes": size_bytes})
