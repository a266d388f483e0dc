"""Files of other programs in their documented layouts, written here from scratch.

There are no real files of these programs in the tests: each writer follows the program's own
documentation (see the readers in `pose_core.interchange`); the layout of pandas' HDF5 was taken
down from files that pandas 3.1 had written.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from pose_core.interchange.openpose import BODY_25, COCO_18
from pose_core.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, joint_map

# What our joints stand for in other programs; the rest of their points is put near the head.
_PARTS = {"Neck": "thorax", "MidHip": "pelvis", "Nose": "neck", "Head": "head_top"}
SCORE = 0.8


def points_named(xy: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(T, N, 2) points of another program's names from (T, 17, 2) joints.

    Points of the face lie around our neck joint, those of feet and hands at ankle and wrist.
    """
    out = np.zeros((len(xy), len(names), 2))
    for place, name in enumerate(names):
        joint, offset = _part(name)
        out[:, place] = xy[:, H36M_17.index(joint)] + offset
    return out


def _part(name: str) -> tuple[str, tuple[float, float]]:
    if name in _PARTS:
        return _PARTS[name], (0.0, 0.0)
    low = name.lower().replace("_", "")
    side = "left" if low.startswith(("left", "l")) or low.endswith("left") else "right"
    shift = 2.0 if side == "left" else -2.0
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
        if low.endswith(part):
            return f"{side}_{part}", (0.0, 0.0)
    if any(part in low for part in ("toe", "heel", "foot")):
        return f"{side}_ankle", (shift, 4.0)
    if any(part in low for part in ("pinky", "index", "thumb")):
        return f"{side}_wrist", (shift, 3.0)
    return "neck", (shift if low != "nose" else 0.0, -1.0 if "eye" in low else 0.0)


# --- OpenPose ---------------------------------------------------------------------------------


def write_openpose(
    folder: Path,
    people: list[np.ndarray],
    names: tuple[str, ...] = BODY_25,
    *,
    stem: str = "walk",
    ids: list[int] | None = None,
    scale: tuple[float, float] = (1.0, 1.0),
) -> Path:
    """A file for each frame; people (T, 17, 2), NaN frames without the person."""
    folder.mkdir(exist_ok=True)
    for frame in range(len(people[0])):
        found = []
        for number, xy in enumerate(people):
            if np.isnan(xy[frame]).all():
                continue
            points = points_named(xy[frame : frame + 1], names)[0] / scale
            rows = np.column_stack([points, np.full(len(names), SCORE)])
            rows[np.isnan(points).any(axis=1)] = 0.0
            found.append(
                {
                    "person_id": [-1 if ids is None else ids[number]],
                    "pose_keypoints_2d": rows.round(5).ravel().tolist(),
                    "face_keypoints_2d": [],
                    "hand_left_keypoints_2d": [],
                }
            )
        path = folder / f"{stem}_{frame:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": found}))
    return folder


# --- MediaPipe --------------------------------------------------------------------------------

MEDIAPIPE_NAMES = tuple(
    {"left_mouth": "mouth_left", "right_mouth": "mouth_right"}.get(name, name)
    for name in BLAZEPOSE_33.joint_names
)


def mediapipe_frames(xy: np.ndarray, size: tuple[int, int]) -> list[list[dict[str, float]]]:
    points = points_named(xy, BLAZEPOSE_33.joint_names) / size
    return [
        []
        if np.isnan(frame).all()
        else [{"x": x, "y": y, "z": 0.0, "visibility": SCORE} for x, y in frame.tolist()]
        for frame in points
    ]


def write_mediapipe_json(path: Path, xy: np.ndarray, size: tuple[int, int]) -> Path:
    frames = [
        {"frame": i, "timestamp_ms": 40 * i, "pose_landmarks": landmarks}
        for i, landmarks in enumerate(mediapipe_frames(xy, size))
    ]
    path.write_text(json.dumps({"fps": 25, "frames": frames}))
    return path


def write_mediapipe_csv(path: Path, xy: np.ndarray, size: tuple[int, int]) -> Path:
    """Wide, by name."""
    columns = [f"{n}_{c}" for n in MEDIAPIPE_NAMES for c in ("x", "y", "z", "visibility")]
    lines = [",".join(["frame", *columns])]
    for i, landmarks in enumerate(mediapipe_frames(xy, size)):
        values = [str(v) for point in landmarks for v in point.values()] or [""] * len(columns)
        lines.append(",".join([str(i), *values]))
    path.write_text("\n".join(lines) + "\n")
    return path


