"""JSON: the poses of one person, described by themselves, one frame per line; null is missing."""

import json
from pathlib import Path
from typing import BinaryIO

import numpy as np

import pose_core
from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError
from pose_core.interchange.person import FRAME_OF_REFERENCE, UNITS, PersonPoses
from pose_core.interchange.reading import open_to_read
from pose_core.skeleton import H36M_17

FORMAT = "posestage-poses"
FORMAT_VERSION = 1


def save_json(path: Path, person: PersonPoses) -> None:
    """Write the poses of one person, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_json(handle, person)


def write_json(handle: BinaryIO, person: PersonPoses) -> None:
    """Write to an open file; the inverse of `read_json`."""
    is_ours = person.joint_names == H36M_17.joint_names
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": f"PoseStage {pose_core.__version__}",
        "frame_of_reference": FRAME_OF_REFERENCE,
        "units": UNITS,
        "fps": float(person.fps),
        "joint_names": person.joint_names,
        "parents": H36M_17.parents if is_ours else None,
        "meta": json.loads(person.meta_text),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    handle.write(("{\n" + "\n".join(lines) + '\n"frames": [\n').encode())
    num_frames = len(person.frame_index)
    for t in range(num_frames):
        frame = {
            "frame": int(person.frame_index[t]),
            "time_s": float(person.time_s[t]),
            "root_3d": _short(person.root_3d[t]),
            "poses_3d": _short(person.poses_3d[t]),
            "keypoints_2d": _short(person.keypoints_2d[t]),
            "scores": _short(person.scores[t]),
            "stages_3d": _short(person.stages_3d[:, t]),
        }
        # Numbers only, so that the word can stand for nothing else.
        line = json.dumps(frame).replace("NaN", "null")
        handle.write((line + ("," if t + 1 < num_frames else "") + "\n").encode())
    handle.write(b"]}\n")


def _short(array: np.ndarray) -> list:
    """Nested lists of numbers with 9 significant digits, which give back the same float32."""
    values = np.where(np.isfinite(array), array, np.nan).astype(np.float64)
    scale = 10.0 ** (8 - np.floor(np.log10(np.abs(values) + 1e-300)))
    return (np.round(values * scale) / scale).tolist()


def load_json(path: Path) -> PersonPoses:
    """Read the poses of one person.

    Raises
    ------
    ExportError
        If the file cannot be opened or is damaged.
    """
    with open_to_read(path) as handle:
        return read_json(handle)


def read_json(handle: BinaryIO) -> PersonPoses:
    """Read from an open file; the inverse of `write_json`.

    Raises
    ------
    ExportError
    """
    try:
        content = json.loads(handle.read())
        if content["format"] != FORMAT or content["format_version"] != FORMAT_VERSION:
            raise ExportError(f"The JSON file is not of the form {FORMAT} {FORMAT_VERSION}.")
        return _person(content)
    except KeyError as exc:
        raise ExportError(f"The JSON file has no {exc}.") from exc
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as exc:
        raise ExportError(f"The JSON file is damaged: {exc}.") from exc


def _person(content: dict) -> PersonPoses:
    frames = content["frames"]

    def column(name: str, dtype: type) -> np.ndarray:
        # Through float64, where None becomes NaN.
        return np.array([frame[name] for frame in frames], dtype=np.float64).astype(dtype)

    num_joints = len(content["joint_names"])
    if not frames:
        raise ExportError("The JSON file has no frames.")
    stages = column("stages_3d", np.float32).reshape(len(frames), -1, num_joints, 3)
    return PersonPoses(
        poses_3d=column("poses_3d", np.float32),
        root_3d=column("root_3d", np.float32),
        keypoints_2d=column("keypoints_2d", np.float32),
        scores=column("scores", np.float32),
        stages_3d=np.moveaxis(stages, 1, 0),
        frame_index=np.array([frame["frame"] for frame in frames], dtype=np.int64),
        time_s=column("time_s", np.float64),
        fps=float(content["fps"]),
        joint_names=tuple(map(str, content["joint_names"])),
        meta=dict(content["meta"]),
    )
