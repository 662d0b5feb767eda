"""From what the libraries found out to messages about it."""

from __future__ import annotations

from ganpress.v1 import goal_pb2, input_pb2
from ganpress.v1.input_pb2 import InputChangeKind

from services.compressor.goals import Choice, Found
from services.compressor.inputs import Picture
from services.compressor.options import METRICS


def input_report(picture: Picture) -> input_pb2.InputReport:
    """Returns what an image file was, and what was changed or left out."""
    report = input_pb2.InputReport()
    report_input(report, picture)
    return report


def report_input(report: input_pb2.InputReport, picture: Picture) -> None:
    """Fills in what an image file was, and what was changed or left out."""
    report.format, report.samples, report.frames = picture.format, picture.samples, picture.frames_in_file
    for change in picture.changes:
        kind = InputChangeKind.Value(f"INPUT_CHANGE_KIND_{change.kind.upper()}")
        report.changes.add(kind=kind, text=change.text, is_loss=change.is_loss)


def goal_report(found: Found) -> goal_pb2.GoalReport:
    """Returns how a goal was reached."""
    return goal_pb2.GoalReport(
        setting=found.setting, setting_value=found.value, reached=found.reached, encodes=found.encodes
    )


def choice_report(choice: Choice) -> goal_pb2.GoalReport:
    """Returns how a goal was reached, and what the other codecs reached."""
    report = goal_report(choice.found)
    report.encodes = sum(candidate.encodes for candidate in choice.candidates)
    report.judged_by = METRICS[choice.judged_by]
    for candidate in choice.candidates:
        entry = report.candidates.add(
            codec=candidate.codec_id, encodes=candidate.encodes, error=candidate.error
        )
        if found := candidate.found:
            entry.setting, entry.setting_value, entry.reached = found.setting, found.value, found.reached
            entry.output_bytes = len(found.data)
        if candidate.judged is not None:
            entry.judged = candidate.judged
    return report