# --- DeepLabCut -------------------------------------------------------------------------------

DLC_NAMES = COCO_17.joint_names
SCORER = "DLC_resnet50_walkNov21shuffle1_50000"


def deeplabcut_table(people: dict[str, np.ndarray]) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Names of the columns and values (T, C); without individuals where there is one."""
    columns, values = [], []
    for who, xy in people.items():
        points = points_named(xy, DLC_NAMES)
        for place, part in enumerate(DLC_NAMES):
            for coord in ("x", "y", "likelihood"):
                name = (SCORER, part, coord) if len(people) == 1 else (SCORER, who, part, coord)
                columns.append(name)
            values.append(points[:, place])
            values.append(np.where(np.isnan(points[:, place, :1]), np.nan, SCORE))
    return columns, np.concatenate(values, axis=1)


def write_deeplabcut_csv(path: Path, people: dict[str, np.ndarray]) -> Path:
    """As pandas writes it: missing numbers are empty."""
    columns, table = deeplabcut_table(people)
    kinds = ["scorer", "individuals", "bodyparts", "coords"]
    if len(people) == 1:
        kinds.remove("individuals")
    words = zip(*columns, strict=True)
    lines = [",".join([kind, *row]) for kind, row in zip(kinds, words, strict=True)]
    for frame, row in enumerate(table):
        lines.append(",".join([str(frame), *("" if np.isnan(v) else repr(float(v)) for v in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_deeplabcut_h5(path: Path, people: dict[str, np.ndarray], layout: str = "table") -> Path:
    """As ``DataFrame.to_hdf(path, key="df_with_missing", format=layout)`` lays it out."""
    columns, table = deeplabcut_table(people)
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        if layout == "table":
            group.attrs["pandas_type"] = np.bytes_(b"frame_table")
            group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, columns)], 0))
            dtype = [("index", "<i8"), ("values_block_0", "<f8", (table.shape[1],))]
            records = np.zeros(len(table), dtype=dtype)
            records["index"], records["values_block_0"] = np.arange(len(table)), table
            data = group.create_dataset("table", data=records, maxshape=(None,))
            data.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, 0))
            return path
        group.attrs["pandas_type"] = np.bytes_(b"frame")
        group["axis1"] = np.arange(len(table))
        group["block0_values"] = table
        for level, words in enumerate(zip(*columns, strict=True)):
            texts = sorted(set(words))
            codes = np.array([texts.index(word) for word in words], dtype=np.int8)
            for axis in ("axis0", "block0_items"):
                group[f"{axis}_level{level}"] = np.array(texts, dtype="S")
                group[f"{axis}_label{level}"] = codes
    return path


# --- SLEAP ------------------------------------------------------------------------------------

HALF = 0.5  # SLEAP counts from the middle of the first pixel


def write_sleap_analysis(path: Path, people: dict[str, np.ndarray]) -> Path:
    xy = np.stack([points_named(xy, COCO_17.joint_names) for xy in people.values()]) - HALF
    scores = np.where(np.isnan(xy[..., 0]), np.nan, SCORE)
    with h5py.File(path, "w") as file:
        packed = {"compression": "gzip", "compression_opts": 9}
        file.create_dataset("tracks", data=xy.transpose(0, 3, 2, 1), **packed)
        file.create_dataset("point_scores", data=scores.transpose(0, 2, 1), **packed)
        file.create_dataset("track_occupancy", data=np.isfinite(xy[..., 0]).any(2).T, **packed)
        file["node_names"] = np.array(COCO_17.joint_names, dtype="S")
        file["track_names"] = np.array(list(people), dtype="S")
        file["video_path"] = "walk.mp4"
    return path


INSTANCE = np.dtype(
    [
        *(("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4")),
        *(("track", "i4"), ("from_predicted", "i8"), ("score", "f4")),
        *(("point_id_start", "u8"), ("point_id_end", "u8"), ("tracking_score", "f4")),
    ]
)
FRAME = np.dtype(
    [
        *(("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8")),
        *(("instance_id_start", "u8"), ("instance_id_end", "u8")),
    ]
)
POINT = np.dtype([("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")])
PREDICTED_POINT = np.dtype([*POINT.descr, ("score", "f8")])


def write_slp(
    path: Path,
    people: dict[str, np.ndarray],
    *,
    corrected: tuple[int, ...] = (),
    is_tracked: bool = True,
    videos: tuple[str, ...] = ("C:\\films\\walk.mp4",),
    size: tuple[int, int] = (640, 480),
) -> Path:
    """Predictions of the people; in some frames the first was corrected by hand (moved 5 px)."""
    # The skeleton names its nodes in another order than they are listed.
    names = COCO_17.joint_names
    nodes = sorted(names)
    frames, instances, points, predicted = [], [], [], []
    shown = {who: points_named(xy, names) - HALF for who, xy in people.items()}
    num_frames = len(next(iter(people.values())))

    def add(frame: int, track: int, xy: np.ndarray, kind: int, replaces: int) -> None:
        table = points if kind == 0 else predicted
        number = len(instances)
        start = len(table)
        for x, y in xy:
            is_visible = bool(np.isfinite(x))
            table.append((x, y, is_visible, True, *([SCORE] if kind else [])))
        track = track if is_tracked else -1
        instances.append((number, kind, frame, 0, track, replaces, 0.9, start, len(table), 0.0))

    for frame in range(num_frames):
        first = len(instances)
        for track, xy in enumerate(shown.values()):
            if np.isfinite(xy[frame]).any():
                add(frame, track, xy[frame], 1, -1)
        if frame in corrected:
            add(frame, 0, next(iter(shown.values()))[frame] + 5, 0, first)
        frames.append((frame, len(videos) - 1, frame, first, len(instances)))
    skeleton = {"nodes": [{"id": nodes.index(name)} for name in names], "links": []}
    metadata = {"version": "2.0.0", "skeletons": [skeleton], "nodes": [{"name": n} for n in nodes]}
    backend = {"type": "MediaVideo", "shape": [num_frames, size[1], size[0], 3]}
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = 1.2
        group.attrs["json"] = np.bytes_(json.dumps(metadata))
        described = [{"filename": n, "backend": {**backend, "filename": n}} for n in videos]
        file["videos_json"] = [np.bytes_(json.dumps(video)) for video in described]
        tracks = [np.bytes_(json.dumps([0, who])) for who in people] if is_tracked else []
        file.create_dataset("tracks_json", data=tracks, maxshape=(None,))
        file["frames"] = np.array(frames, dtype=FRAME)
        file["instances"] = np.array(instances, dtype=INSTANCE)
        file["points"] = np.array(points, dtype=POINT)
        file["pred_points"] = np.array(predicted, dtype=PREDICTED_POINT)
    return path


# --- all --------------------------------------------------------------------------------------

TO_H36M = {
    "coco": joint_map(COCO_17, H36M_17),
    "own": joint_map(H36M_17, H36M_17),
}

Writer = Callable[[Path, dict[str, np.ndarray], tuple[int, int]], Path]


def _alone(people: dict[str, np.ndarray]) -> np.ndarray:
    return next(iter(people.values()))


# How each kind of file is written into a folder, for programs that go through all of them.
WRITERS: dict[str, Writer] = {
    "openpose": lambda folder, people, size: write_openpose(folder / "body25", [*people.values()]),
    "openpose coco": lambda folder, people, size: write_openpose(
        folder / "coco18", [*people.values()], COCO_18
    ),
    "mediapipe json": lambda folder, people, size: write_mediapipe_json(
        folder / "landmarks.json", _alone(people), size
    ),
    "mediapipe csv": lambda folder, people, size: write_mediapipe_csv(
        folder / "landmarks.csv", _alone(people), size
    ),
    "deeplabcut csv": lambda folder, people, size: write_deeplabcut_csv(folder / "dlc.csv", people),
    "deeplabcut h5": lambda folder, people, size: write_deeplabcut_h5(folder / "dlc.h5", people),
    "deeplabcut fixed h5": lambda folder, people, size: write_deeplabcut_h5(
        folder / "fixed.h5", people, "fixed"
    ),
    "sleap analysis": lambda folder, people, size: write_sleap_analysis(
        folder / "analysis.h5", people
    ),
    "sleap slp": lambda folder, people, size: write_slp(
        folder / "labels.slp", people, corrected=(3,), size=size
    ),
}
