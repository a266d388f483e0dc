"""``posestage mocap inspect``: what it says, draws and returns."""

import cv2
import numpy as np
import pytest

from pose_core.cli import main
from pose_core.data.mocap_sheet import HEAD, MARGIN, PANEL, contact_sheet
from pose_core.data.recording import load_recording
from pose_core.interchange.bvh import save_bvh
from pose_core.interchange.retarget import bvh_motion
from pose_core.palette import LEFT, RIGHT
from pose_core.skeleton import H36M_17


@pytest.fixture
def walk(tmp_path, walker_xyz):
    """A BVH file of the walker, y up."""
    path = tmp_path / "walk.bvh"
    save_bvh(path, bvh_motion(100 * walker_xyz * [1, -1, -1], 25.0))
    return path


@pytest.fixture
def mirrored(tmp_path, walker_xyz):
    """The same with exchanged sides."""
    path = tmp_path / "mirrored.npz"
    xyz = np.stack([walker_xyz[..., 0], walker_xyz[..., 2], 1.5 - walker_xyz[..., 1]], axis=-1)
    swapped = xyz[:, H36M_17.mirror_index]
    np.savez(path, positions=swapped, h36m17=np.arange(17), fps=25.0, action="walk")
    return path


def test_it_says_what_was_found(walk, capsys):
    assert main(["mocap", "inspect", str(walk)]) == 0
    said = capsys.readouterr().out
    assert "names: PoseStage BVH" in said
    assert "left_hip = LeftUpLeg" in said
    assert "60 frames at 25 per second, 2.4 s" in said
    assert "unit: cm (found from the stature)" in said
    assert "up: y (from 60 frames of standing)" in said
    assert "stature: 1.73 m" in said
    assert "left and right: agree (knees bend forwards in 100 %" in said
    assert "left_knee 0.0" in said


def test_what_training_would_refuse_is_shown_and_drawn(mirrored, tmp_path, capsys):
    png = tmp_path / "sheet.png"
    assert main(["mocap", "inspect", str(mirrored), "--png", str(png)]) == 7
    said = capsys.readouterr().out
    assert "REFUSED: Left and right are exchanged" in said
    assert "--swap-sides" in said
    assert cv2.imread(str(png)).shape[2] == 3
    assert main(["mocap", "inspect", str(mirrored), "--swap-sides"]) == 0
    assert main(["mocap", "inspect", str(mirrored), "--no-swap-sides"]) == 0


def test_options_and_settings_files(walk, tmp_path, capsys):
    assert main(["mocap", "inspect", str(walk), "--fps", "50", "--units", "cm", "--up", "y"]) == 0
    said = capsys.readouterr().out
    assert "at 50 per second" in said
    assert "unit: cm (given)" in said
    (tmp_path / "mocap.json").write_text('{"fps": 10, "action": "stroll"}')
    assert main(["mocap", "inspect", str(walk), "--fps", "20"]) == 0
    said = capsys.readouterr().out
    assert "at 20 per second" in said  # the command line goes before the folder's file
    assert "action: stroll" in said
    assert main(["mocap", "inspect", str(walk), "--up", "down"]) == 7
    assert "up is 'down'" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_one_line(tmp_path, capsys):
    (tmp_path / "a.bvh").write_text("HIERARCHY\nROOT a\n")
    assert main(["mocap", "inspect", str(tmp_path / "a.bvh")]) == 6
    said = capsys.readouterr().err
    assert "a.bvh" in said
    assert said.count("\n") == 1


def colour_columns(panel: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Columns of the pixels that have a colour."""
    return np.nonzero((panel == colour).all(axis=-1))[1]


@pytest.mark.parametrize("heading_deg", [0, 130])
def test_the_sheet_shows_people_from_the_front_and_from_their_left(walk, heading_deg):
    recording = load_recording(walk)
    recording.xyz[:, H36M_17.index("left_wrist")] += [0, -0.6, 0]  # reaches forward
    cosine, sine = np.cos(np.deg2rad(heading_deg)), np.sin(np.deg2rad(heading_deg))
    recording.xyz[:] = recording.xyz @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    sheet = contact_sheet(recording, num_frames=3)
    step = PANEL + MARGIN
    assert sheet.shape == (HEAD + 2 * step, 3 * step, 3)
    for column in range(3):
        left_edge = column * step
        front = sheet[HEAD : HEAD + PANEL, left_edge : left_edge + PANEL]
        side = sheet[HEAD + step : HEAD + step + PANEL, left_edge : left_edge + PANEL]
        # Seen from the front, the person's left is on the right.
        assert colour_columns(front, LEFT).mean() > PANEL / 2 + 5
        assert colour_columns(front, RIGHT).mean() < PANEL / 2 - 5
        # From their left, the left half is the nearer: it hides the right one.
        assert len(colour_columns(side, LEFT)) > len(colour_columns(side, RIGHT))
        # There they look to the left, where the hand goes.
        assert colour_columns(side, LEFT).min() < PANEL / 2 - 50
        assert colour_columns(side, LEFT).max() < PANEL / 2 + 50


def test_the_sheet_leaves_out_frames_and_joints_that_are_missing(walk):
    recording = load_recording(walk)
    recording.xyz[:30] = np.nan
    recording.xyz[:, H36M_17.index("left_wrist")] = np.nan
    assert contact_sheet(recording).std() > 0
