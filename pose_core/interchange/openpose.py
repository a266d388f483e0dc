"""OpenPose: a folder with one JSON file for each frame (option ``--write_json``).

The files are called ``NAME_000000000012_keypoints.json``::

    {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, c, ...], ...}]}

With 25 keypoints they are those of BODY_25, with 18 those of COCO. Keypoints that were not found
are three zeros. ``person_id`` is -1 unless people were tracked. Places are pixels, or shares of
the picture (``--keypoint_scale 3``: 0..1; 4: -1..1).

References
----------
OpenPose documentation, "Output format" (doc/02_output.md) and "Keypoint ordering".
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.interchange.reading import damage_told, open_to_read, read_json_text, whole_number

FORMAT = "OpenPose"
_COMMON = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist"
_FACE = "REye LEye REar LEar"
BODY_25 = tuple(
    f"{_COMMON} MidHip RHip RKnee RAnkle LHip LKnee LAnkle {_FACE} "
    "LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel".split()
)
COCO_18 = tuple(f"{_COMMON} RHip RKnee RAnkle LHip LKnee LAnkle {_FACE}".split())
_LAYOUTS = {len(BODY_25): ("BODY_25", BODY_25), len(COCO_18): ("COCO", COCO_18)}
_NAME = re.compile(r"(?P<stem>.*?)_?(?P<frame>\d{1,15})_keypoints\.json")


def is_openpose_file(path: Path) -> bool:
    """Whether it is called as OpenPose calls the file of a frame."""
    return _NAME.fullmatch(path.name) is not None


def load_openpose(path: Path) -> NamedKeypoints:
    """Read the files of one video.

    Parameters
    ----------
    path : Path
        The folder, or one of its files: then those of the same video.

    Raises
    ------
    ExportError
        If there is no such file, the folder has those of several videos, or one is damaged.
    """
    files = _files(path)
    rows: list[tuple[int, int, np.ndarray]] = []
    for frame, file in sorted(files.items()):
        with open_to_read(file) as handle:
            content = read_json_text(handle)
            with damage_told("OpenPose file"):
                rows += [(frame, *_person(person)) for person in content["people"]]
    sizes = {len(points) for _, _, points in rows}
    if not rows:
        raise ExportError(f"No OpenPose file in {path} has a person in it.")
    if len(sizes) > 1 or not sizes <= set(_LAYOUTS):
        raise ExportError(
            f"The people in {path} have {' or '.join(map(str, sorted(sizes)))} keypoints.",
            "OpenPose writes 25 (BODY_25) or 18 (COCO) with --model_pose.",
        )
    layout, names = _LAYOUTS[sizes.pop()]
    points = np.stack([points for _, _, points in rows])
    xy, is_share = _places(points)
    ids = np.array([person for _, person, _ in rows], dtype=np.int64)
    numbers = np.unique(ids[ids >= 0])
    return NamedKeypoints(
        names=names,
        frames=np.array([frame for frame, _, _ in rows], dtype=np.int64),
        people=np.where(ids >= 0, np.searchsorted(numbers, ids), -1),
        xy=xy,
        scores=points[..., 2],
        person_names=tuple(f"Person {number}" for number in numbers),
        format=f"{FORMAT} {layout}",
        num_frames=max(files) + 1,
        is_share=is_share,
    )


def _files(path: Path) -> dict[int, Path]:
    """The files of one video, by frame."""
    folder = path if path.is_dir() else path.parent
    try:
        names = [match for file in folder.iterdir() if (match := _NAME.fullmatch(file.name))]
    except OSError as exc:
        raise ExportError(f"{folder} cannot be read: {exc.strerror or exc}.") from exc
    own = _NAME.fullmatch(path.name) if not path.is_dir() else None
    stems = sorted({match["stem"] for match in names})
    if own is not None:
        stems = [own["stem"]]
    if not stems:
        raise ExportError(
            f"{folder} has no OpenPose file.",
            "They are called NAME_000000000000_keypoints.json, one for each frame.",
        )
    if len(stems) > 1:
        shown = ", ".join(stem[:40] for stem in stems[:5])
        raise ExportError(
            f"{folder} has the OpenPose files of {len(stems)} videos: {shown}.",
            "Choose a file of the one that is meant.",
        )
    return {int(m["frame"]): folder / m.string for m in names if m["stem"] == stems[0]}


def _person(person: dict[str, Any]) -> tuple[int, np.ndarray]:
    """Number (-1 if not tracked) and keypoints (N, 3)."""
    # Early versions called them pose_keypoints.
    values = person.get("pose_keypoints_2d", person.get("pose_keypoints"))
    number = person.get("person_id", -1)
    if isinstance(number, list):
        number = number[0] if number else -1
    return max(whole_number(number), -1), np.array(values, dtype=np.float64).reshape(-1, 3)


def _places(points: np.ndarray) -> tuple[np.ndarray, bool]:
    """Places (D, N, 2) without those not found, and whether they are shares of the picture."""
    xy = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
    known = xy[np.isfinite(xy)]
    # Nobody is two pixels large: such numbers are shares.
    if not known.size or np.abs(known).max() > 2:
        return xy, False
    return ((xy + 1) / 2 if known.min() < -0.2 else xy), True
