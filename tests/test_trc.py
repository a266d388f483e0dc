"""TRC: tables of markers, written here by hand as the programs of the field write them."""

import io

import numpy as np
import pytest

from pose_core.errors import ExportError
from pose_core.interchange.trc import load_trc, read_trc

# Two markers, three frames; the second marker is missing in three ways.
SMALL = (
    "PathFileType\t4\t(X/Y/Z)\tsmall.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\t"
    "OrigNumFrames\n"
    "100.00\t100.00\t4\t2\tmm\t100.00\t1\t4\n"
    "Frame#\tTime\tC7\t\t\tR.ASIS\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
    "\n"
    "1\t0.000\t1.5\t2.5\t-3.5\t10\t20\t30\n"
    "2\t0.010\t1.6\t2.6\t-3.6\t\t\t\n"
    "3\t0.020\t1.7\t2.7\t-3.7\tnan\tnan\tnan\n"
    "4\t0.030\t1.8\t2.8\t-3.8\t0\t0\t0\n"
)


def read(text: str):
    return read_trc(io.BytesIO(text.encode()))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_markers_units_rate_and_gaps_are_read(newline):
    points = read(SMALL.replace("\n", newline))
    assert points.names == ("C7", "R.ASIS")
    assert points.fps == 100.0
    assert points.metres_per_unit == 0.001
    assert np.array_equal(points.xyz[:, 0, 2], [-3.5, -3.6, -3.7, -3.8])
    assert np.array_equal(points.xyz[0, 1], [10, 20, 30])
    assert np.isnan(points.xyz[1:, 1]).all()


def test_gaps_that_end_a_row_may_be_left_off():
    points = read(SMALL.replace("-3.6\t\t\t\n", "-3.6\n"))
    assert np.isnan(points.xyz[1, 1]).all()
    assert points.xyz[1, 0, 0] == 1.6


def test_spaces_in_place_of_tabs_are_read_where_nothing_is_missing():
    text = SMALL.replace("\t\t\t\n", "\t1\t1\t1\n").replace("nan", "5").replace("\n\n", "\n")
    points = read(text.replace("\t", "  "))
    assert points.names == ("C7", "R.ASIS")
    assert np.array_equal(points.xyz[1, 1], [1, 1, 1])


@pytest.mark.parametrize(("word", "size"), [("m", 1.0), ("Meters", 1.0), ("cm", 0.01), ("?", None)])
def test_units(word, size):
    assert read(SMALL.replace("\tmm\t", f"\t{word}\t")).metres_per_unit == size


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("PathFileType", "Path", "not a TRC file"),
        ("\t4\t2\tmm", "\t5\t2\tmm", "announces 5 frames and holds 4"),
        ("\t4\t2\tmm", "\t4\t3\tmm", "announces 3 markers and names 2"),
        ("\t4\t2\tmm", "\tmany\t2\tmm", "NumFrames is missing"),
        ("R.ASIS", "C7", "two markers are called 'C7'"),
        ("2.6", "2,6", "'2,6' is not a number"),
        ("2.6", "inf", "larger than any room"),
        ("\t30\n", "\t30\t31\n", "9 fields in place of 8"),
        ("100.00\t100.00", "0\t0", "DataRate is 0"),
        ("100.00\t100.00", "60\t60", "60 frames per second, but its times say 100"),
    ],
)
def test_damage_is_said_in_words(tmp_path, old, new, says):
    assert old in SMALL
    path = tmp_path / "damaged.trc"
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(ExportError, match=says) as caught:
        load_trc(path)
    assert "damaged.trc" in str(caught.value)


def test_mutated_files_raise_nothing_but_our_error():
    rng = np.random.default_rng(7)
    data = SMALL.encode()
    num_refused = 0
    for _ in range(300):
        mutated = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        for _ in range(rng.integers(1, 8)):
            mutated[rng.integers(len(mutated))] = rng.integers(256)
        try:
            read_trc(io.BytesIO(bytes(mutated)))
        except ExportError:
            num_refused += 1
    assert 100 < num_refused < 300
