"""A picture of what replicates: the papers' changes and ours; see `replicate.py`."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_COLOURS = {"yes": "#0072B2", "sign only": "#E69F00", "no": "#D55E00"}  # Okabe-Ito
_PAPER = "#777777"
_MOST = 32.0  # what is worse than that is written beside an arrow
_ROW_INCHES = 0.24


def save_changes(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the rows of the table below each other, each with the paper's change and ours."""
    figure = Figure(figsize=(10.5, 1.1 + _ROW_INCHES * len(rows)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="black", linewidth=0.8)
    labelled: set[str] = set()
    for place, row in enumerate(rows):
        paper, ours = row["paper_percent"], row["change_percent"]
        axis.plot([paper / 2, paper], [place, place], color=_PAPER, linewidth=1, alpha=0.6)
        axis.plot(paper, place, "|", color=_PAPER, markersize=11, markeredgewidth=2)
        shown = min(ours, _MOST - 1)
        name = {"yes": "half of it or more", "sign only": "sign only", "no": "not"}[row["verdict"]]
        axis.errorbar(
            shown,
            place,
            xerr=row["spread_percent"] if shown == ours else None,
            fmt="o" if shown == ours else ">",
            color=_COLOURS[row["verdict"]],
            markersize=6,
            label=None if name in labelled else name,
        )
        labelled.add(name)
        if shown != ours:
            axis.annotate(f"{ours:+.0f} %", (shown - 1.5, place), ha="right", va="center", size=8)
    axis.plot([], [], "|", color=_PAPER, markersize=11, markeredgewidth=2, label="paper")
    names = [_name(row["claim"], row["metric"]) for row in rows]
    axis.set_yticks(range(len(rows)), names, fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(right=_MOST)
    axis.set_xlabel("change of the error, %. Grey: the paper's, and from half of it on")
    axis.grid(axis="y", alpha=0.2)
    axis.legend(loc="upper left", fontsize=8)
    figure.savefig(path, dpi=110)


def _name(claim: str, metric: str) -> str:
    return claim if metric in claim else f"{claim} ({metric})"
