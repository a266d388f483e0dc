"""The command line: its options, its errors, and the main job from end to end."""

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import pose_core
from pose_core import cli
from pose_core.cli import main
from pose_core.clip import Clip
from pose_core.commands.estimate import settings_of
from pose_core.errors import ConfigError, PoseStageError, VideoError
from pose_core.resources import resource_path

# The application's own options are tested with the application.
COMMANDS = {command.__name__.rpartition(".")[2] for command in cli.COMMANDS} - {"gui"}


@pytest.fixture
def sample():
    """The bundled clip."""
    clips = sorted(resource_path("samples").glob("*.mp4"))
    assert clips, "the checkout has no bundled clip"
    return clips[0]


@pytest.fixture
def failing(monkeypatch):
    """Make a command fail with a given error."""

    def install(error):
        def add_parser(subparsers):
            def run(options):
                raise error

            subparsers.add_parser("fail").set_defaults(run=run)

        monkeypatch.setattr(cli, "COMMANDS", (types.SimpleNamespace(add_parser=add_parser),))

    return install


def posestage(*words, **variables):
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pose_core", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: posestage {command}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == pose_core.__version__


@pytest.mark.parametrize(
    "words", [["no-such-command"], ["estimate"], ["estimate", "clip.mp4", "--quality", "perfect"]]
)
def test_mistyped_command_is_one_line_and_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("posestage: error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (VideoError("a.mp4 is no video.", "Try another."), 3, "a.mp4 is no video. Try another."),
        (PoseStageError("It went wrong."), 1, "It went wrong."),
        (PermissionError(13, "Permission denied", "/locked"), 1, "Permission denied: '/locked'"),
        (KeyError("lost"), 70, "internal error: KeyError: 'lost'"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(failing, capsys, error, code, line):
    failing(error)
    assert main(["fail"]) == code
    printed = capsys.readouterr().err
    assert line in printed
    assert printed.count("\n") == 1


def test_interrupt_has_its_own_exit_code(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["fail"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_debugging_shows_the_trace(failing, capsys, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DEBUG", "1")
    failing(KeyError("lost"))
    assert main(["fail"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["gui"], []),
        (["gui", "walk.mp4"], ["walk.mp4"]),
        (["gui", "walk.mp4", "--screenshot", "w.png"], ["walk.mp4", "--screenshot", "w.png"]),
    ],
)
def test_application_gets_its_words(monkeypatch, words, expected):
    seen = []
    application = types.SimpleNamespace(main=lambda words: seen.append(words) or 5)
    monkeypatch.setitem(sys.modules, "app.__main__", application)
    assert main(words) == 5
    assert seen == [expected]


@pytest.fixture
def uneven_clip():
    """Ten frames whose times are not evenly spaced."""
    times = np.array([0, 0.1, 0.2, 0.5, 0.6, 0.7, 1.0, 1.1, 1.2, 1.3])
    return Clip(Path("uneven.mp4"), 640, 480, times, "")


def estimate_options(*words):
    return cli.build_parser().parse_args(["estimate", "uneven.mp4", *words])


@pytest.mark.parametrize(
    ("words", "frames"),
    [
        ((), (0, 10)),
        (("--start", "0.2", "--end", "0.7"), (2, 5)),
        (("--start", "0.3", "--end", "99"), (3, 10)),
        (("--end", "0.1"), (0, 1)),
    ],
)
def test_seconds_become_frames_by_their_time_stamps(uneven_clip, words, frames):
    settings = settings_of(estimate_options(*words), uneven_clip)
    assert (settings.start, settings.end) == frames


@pytest.mark.parametrize(
    "words", [("--start", "5"), ("--start", "0.3", "--end", "0.4"), ("--end", "-1")]
)
def test_empty_range_of_seconds_is_refused(uneven_clip, words):
    with pytest.raises(ConfigError, match=r"No frame of uneven\.mp4"):
        settings_of(estimate_options(*words), uneven_clip)


def test_missing_video_is_one_line(tmp_path):
    done = posestage("estimate", tmp_path / "none.mp4")
    assert done.returncode == VideoError.exit_code
    assert "none.mp4" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unknown_format_is_refused_before_any_work(tmp_path, sample):
    done = posestage("estimate", sample, "--out", tmp_path, "--formats", "npz,doc")
    assert done.returncode == 2
    assert "doc" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_main_job_from_video_to_files(tmp_path, sample):
    done = posestage(
        *("estimate", sample, "--out", tmp_path / "results", "--end", 1, "--device", "cpu"),
        *("--formats", "bvh,csv,npz,json,mp4,session"),
    )
    assert done.returncode == 0, done.stderr
    written = [Path(line.partition("  (")[0]) for line in done.stdout.splitlines()]
    assert {path.suffix for path in written} == {
        *(".bvh", ".csv", ".npz", ".json", ".mp4", ".posestage"),
    }
    assert set(written) == set((tmp_path / "results").iterdir())
    assert "100%" in done.stderr
    person = np.load(tmp_path / "results" / f"{sample.stem}.person1.npz")
    assert person["poses_3d"].shape[1:] == (17, 3)
    assert person["time_s"].max() < 1
    exported = posestage(
        *("export", tmp_path / "results" / f"{sample.stem}.posestage"),
        *("--out", tmp_path / "again", "--formats", "npz"),
    )
    assert exported.returncode == 0, exported.stderr
    again = np.load(tmp_path / "again" / f"{sample.stem}.person1.npz")
    np.testing.assert_array_equal(again["poses_3d"], person["poses_3d"])


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_ctrl_c_keeps_the_frames_that_are_done(tmp_path, sample):
    process = subprocess.Popen(
        [sys.executable, "-m", "pose_core", "estimate", sample, "--out", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = next(line for line in process.stderr if "%" in line)  # the first tenth is done
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, first + errors
    person = np.load(tmp_path / f"{sample.stem}.person1.npz")
    total = int(first.split("/")[1].split()[0])
    assert 0 < len(person["frame_index"]) < total
