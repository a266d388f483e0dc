"""Kill a training run with SIGKILL again and again, and see that nothing is lost.

``python tests/training/kill_run.py --times 20`` trains a tiny network by the command line. It
kills the process while it starts, at random moments, and while a checkpoint is being written;
looks at the folder; goes on with ``--resume``. At the end the weights must be those of a run that
nobody killed.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pose_core import cli
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import read_events, summarise

CHECKPOINT_EVERY = 10
STEPS_PER_KILL = 60
PATIENCE_S = 300
HEIGHT_M = (0.9, 0.9, 0.45, 0.05, 0.9, 0.45, 0.05, 1.1, 1.4, 1.5, 1.7, 1.4, 1.1, 0.9, 1.4, 1.1, 0.9)
SIDE_M = (0, -0.1, -0.1, -0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0.2, 0.2, 0.2, -0.2, -0.2, -0.2)
FRONT_M = (0, 0, 0.1, 0, 0, 0.1, *([0] * 11))  # knees bend backwards only
STANDING = np.stack([FRONT_M, SIDE_M, HEIGHT_M], axis=-1)  # z up
MOMENTS = ("while it starts", "at random", "while it writes a checkpoint", "at random")


@dataclass(frozen=True)
class Kill:
    """What was found after a kill.

    Parameters
    ----------
    moment : str
    step : int
        Of the last checkpoint.
    recorded : int
        Last step that the run told of.
    torn : bool
        Whether half a line of events or half a file was left behind.
    """

    moment: str
    step: int
    recorded: int
    torn: bool


def make_motion(folder: Path) -> None:
    """Motion files of people whose joints swing at random."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    t = np.arange(150)[:, None, None] / 50
    for i, action in enumerate(("walking", "running", "jumping")):
        swing = 0.02 * np.sin(2 * np.pi * rng.uniform(0.5, 2, (17, 3)) * t)
        np.savez(
            folder / f"motion{i}.npz",
            positions=(STANDING + swing).astype(np.float32),
            h36m17=np.arange(17),
            fps=np.float32(50),
            action=action,
            subject="one",
            source="random",
        )


def command(*words: str | Path) -> list[str]:
    """``posestage train`` with these words, as a process."""
    return [sys.executable, "-m", "pose_core", "train", *map(str, words)]


def settings(steps: int) -> list[str]:
    """A tiny network; dropout makes every step depend on all random numbers before it."""
    changes = {
        "task.network.channels": 8,
        "task.network.kernel_sizes": "[3, 3]",
        "task.network.dropout": 0.2,
        "task.data.validation_samples": 128,
        "schedule.checkpoint_every": CHECKPOINT_EVERY,
        "schedule.stages": "[{steps = 50}, {name = 'second', steps = 50, learning_rate = 1e-4}]",
    }
    words = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    return [*words, "--batch", "2", "--steps", str(steps)]


def kill_at(process: subprocess.Popen, run: Path, moment: str, rng: random.Random) -> bool:
    """Wait for the moment and kill; False where the run ended before."""
    started = time.time()
    status, checkpoints = run / "status.json", run / "checkpoints"

    def trains() -> bool:
        return status.exists() and status.stat().st_mtime > started and checkpoints.is_dir()

    def is_due() -> bool:
        if moment == "while it starts":
            return time.time() - started > start_delay
        if moment == "at random":
            return steps_seen > steps_wanted
        return steps_seen > 2 and any(checkpoints.glob("last*.partial"))

    start_delay, steps_wanted = rng.uniform(0.1, 3.0), rng.randrange(40)
    _, end = read_events(run / "events.jsonl")
    steps_seen = 0
    while process.poll() is None and not is_due():
        if time.time() - started > PATIENCE_S:
            raise AssertionError(f"nothing to kill {moment} within {PATIENCE_S} s")
        if trains():
            events, end = read_events(run / "events.jsonl", end)
            steps_seen += 10 * len(events)
        time.sleep(0.001)
    if moment == "at random":
        time.sleep(rng.uniform(0, 0.1))
    is_running = process.poll() is None
    process.kill()
    process.wait()
    return is_running


def look_at(run: Path, moment: str, before: int) -> Kill:
    """The state of the folder after a kill; everything in it must be readable."""
    if not (run / "config.json").exists():  # killed before there was anything to keep
        return Kill(moment, 0, 0, False)
    summary = summarise(run)
    assert summary.state == "interrupted", summary
    folder = RunFolder(run)
    state, best = folder.load_checkpoint(), folder.load_checkpoint(best=True)
    assert state is not None or best is None or before == 0
    step = 0 if state is None else state["step"]
    events, end = read_events(run / "events.jsonl")
    recorded = next((e["step"] for e in reversed(events) if "step" in e), 0)
    assert step >= before, f"step {step} after step {before} was safe"
    assert abs(recorded - step) <= CHECKPOINT_EVERY, f"told of step {recorded}, kept {step}"
    path = run / "events.jsonl"
    half = path.exists() and path.stat().st_size > end
    return Kill(moment, step, recorded, half or any(run.rglob("*.partial")))


def kill_again_and_again(folder: Path, times: int, seed: int) -> list[Kill]:
    """Train with kills in ``folder/killed``, then without in ``folder/whole``.

    Raises
    ------
    AssertionError
        If anything was lost.
    """
    make_motion(folder / "motion")
    run, rng = folder / "killed", random.Random(seed)
    words = ["temporal", "--data", folder / "motion", *settings(STEPS_PER_KILL * times)]
    machine = ["--threads", "1", "--data-workers", "0"]
    kills: list[Kill] = []
    moments = itertools.cycle(MOMENTS)
    while len(kills) < times:
        is_new = not (run / "config.json").exists()
        words_now = [*words, "--out", run] if is_new else ["--resume", run]
        moment = next(moments)
        process = subprocess.Popen(
            command(*words_now, *machine), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        was_killed = kill_at(process, run, moment, rng)
        assert was_killed, f"the run ended by itself: {process.stderr.read().decode()}"
        kills.append(look_at(run, moment, kills[-1].step if kills else 0))
        print(f"kill {len(kills)} {kills[-1]}", flush=True)  # noqa: T201 - a program
    finish("--resume", run, *machine)
    finish(*words, "--out", folder / "whole", *machine)
    assert summarise(run).state == "finished"
    assert not list(run.rglob("*.partial"))
    assert_same(RunFolder(run).load_checkpoint(), RunFolder(folder / "whole").load_checkpoint())
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)
    return kills


def finish(*words: str | Path) -> None:
    """Run ``posestage train`` to the end, in this process."""
    assert cli.main(["train", *map(str, words)]) == 0


def assert_same(one: dict, other: dict) -> None:
    """Weights, averaged weights and step are equal to the last bit."""
    assert one["step"] == other["step"]
    for part in ("network", "average"):
        for name, value in one[part].items():
            torch.testing.assert_close(value, other[part][name], rtol=0, atol=0)


def main() -> int:
    """Kill as often as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_again_and_again(Path(folder), options.times, options.seed)
    torn = sum(kill.torn for kill in kills)
    sys.stdout.write(
        f"{len(kills)} kills, {torn} of them in the middle of a file: no folder was damaged, no "
        f"more than {CHECKPOINT_EVERY} steps were lost, and the weights of "
        f"{STEPS_PER_KILL * len(kills)} steps are those of the run that was not killed\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
