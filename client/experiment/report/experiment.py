"""The report of an experiment, from its results and the runs that trained its models."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from client.experiment.report import curves, labels, pictures, study, summary, verdict
from client.experiment.report.blocks import Block, Code, Column, Points, Report, Section, Table, Text
from client.experiment.report.data import Results
from client.experiment.report.groups import Means, Source, means, sources
from client.experiment.report.measures import Families
from client.experiment.training.sections import training_sections


def experiment_report(results: Results, runs: Sequence[Path]) -> Report:
    """Returns the report of an experiment with the losses and samples of the trainer's runs."""
    found, lines = sources(results), means(results)
    families = Families(
        [(one.codec, one.setting) for one in results.manifest.settings if not _is_search(one.setting)]
    )
    comparisons = verdict.equal_size(results, found)
    rates = _bd_rates(results, families)
    sections = [
        Section("summary", "In short", summary.summary(results, found, lines, comparisons, rates)),
        _verdict(comparisons, families),
        _study(study.overview(found, lines), study.compression_table(found, lines)),
        _curves(found, lines, families, rates),
        _viewer(results, found),
        Section("settings", "Every codec and setting", [curves.settings_table(lines)]),
        _changes(results, found, families),
        _labels(results, found, families),
        *training_sections(runs),
        _sets(results),
        _failures(results),
        Section("reproduce", "How to do it again", _reproduce(results)),
    ]  # fmt: skip
    plan = results.manifest.plan
    return Report(
        f"Experiment: {plan['name']}",
        str(plan.get("description") or ""),
        [section for section in sections if section],
    )


def _is_search(setting: str) -> bool:
    return setting.startswith("size of ")


def _bd_rates(results: Results, families: Families) -> Table | None:
    return curves.bd_rates(results, families) if find_spec("bjontegaard") else None


def _verdict(comparisons: Sequence[verdict.EqualSize], families: Families) -> Section | None:
    if not comparisons:
        return None
    text = (
        "For each image a codec's quality was searched until its file was as large as the reference's, or "
        "just below."
    )
    blocks: list[Block] = [
        Text(text),
        verdict.verdicts(comparisons),
        verdict.chart(comparisons, families),
        verdict.table(comparisons),
    ]
    return Section("equal-size", "Best at equal size", blocks)


def _study(*tables: Table | None) -> Section | None:
    shown = [table for table in tables if table]
    if not shown:
        return None
    notes = [Text(study.NOTE, "note"), study.training_table(), Text(study.TRAINING_NOTE, "note")]
    return Section("study", "Beside the study", [*shown, *notes])


def _curves(
    found: Sequence[Source], lines: Sequence[Means], families: Families, rates: Table | None
) -> Section | None:
    chart = curves.chart(found, lines, families)
    if chart is None:
        return None
    blocks: list[Block] = [chart, *([rates] if rates else [])]
    if not find_spec("bjontegaard"):
        blocks.append(Text("BD-rates need `pip install 'ganpress[metrics]'`.", "note"))
    return Section("curves", "Rate and distortion", blocks)


def _viewer(results: Results, found: Sequence[Source]) -> Section | None:
    shown = pictures.viewer(results, found)
    if shown is None:
        return None
    text = (
        "Drag the border, or move it by arrow keys. JPEG, WebP, AVIF and palette files are shown as they "
        "were written; "
        "what browsers do not read is shown as its pixels."
    )
    return Section("pictures", "See for yourself", [Text(text), shown])


def _changes(results: Results, found: Sequence[Source], families: Families) -> Section | None:
    chart = labels.perturbation_chart(results, found, families)
    table = labels.perturbation_table(results)
    if chart is None or table is None:
        return None
    return Section("changes", "What changes of the image do", [chart, table])


def _labels(results: Results, found: Sequence[Source], families: Families) -> Section | None:
    chart = labels.label_chart(results, found, families)
    table = labels.label_table(results)
    if chart is None or table is None:
        return None
    return Section("labels", "By label", [chart, table])


def _sets(results: Results) -> Section | None:
    if results.sets is None or not results.sets.num_rows:
        return None
    columns = [
        Column("source", "images"),
        Column("model", "model"),
        Column("metric", "metric"),
        Column("value", "value", ".4g"),
        Column("spread", "±", ".2g"),
        Column("real", "photographs", ".4g"),
        Column("origin", "from"),
    ]
    rows = results.query("select source, model, metric, value, spread, real, origin from sets")
    caption = "How close generated images are to photographs, as the trainer measured it."
    return Section("sets", "The generated images as sets", [Table("sets", caption, columns, rows)])


def _failures(results: Results) -> Section | None:
    rows = results.query(
        "select error, source, count(*), count(distinct image), min(image) from cells where error is not "
        "null "
        "group by error, source order by min(cell_index)"
    )
    if not rows:
        return None
    columns = [
        Column("error", "error"),
        Column("source", "images"),
        Column("cells", "cells", "d"),
        Column("image_count", "images", "d"),
        Column("image", "first"),
    ]
    return Section("failures", "What failed", [Table("failures", "Cells without a result.", columns, rows)])


def _reproduce(results: Results) -> list[Block]:
    manifest = results.manifest
    report = shlex.join(["client", "experiment", "report", results.store.location])
    versions = results.query(
        "select ganpress_version, compressor_version, generator_version, libraries, cpu, count(*) from "
        "cells group by all"
    )
    facts = [
        f"Plan `{manifest.plan['name']}`, SHA-256 `{manifest.plan_digest}`; data from `{manifest.data}`."
    ]
    for ganpress, compressor, generator, libraries, cpu, cells in versions:
        packages = ", ".join(f"{name} {number}" for name, number in json.loads(libraries).items())
        services = f"compressor {compressor}" + (f", generator {generator}" if generator else "")
        facts.append(f"{cells:,} cells by GanPress {ganpress} ({services}) on {cpu}; {packages}.")
    columns = [
        Column("source", "images"),
        Column("kind", "kind"),
        Column("data_set", "data set"),
        Column("split", "split"),
        Column("images", "n", "d"),
        Column("model", "model"),
        Column("architecture", "architecture"),
        Column("digest", "SHA-256 of the model, or of the images' names"),
    ]
    rows = [
        [
            one.name,
            one.kind,
            one.data_set,
            one.split,
            one.images,
            f"{one.model} {one.model_version}" if one.model else None,
            one.architecture,
            one.model_digest or one.items_sha256,
        ]
        for one in manifest.sources
    ]
    inputs = results.query(
        "select count(distinct input_sha256), count(distinct output_sha256) from good",
    )[0]
    facts.append(
        f"{inputs[0]:,} different files went in and {inputs[1]:,} came out; their SHA-256 are in "
        "`results.parquet`."
    )
    return [
        Code(f"{manifest.command}\n{report}"),
        Points(facts),
        Table("sources", "The images.", columns, rows),
    ]
