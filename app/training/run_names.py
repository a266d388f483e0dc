"""Names of runs: those of their folders."""

import re

from app.training.service import Runs

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,62}")
MOST_LETTERS = 63


def free_name(runs: Runs, wanted: str) -> str:
    """The wanted name with a number that no run has yet."""
    taken = {run.name for run in runs.listed}
    stem = re.sub(r"-\d+$", "", wanted)
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def name_complaint(runs: Runs, name: str) -> str:
    """Why a new run cannot be called that; empty where it can."""
    if not _NAME.fullmatch(name):
        return "Give it a name: letters, digits, blanks, dots, hyphens and underscores."
    if any(run.name.casefold() == name.casefold() for run in runs.listed):
        return f"There is a run called {name} already. Give it another name."
    return ""
