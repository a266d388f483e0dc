"""``metadata.xml`` of Human3.6M: which file is which trial of which action, and the cameras.

The file comes with the code of the data set (Release-v1.2). Both layouts that
`pose_core.data.human36m` reads need it: calibration is part of the data set and is not shipped
here.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from pose_core.data.foreign_files import reading
from pose_core.data.lens_camera import LensCamera
from pose_core.errors import DataError

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
_SIZES = {"54138969": (1000, 1002), "60457274": (1000, 1002)}
_OTHER_SIZE = (1000, 1000)
_NUM_SUBJECTS = 11
# Cameras times subjects times (3 angles, 3 mm), then cameras times (f, c, k, p).
_EXTRINSICS, _INTRINSICS = 6, 9
_NUM_NUMBERS = len(CAMERAS) * (_NUM_SUBJECTS * _EXTRINSICS + _INTRINSICS)
_EXPECTED = (
    "Expected metadata.xml of the Human3.6M code (Release-v1.2): <mapping> with a row for each "
    f"action and trial, and <w0> with {_NUM_NUMBERS} numbers."
)
# Two subjects have other names for these; the shorter ones are used, as everywhere.
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def canonical_name(name: str) -> str:
    """Name of a recording with the names that all subjects share: ``WalkDog 1``."""
    for old, new in _RENAMED.items():
        name = name.replace(old, new)
    return name


def action_of(name: str) -> str:
    """Action of a recording: ``Directions 1`` to ``Directions``."""
    return re.sub(r" \d+$", "", canonical_name(name))


@dataclass(frozen=True, eq=False)
class Metadata:
    """What ``metadata.xml`` says.

    Parameters
    ----------
    trials : dict
        (subject, name of the recording) to 1 or 2. The number in the name is not it: the first
        trial of Directions is called ``Directions 1`` for some subjects and ``Directions`` for
        others.
    numbers : (300,) ndarray
        Calibration as stored.
    """

    trials: dict[tuple[str, str], int]
    numbers: np.ndarray

    def trial(self, subject: str, name: str) -> int:
        """Number of the trial.

        Raises
        ------
        DataError
            If the mapping does not have this recording.
        """
        try:
            return self.trials[subject, canonical_name(name)]
        except KeyError:
            raise DataError(f"metadata.xml maps no {name!r} of {subject}.", _EXPECTED) from None

    def camera(self, subject: str, name: str) -> LensCamera:
        """A camera as it stood when a subject was recorded.

        Notes
        -----
        Stored are three angles whose rotation is Rx Ry Rz, and the position T of the camera in
        millimetres: ``x_camera = R (x_world - T)``.
        """
        index, person = CAMERAS.index(name), int(subject.removeprefix("S")) - 1
        start = _EXTRINSICS * (index * _NUM_SUBJECTS + person)
        extrinsics = self.numbers[start : start + _EXTRINSICS]
        start = _EXTRINSICS * _NUM_SUBJECTS * len(CAMERAS) + _INTRINSICS * index
        fx, fy, cx, cy, k1, k2, k3, p1, p2 = self.numbers[start : start + _INTRINSICS].tolist()
        rotation = Rotation.from_euler("XYZ", extrinsics[:3]).as_matrix()
        width, height = _SIZES.get(name, _OTHER_SIZE)
        return LensCamera(
            name,
            width,
            height,
            (fx, fy),
            (cx, cy),
            (k1, k2, k3),
            (p1, p2),
            1,
            rotation,
            -rotation @ extrinsics[3:] / 1000,
        )


def load_metadata(folder: Path) -> Metadata:
    """Read ``metadata.xml`` of a folder.

    Raises
    ------
    DataError
        If it is missing or not as expected.
    """
    path = folder / "metadata.xml"
    if not path.is_file():
        raise DataError(f"{path} is missing.", f"{_EXPECTED} Put it into {folder}.")
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"{path} is no XML: {error}.", _EXPECTED) from error
    with reading(path, _EXPECTED):
        rows = [[cell.text or "" for cell in row] for row in root.iterfind("mapping/tr")]
        subjects = rows[0][2:]
        trials = {
            (subject, canonical_name(name)): int(trial)
            for _, trial, *names in rows[1:]
            if trial.isdigit()
            for subject, name in zip(subjects, names, strict=False)
        }
        numbers = np.array((root.findtext("w0") or "").strip("[] \n").split(), dtype=float)
        if len(numbers) != _NUM_NUMBERS or not np.isfinite(numbers).all():
            raise ValueError(f"<w0> has {len(numbers)} numbers")
    return Metadata(trials, numbers)
