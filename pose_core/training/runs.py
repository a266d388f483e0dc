"""Training runs as others see them: list them, follow them, queue them, ask them to stop.

Nothing here needs PyTorch, so that lists appear at once. The folders are written by
`pose_core.training.run_folder`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import ConfigError, DataError, PoseStageError
from pose_core.resources import user_data_dir
from pose_core.training.run_status import is_alive, read_json, write_json_atomic

if TYPE_CHECKING:
    from pose_core.training.recipes import Recipe

RunState = Literal[
    "queued", "running", "paused", "stopped", "finished", "failed", "interrupted", "broken"
]
_STATES = ("queued", "running", "paused", "stopped", "finished", "failed")

# Motions that PoseStage makes itself, in place of a folder of data.
BUNDLED_DATA = "bundled"


@dataclass(frozen=True)
class RunSummary:
    """One run, for lists.

    Parameters
    ----------
    path : Path
        Run folder.
    name : str
        Of the folder.
    recipe_kind : str
        Key of `pose_core.training.recipes.TASKS`; empty in a broken folder.
    about : str
        The recipe in one line.
    data : str
        What it trains on.
    state : str
        As the run says itself: queued, running, paused, stopped, finished, failed. Seen from
        outside: interrupted (it says running but its process is gone), broken (the folder
        cannot be read).
    step, num_steps : int
        Of the whole schedule.
    stage : str
    watched : str
        Name of the validation figure that chooses the best checkpoint.
    best : float, optional
        Its best value in the present stage.
    validation : dict of str to float
        Latest figures on held-out data.
    samples_per_s, seconds_left : float, optional
    time : float, optional
        Of the latest status, seconds since 1970.
    pid : int, optional
        Process that trains, or did.
    message, hint : str
        Of a failed run: what went wrong, and what to do. Of a broken one likewise.
    """

    path: Path
    name: str
    recipe_kind: str
    state: RunState
    step: int = 0
    num_steps: int = 0
    stage: str = ""
    watched: str = ""
    best: float | None = None
    validation: dict[str, float] = field(default_factory=dict)
    samples_per_s: float | None = None
    seconds_left: float | None = None
    time: float | None = None
    pid: int | None = None
    about: str = ""
    data: str = ""
    message: str = ""
    hint: str = ""

    @property
    def can_resume(self) -> bool:
        """Whether ``posestage train --resume`` goes on with it."""
        return self.state in ("queued", "paused", "stopped", "interrupted", "failed")


def default_runs_folder() -> Path:
    """Folder of the user's runs; it need not exist."""
    return user_data_dir() / "runs"


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder, by name; a damaged one is listed as broken."""
    if not folder.is_dir():
        return []
    paths = sorted(p for p in folder.iterdir() if (p / "config.json").is_file())
    return [summarise(path) for path in paths]


def summarise(run: Path) -> RunSummary:
    """How a run stands. Never raises: what cannot be read is a broken run."""
    try:
        return _summary(run)
    except (PoseStageError, TypeError, ValueError, KeyError, AttributeError) as error:
        message = error.message if isinstance(error, PoseStageError) else f"{run}: {error!r}."
        return RunSummary(
            path=run,
            name=run.name,
            recipe_kind="",
            state="broken",
            message=message,
            hint="Delete the folder, or put a copy of its files back.",
        )


def _summary(run: Path) -> RunSummary:
    config = read_json(run / "config.json")
    path = run / "status.json"
    status: dict[str, Any] = read_json(path) if path.exists() else {}
    state: RunState = status["state"] if status.get("state") in _STATES else "running"
    if state == "running" and not is_alive(status):
        state = "interrupted"
    return RunSummary(
        path=run,
        name=run.name,
        recipe_kind=str(config["kind"]),
        about=str(config.get("about", "")),
        data=str(config.get("data", "")),
        state=state,
        step=int(status.get("step", 0)),
        num_steps=sum(int(stage["steps"]) for stage in config["schedule"]["stages"]),
        stage=str(status.get("stage", "")),
        watched=str(status.get("watched", "")),
        best=status.get("best"),
        validation=dict(status.get("validation", {})),
        samples_per_s=status.get("samples_per_s"),
        seconds_left=status.get("seconds_left"),
        time=status.get("time"),
        pid=status.get("pid"),
        message=str(status.get("message", "")),
        hint=str(status.get("hint", "")),
    )


def run_config(
    recipe: "Recipe", data: Path | str, start_from: Path | None, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """What ``config.json`` holds: enough to go on from another working folder.

    Parameters
    ----------
    recipe : Recipe
    data : Path or str
        Folder, or `BUNDLED_DATA`.
    start_from : Path, optional
        Run folder of the first weights.
    machine : mapping
        ``device``, ``data_workers``, ``threads``: how, not what; a resumed run may differ.
    """
    is_bundled = str(data) == BUNDLED_DATA
    return recipe.to_dict() | {
        "data": str(data) if is_bundled else str(Path(data).resolve()),
        "start_from": str(start_from.resolve()) if start_from else "",
        "machine": dict(machine),
    }


def queue_run(
    recipe: "Recipe",
    data: Path | str,
    run: Path,
    *,
    device: str = "auto",
    data_workers: int | None = None,
    threads: int | None = None,
    start_from: Path | None = None,
) -> RunSummary:
    """Make the folder of a run that ``posestage train --resume RUN`` starts later.

    The arguments are those of `pose_core.training.start.train`.

    Raises
    ------
    ConfigError
        If there is a run in that folder already.
    DataError
        If the folder cannot be written.
    """
    if (run / "config.json").exists():
        raise ConfigError(f"{run} holds a run already.", "Choose another folder.")
    make_folder(run, DataError)
    machine = {"device": device, "data_workers": data_workers, "threads": threads}
    write_json_atomic(run / "status.json", {"state": "queued"})
    write_json_atomic(run / "config.json", run_config(recipe, data, start_from, machine))
    return summarise(run)


def request_stop(run: Path, *, pause: bool = False) -> None:
    """Ask a running run to end after its present step, with a checkpoint.

    Parameters
    ----------
    run : Path
    pause : bool
        Its state becomes paused in place of stopped; both can be resumed.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    with atomic_write(run / "stop", DataError) as file:
        file.write(b"paused\n" if pause else b"stopped\n")


def read_events(path: Path, since: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Events that were added to ``events.jsonl``; only the new bytes are read.

    After an event ``"state": "resumed"`` the steps after its ``step`` come again: what was
    recorded of them before is void.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    since : int
        Where the last call ended, bytes; 0 for all.

    Returns
    -------
    events : list of dict
        Whole lines only. Lines that are no JSON are left out: a killed run may leave one.
    end : int
        To be given to the next call.
    """
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < since:  # another file than last time
                since = 0
            file.seek(since)
            new = file.read()
    except FileNotFoundError:
        return [], 0
    whole = new[: new.rfind(b"\n") + 1]
    return list(_parsed(whole)), since + len(whole)


def _parsed(lines: bytes) -> Iterator[dict[str, Any]]:
    for line in lines.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
