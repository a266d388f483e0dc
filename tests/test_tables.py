"""CSV tables: what other programs read from them, and exact round trips."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from pose_core.errors import ExportError
from pose_core.interchange.person import PersonPoses, person_poses
from pose_core.interchange.tables import load_csv, read_csv, save_csv, write_csv
from pose_core.session import Session
from pose_core.skeleton import H36M_17

KNEE = H36M_17.index("left_knee")


@pytest.fixture
def person(session: Session) -> PersonPoses:
    person = person_poses(session, session.tracks[0], "three")
    keypoints = person.keypoints_2d.copy()
    keypoints[3, KNEE] = np.nan
    return replace(person, keypoints_2d=keypoints)


def text_of(person: PersonPoses, layout: str) -> str:
    buffer = io.BytesIO()
    write_csv(buffer, person, layout)
    return buffer.getvalue().decode()


def data_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_round_trip_is_exact(tmp_path, person, layout):
    path = tmp_path / "a.csv"
    save_csv(path, person, layout)
    again = load_csv(path)
    for name in ("poses_3d", "root_3d", "keypoints_2d", "scores", "frame_index", "time_s"):
        assert np.array_equal(getattr(again, name), getattr(person, name), equal_nan=True), name
        assert getattr(again, name).dtype == getattr(person, name).dtype
    assert np.array_equal(again.stages_3d, person.stages_3d[-1:])
    assert again.fps == person.fps
    assert again.joint_names == person.joint_names
    assert again.meta == person.meta


def test_long_table_read_with_the_csv_module(person):
    rows = list(csv.DictReader(data_lines(text_of(person, "long"))))
    assert len(rows) == 55 * 17
    row = rows[3 * 17 + KNEE]
    assert (row["frame"], row["joint"]) == ("5", "left_knee")
    assert float(row["time_s"]) == 0.2
    assert float(row["y_m"]) == pytest.approx(person.poses_3d[3, KNEE, 1], abs=1e-7)
    assert float(row["root_z_m"]) == pytest.approx(person.root_3d[3, 2], abs=1e-6)
    assert float(row["score"]) == pytest.approx(person.scores[3, KNEE], abs=1e-7)
    assert row["x_px"] == row["y_px"] == "nan"


def test_wide_table_read_with_numpy_as_its_comment_says(tmp_path, person):
    path = tmp_path / "a.csv"
    save_csv(path, person, "wide")
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert f"skip_header={len(comments)}" in comments[-1]
    table = np.genfromtxt(path, delimiter=",", names=True, skip_header=len(comments))
    assert table["frame"].tolist() == person.frame_index.tolist()
    assert table["left_knee_z_m"] == pytest.approx(person.poses_3d[:, KNEE, 2], abs=1e-6)
    assert np.isnan(table["left_knee_x_px"][3])
    assert len(table.dtype.names) == 5 + 17 * 6


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_comments_give_units_frame_rate_and_model(person, layout):
    comments = [line for line in text_of(person, layout).splitlines() if line.startswith("#")]
    head = "\n".join(comments)
    for words in (
        "fps: 25.0",
        "*_m metre",
        "x right, y down, z forward",
        "relative to the pelvis",
        "model: three",
        "root_position: estimated",
        "edited_keypoints",
    ):
        assert words in head
    assert text_of(person, layout).startswith("#")


def test_a_name_with_line_breaks_cannot_break_the_header(person):
    odd = replace(person, meta={"model": "a\nframe,time_s\n", "person_name": "x\ny"})
    again = read_csv(io.BytesIO(text_of(odd, "long").encode()))
    assert again.meta == odd.meta


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# fps: 25.0\n", ""),
        ("# fps: 25.0", "# fps: fast"),
        ("# meta: {", "# meta: ["),
        ("\n2,0.08,pelvis", "\n2,0.08,elvis"),
        ("# frames: 55", "# frames: 56"),
        ("\n5,0.2,left_knee", "\n6,0.2,left_knee"),
        (",score,", ",confidence,"),
        ("\n5,", "\nfive,"),
    ],
)
def test_damage_is_refused(tmp_path, person, old, new):
    text = text_of(person, "long")
    assert old in text
    path = tmp_path / "table.csv"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ExportError, match=r"table\.csv"):
        load_csv(path)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "# fps: 1\n# meta: {}\nframe\n", "\0"])
def test_other_tables_are_refused(text):
    with pytest.raises(ExportError):
        read_csv(io.BytesIO(text.encode()))


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_mutated_files_raise_nothing_but_our_error(person, layout):
    lines = text_of(person, layout).splitlines(keepends=True)
    num_comments = sum(line.startswith("#") for line in lines)
    data = "".join(lines[: num_comments + 1 + (34 if layout == "long" else 2)]).encode()
    rng = np.random.default_rng(4)
    num_refused = 0
    for _ in range(200):
        mutated = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.2 else data)
        for _ in range(rng.integers(1, 6)):
            mutated[rng.integers(len(mutated))] = rng.integers(256)
        try:
            read_csv(io.BytesIO(bytes(mutated)))
        except ExportError:
            num_refused += 1
    assert num_refused > 60
