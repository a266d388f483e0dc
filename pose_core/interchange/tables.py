"""CSV tables of one person: long (a row per frame and joint) and wide (a row per frame).

Lines at the top that begin with ``#`` give units, frame of reference, rate, model and
provenance. Numbers are the shortest that give back the same value; missing ones are ``nan``.
"""

import csv
import io
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

import pose_core
from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError
from pose_core.interchange.person import FRAME_OF_REFERENCE, PersonPoses, parse_meta
from pose_core.interchange.reading import open_to_read

Layout = Literal["long", "wide"]

_ROOT_COLUMNS = ("root_x_m", "root_y_m", "root_z_m")
_JOINT_COLUMNS = ("x_m", "y_m", "z_m", "x_px", "y_px", "score")
_LONG_COLUMNS = ("frame", "time_s", "joint", *_JOINT_COLUMNS, *_ROOT_COLUMNS)


def save_csv(path: Path, person: PersonPoses, layout: Layout = "long") -> None:
    """Write one table, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_csv(handle, person, layout)


def write_csv(handle: BinaryIO, person: PersonPoses, layout: Layout = "long") -> None:
    """Write to an open file; the inverse of `read_csv`.

    Parameters
    ----------
    handle : BinaryIO
    person : PersonPoses
        Of its stages, only the last one is written.
    layout : {"long", "wide"}
    """
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    try:
        text.writelines(f"# {line}\n" for line in _comments(person, layout))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_LONG_COLUMNS if layout == "long" else _wide_columns(person.joint_names))
        frames = zip(person.frame_index, person.time_s, strict=True)
        root = person.root_3d.astype(str)
        joints = _joint_values(person).astype(str)
        for t, (frame, time_s) in enumerate(frames):
            start = [str(frame), str(time_s)]
            if layout == "wide":
                writer.writerow([*start, *root[t], *joints[t].ravel()])
                continue
            for name, values in zip(person.joint_names, joints[t], strict=True):
                writer.writerow([*start, name, *values, *root[t]])
    finally:
        text.detach()  # the handle stays open: it is the caller's


def _joint_values(person: PersonPoses) -> np.ndarray:
    """(T, J, 6) float32 in the order of ``_JOINT_COLUMNS``."""
    return np.concatenate(
        [person.poses_3d, person.keypoints_2d, person.scores[..., None]], axis=-1
    ).astype(np.float32)


def _wide_columns(joint_names: tuple[str, ...]) -> list[str]:
    joints = [f"{joint}_{column}" for joint in joint_names for column in _JOINT_COLUMNS]
    return ["frame", "time_s", *_ROOT_COLUMNS, *joints]


def _comments(person: PersonPoses, layout: Layout) -> list[str]:
    meta = person.meta
    lines = [
        f"PoseStage {pose_core.__version__}: 2D and 3D pose of one person, {layout} table",
        f"frames: {len(person.frame_index)}",
        f"fps: {person.fps!r}",
        "units: *_m metre, *_px pixel, time_s second from the first frame, score 0..1",
        f"frame_of_reference: {FRAME_OF_REFERENCE}",
        "x_m, y_m, z_m: relative to the pelvis; root_*_m: the pelvis in camera coordinates; "
        "x_px, y_px: pixel of the upright picture",
        f"root_position: {meta.get('root_position', 'unknown')}",
        f"depth: {meta.get('depth', 'unknown')}",
        f"model: {meta.get('model', 'unknown')}",
        "missing values: nan",
        f"meta: {person.meta_text}",
    ]
    num_lines = len(lines) + 1
    lines.append(
        'read with: pandas.read_csv(path, comment="#"), or '
        f'numpy.genfromtxt(path, delimiter=",", names=True, skip_header={num_lines}, '
        "dtype=None, encoding=None)"
    )
    return [" ".join(line.splitlines()) for line in lines]


def load_csv(path: Path) -> PersonPoses:
    """Read a table, long or wide.

    Raises
    ------
    ExportError
        If the file cannot be opened, is no such table, or is damaged.
    """
    with open_to_read(path) as handle:
        return read_csv(handle)


def read_csv(handle: BinaryIO) -> PersonPoses:
    """Read from an open file; the inverse of `write_csv`, with the last stage alone.

    Raises
    ------
    ExportError
    """
    lines = handle.read().decode("utf-8", errors="replace").splitlines()
    comments: dict[str, str] = {}
    for line in lines:
        if line.startswith("#"):
            name, _, value = line[1:].strip().partition(": ")
            comments[name] = value
    try:
        rows = list(csv.reader(line for line in lines if line and not line.startswith("#")))
        columns, rows = rows[0], np.array(rows[1:], dtype=str)
        is_long = tuple(columns) == _LONG_COLUMNS
        read = _read_long if is_long else _read_wide
        person = read(columns, rows, float(comments["fps"]), parse_meta(comments["meta"]))
        if len(person.frame_index) != int(comments["frames"]):
            raise ValueError(f"it announces {comments['frames']} frames")
        return person
    except KeyError as exc:
        raise ExportError(f"The table has no comment line {exc}.") from exc
    except (ValueError, IndexError, RecursionError, OverflowError, csv.Error) as exc:
        raise ExportError(f"The table is damaged: {exc}.") from exc


def _read_long(columns: list[str], rows: np.ndarray, fps: float, meta: dict) -> PersonPoses:
    names = tuple(dict.fromkeys(rows[:, 2].tolist()))
    joints = rows.reshape(-1, len(names), len(columns))
    same_frame = (joints[:, :, :2] == joints[:, :1, :2]).all()
    if not same_frame or not (joints[:, :, 2] == np.array(names)).all():
        raise ValueError("frames or joints are out of order")
    values = joints[:, :, 3 : 3 + len(_JOINT_COLUMNS)]
    root = joints[:, 0, -len(_ROOT_COLUMNS) :]
    return _person(joints[:, 0, :2], root, values, names, fps, meta)


def _read_wide(columns: list[str], rows: np.ndarray, fps: float, meta: dict) -> PersonPoses:
    first = 2 + len(_ROOT_COLUMNS)
    suffix = f"_{_JOINT_COLUMNS[0]}"
    names = tuple(c.removesuffix(suffix) for c in columns[first :: len(_JOINT_COLUMNS)])
    if not names or columns != _wide_columns(names):
        raise ValueError("its columns are not those of a long or wide table")
    values = rows[:, first:].reshape(-1, len(names), len(_JOINT_COLUMNS))
    return _person(rows[:, :2], rows[:, 2:first], values, names, fps, meta)


def _person(
    frames: np.ndarray,
    root: np.ndarray,
    joints: np.ndarray,
    names: tuple[str, ...],
    fps: float,
    meta: dict,
) -> PersonPoses:
    """Turn text arrays (T, 2), (T, 3), (T, J, 6) into poses."""
    values = joints.astype(np.float32)
    return PersonPoses(
        poses_3d=values[..., :3],
        root_3d=root.astype(np.float32),
        keypoints_2d=values[..., 3:5],
        scores=values[..., 5],
        stages_3d=values[None, ..., :3],
        frame_index=frames[:, 0].astype(np.int64),
        time_s=frames[:, 1].astype(np.float64),
        fps=fps,
        joint_names=names,
        meta=meta,
    )
