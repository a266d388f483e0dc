"""A report as text for terminals, as CSV, and as JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from pose_core.metrics.report import Report, SequenceErrors, mean_error, num_frames

_LABEL_WIDTH = 44
_NAME_WIDTH = 30
CSV_COLUMNS = ("method", "source", "metric", "unit", "action", "part", "value", "num_frames")
FRAME_COLUMNS = ("method", "sequence", "action", "subject", "frame", "metric", "unit", "value")
ALL = "all"
AVERAGE = "average of actions"


def metrics_table(
    method: str, groups: Mapping[str, Sequence[SequenceErrors]], metrics: Sequence[str]
) -> list[str]:
    """Lines with a row for each group of sequences and a column for each metric."""
    heads = "".join(f"{metric:>10}" for metric in metrics)
    lines = [f"{method:<{_LABEL_WIDTH}.{_LABEL_WIDTH}}{heads}   frames"]
    width = _LABEL_WIDTH - 2
    for label, group in groups.items():
        numbers = "".join(f"{_number(mean_error(group, metric)):>10}" for metric in metrics)
        lines.append(f"  {label:<{width}.{width}}{numbers}{num_frames(group):9}")
    return lines


def parts_line(report: Report, method: str, metric: str) -> str:
    """One line with the mean of each joint or bone."""
    parts = report.per_part(method, metric).items()
    numbers = ", ".join(f"{name} {value:.1f}" for name, value in parts)
    return f"  {metric} per {report.metric(metric).part_kind}: {numbers}"


def actions_table(report: Report, metric: str, short_names: Mapping[str, str]) -> list[str]:
    """Lines as papers print them: a row for each method, a column for each action.

    "Avg." is the mean of the actions, "frames" that of all frames; references print their own
    average. What is not known is "-".

    Parameters
    ----------
    metric : str
    short_names : Mapping of str to str
        Head of the column of each action, in their order.
    """
    rows = [
        (
            method,
            [report.mean(method, metric, action) for action in short_names],
            report.average_of_actions(method, metric),
            report.mean(method, metric),
        )
        for method in report.methods
    ]
    rows += [
        (r.name, [r.per_action.get(a, math.nan) for a in short_names], r.average, math.nan)
        for r in report.references
        if r.metric == metric
    ]
    widths = [max(6, len(head) + 1) for head in (*short_names.values(), "Avg.", "frames")]
    heads = [*short_names.values(), "Avg.", "frames"]
    title = f"{metric} ({report.metric(metric).unit})"
    lines = [
        f"{title:<{_NAME_WIDTH}}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True))
    ]
    for name, means, average, over_frames in rows:
        cells = [
            f"{_number(value):>{width}}"
            for value, width in zip([*means, average, over_frames], widths, strict=True)
        ]
        lines.append(f"{name:<{_NAME_WIDTH}.{_NAME_WIDTH - 1}}" + "".join(cells))
    sources = {r.name: r.source for r in report.references if r.metric == metric}
    return lines + [f"  {name}: {source}" for name, source in sources.items()]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def write_csv(handle: BinaryIO, report: Report) -> None:
    """All means, one a line: per metric of all frames, of each action, of each joint or bone."""
    rows = [
        (method, "measured", *row) for method in report.methods for row in _rows(report, method)
    ]
    for r in report.references:
        unit = next((m.unit for m in report.metrics if m.name == r.metric), "mm")
        for action, value in ((AVERAGE, r.average), *r.per_action.items()):
            rows.append((r.name, r.source, r.metric, unit, action, ALL, value, ""))
    _write_rows(handle, CSV_COLUMNS, rows)


def _rows(report: Report, method: str) -> list[tuple[Any, ...]]:
    results = report.methods[method]
    rows = []
    for metric in report.metrics:
        head = (metric.name, metric.unit)
        total = num_frames(results)
        rows.append((*head, ALL, ALL, report.mean(method, metric.name), total))
        average = report.average_of_actions(method, metric.name)
        rows.append((*head, AVERAGE, ALL, average, total))
        for action, group in report.groups(method).items():
            mean = mean_error(group, metric.name)
            rows.append((*head, action, ALL, mean, num_frames(group)))
        for part, mean in report.per_part(method, metric.name).items():
            rows.append((*head, ALL, part, mean, total))
    return rows


def write_frames_csv(handle: BinaryIO, report: Report) -> None:
    """The mean over joints of every measured frame, one a line.

    A difference stands in the line of the last frame that it is made of, a number of a whole
    sequence in that of its last frame.
    """
    rows = []
    for method, results in report.methods.items():
        for r in results:
            head = (method, r.name, r.action, r.subject)
            for metric in report.metrics:
                values = r.per_frame[metric.name]
                frames = r.frame_index[len(r.frame_index) - len(values) :]
                rows += [
                    (*head, int(frame), metric.name, metric.unit, float(value))
                    for frame, value in zip(frames, values, strict=True)
                ]
    _write_rows(handle, FRAME_COLUMNS, rows)


def _write_rows(handle: BinaryIO, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Comma-separated lines in UTF-8; numbers in full, an empty cell where there is none."""
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            "" if isinstance(value, float) and math.isnan(value) else value for value in row
        )
    # Leaves the handle open: it belongs to the caller.
    text.detach()


def report_numbers(report: Report, settings: Mapping[str, str]) -> dict[str, Any]:
    """The whole report as plain values for JSON; null where nothing was measured."""

    def of(results: Sequence[SequenceErrors]) -> dict[str, Any]:
        means = {m.name: _or_none(mean_error(results, m.name)) for m in report.metrics}
        return means | {"num_frames": num_frames(results)}

    methods = {
        method: {
            "all": of(results),
            "average_of_actions": {
                m.name: _or_none(report.average_of_actions(method, m.name)) for m in report.metrics
            },
            "per_action": {a: of(group) for a, group in report.groups(method).items()},
            "per_joint": {
                m.name: {
                    part: _or_none(round(mean, 3))
                    for part, mean in report.per_part(method, m.name).items()
                }
                for m in report.metrics
            },
            "per_sequence": [
                {"name": r.name, "action": r.action, "subject": r.subject, **of([r])}
                for r in results
            ],
        }
        for method, results in report.methods.items()
    }
    references = [
        {
            "name": r.name,
            "source": r.source,
            "metric": r.metric,
            "average": r.average,
            "per_action": dict(r.per_action),
        }
        for r in report.references
    ]
    head = {"unit": "mm", "units": {m.name: m.unit for m in report.metrics}}
    return head | {"settings": dict(settings), "references": references} | methods


def write_json(handle: BinaryIO, report: Report, settings: Mapping[str, str]) -> None:
    """`report_numbers` as JSON."""
    handle.write(json.dumps(report_numbers(report, settings), indent=1, allow_nan=False).encode())


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
