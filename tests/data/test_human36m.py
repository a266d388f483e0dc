"""Human3.6M in its two layouts: the same poses come out of both."""

import sys

import numpy as np
import pytest

from pose_core.data.human36m import list_sequences
from pose_core.data.human36m_metadata import CAMERAS, load_metadata
from pose_core.errors import DataError

LAYOUTS = {
    "cdf, camera coordinates": lambda h: h.write_official(h.write_cdf),
    "cdf, world coordinates alone": lambda h: h.write_official(h.write_cdf, ("D3_Positions",)),
    "mat": lambda h: h.write_official(h.write_mat),
    "npz": lambda h: h.write_videopose(),
    "npz with true keypoints": lambda h: h.write_videopose("gt"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_poses_that_were_written(human36m, layout):
    entries = list_sequences(LAYOUTS[layout](human36m))
    # S11 Directions is left out, as everywhere; three of S9 are seen by four cameras each.
    assert len(entries) == 12
    by_name = {e.name: e for e in entries}
    for camera, camera_name in enumerate(CAMERAS):
        entry = by_name[f"S9/Directions 1/{camera_name}"]
        assert (entry.subject, entry.action, entry.trial) == ("S9", "Directions", 1)
        assert by_name[f"S9/Directions/{camera_name}"].trial == 2
        sequence = entry.load()
        truth = human36m.truth("S9", "Directions 1", camera)
        np.testing.assert_allclose(sequence.camera_xyz, truth, atol=2e-6)
        np.testing.assert_allclose(sequence.keypoints, human36m.pixels(truth), atol=2e-3)
        assert sequence.fps == 50
        assert sequence.camera.width == 1000
        assert sequence.camera.height == (1000 if camera in (1, 2) else 1002)
        # The rays of the bent picture are those of the truth.
        rays = sequence.camera.rays(sequence.keypoints.astype(float))
        np.testing.assert_allclose(rays, truth[..., :2] / truth[..., 2:], atol=5e-6)
    assert {e.action for e in entries} == {"Directions", "Photo"}


def test_detections_are_cut_to_the_motion_capture_and_scored(human36m):
    human36m.write_videopose("cpn", extra_frames=3)
    sequence = list_sequences(human36m.folder, "cpn")[0].load()
    assert len(sequence) == 12
    assert (sequence.scores == 1).all()


def test_detections_of_coco_joints_are_mapped(human36m):
    human36m.write_videopose("detectron", layout="coco")
    sequence = list_sequences(human36m.folder, "detectron")[0].load()
    raw = human36m.pixels(human36m.truth("S9", "Directions 1", 0))
    # Joint 9 of COCO is the left wrist, which is joint 13 here.
    np.testing.assert_allclose(sequence.keypoints[:, 13], raw[:, 9], atol=1e-3)


def test_metadata_by_hand(human36m):
    human36m.write_metadata()
    metadata = load_metadata(human36m.folder)
    camera = metadata.camera("S9", CAMERAS[2])
    assert camera.focal_px == human36m.focal
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    # The camera stands at (200, -5000, 1500) mm.
    np.testing.assert_allclose(-camera.rotation.T @ camera.translation, [0.2, -5.0, 1.5])
    assert metadata.trial("S9", "Photo") == 1


def test_wrong_layouts_say_what_was_expected(human36m):
    with pytest.raises(DataError, match=r"is not Human3\.6M"):
        list_sequences(human36m.folder)
    human36m.write_official(human36m.write_mat, ("D2_Positions",))
    with pytest.raises(DataError, match="no 3D positions") as error:
        list_sequences(human36m.folder)
    assert "D3_Positions_mono" in str(error.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "metadata.xml is missing"),
        (lambda path: path.write_text("<a>"), "no XML"),
        (lambda path: path.write_text("<a/>"), "not as expected"),
        (lambda path: path.write_text(path.read_text().replace("1145.0 ", "")), "296 numbers"),
    ],
)
def test_damaged_metadata_is_named(human36m, damage, message):
    human36m.write_videopose()
    damage(human36m.folder / "metadata.xml")
    with pytest.raises(DataError, match=message) as error:
        list_sequences(human36m.folder)
    assert "Release-v1.2" in error.value.hint


def test_damaged_sequences_are_errors_only_when_read(human36m):
    human36m.write_official(human36m.write_cdf)
    base = human36m.folder / "S9" / "MyPoseFeatures" / "D3_Positions_mono"
    (base / f"Directions.{CAMERAS[0]}.cdf").write_bytes(b"no cdf")
    human36m.write_cdf(base / f"Directions.{CAMERAS[1]}.cdf", np.zeros((5, 95)))
    entries = {e.name: e for e in list_sequences(human36m.folder)}
    with pytest.raises(DataError, match="cannot be read as CDF"):
        entries[f"S9/Directions/{CAMERAS[0]}"].load()
    with pytest.raises(DataError, match="95") as error:
        entries[f"S9/Directions/{CAMERAS[1]}"].load()
    assert "(T, 96)" in error.value.hint


def test_keypoints_that_are_not_there_list_those_that_are(human36m):
    human36m.write_videopose("cpn")
    with pytest.raises(DataError, match="missing") as error:
        list_sequences(human36m.folder, "hrnet")
    assert "cpn" in error.value.hint


def test_a_missing_library_says_how_to_get_it(human36m, monkeypatch):
    human36m.write_official(human36m.write_cdf)
    entry = list_sequences(human36m.folder)[0]
    monkeypatch.setitem(sys.modules, "cdflib", None)
    with pytest.raises(DataError, match="needs the library cdflib") as error:
        entry.load()
    assert "pip install posestage[benchmarks]" in error.value.hint
