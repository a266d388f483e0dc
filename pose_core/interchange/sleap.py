"""SLEAP: its analysis HDF5, and the projects and predictions ``.slp`` that it works with.

Analysis HDF5 has one array for all: ``tracks (tracks, 2, nodes, frames)`` with NaN where nobody
was seen, ``point_scores (tracks, nodes, frames)``, ``node_names`` and ``track_names``. Newer files
say the order of the axes in the attribute ``dims``.

An ``.slp`` is HDF5 too, with tables that refer to each other: ``frames`` to rows of
``instances``, and these to rows of ``points`` (by hand) or ``pred_points``; names are JSON.

SLEAP counts pixels from the middle of the first one; PoseStage counts from its corner, so half a
pixel is added (not in ``.slp`` before format 1.1, which counted from the corner too).

References
----------
sleap-io documentation, "SLP file format" and "Analysis HDF5"; SLEAP,
``sleap.info.write_tracking_h5``.
"""

import json
import math
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import h5py
import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.hdf5 import member, open_hdf5, read_numbers, read_texts, text_attribute
from pose_core.interchange.named_keypoints import NamedKeypoints

FORMAT_ANALYSIS, FORMAT_SLP = "SLEAP analysis", "SLEAP"
HALF_PIXEL = 0.5
# The order of the axes as SLEAP itself writes them.
_DIMS = ("track", "xy", "node", "frame")
_USER, _PREDICTED = 0, 1
_FIRST_MIDDLE_FORMAT = 1.1


def is_analysis(file: h5py.File) -> bool:
    """Whether an open file is an analysis HDF5."""
    return "tracks" in file and "node_names" in file


def load_sleap_analysis(path: Path) -> NamedKeypoints:
    """Read an analysis HDF5.

    Raises
    ------
    ExportError
        If it cannot be read, is damaged or something else.
    """
    with open_hdf5(path) as file:
        dims = _dims(member(file, "tracks", h5py.Dataset))
        tracks = read_numbers(file, "tracks")
        if tracks.ndim != len(dims):
            raise ValueError(f"tracks are {tracks.shape}")
        xy = tracks.transpose([dims.index(name) for name in ("track", "frame", "node", "xy")])
        num_tracks, num_frames, num_nodes, num_coords = xy.shape
        nodes = read_texts(file, "node_names")
        if num_coords != 2 or num_nodes != len(nodes):
            raise ValueError(f"tracks are {tracks.shape} for {len(nodes)} nodes")
        scores = np.ones(xy.shape[:3], dtype=np.float32)
        if "point_scores" in file and (stored := read_numbers(file, "point_scores")).size:
            order = [dim for dim in dims if dim != "xy"]
            axes = [order.index(name) for name in ("track", "frame", "node")]
            scores = np.where(np.isfinite(stored), stored, 1.0).transpose(axes)
        names = read_texts(file, "track_names") if "track_names" in file else []
        is_there = np.isfinite(xy).all(axis=-1).any(axis=-1)
        people, frames = np.nonzero(is_there)
        return NamedKeypoints(
            names=tuple(nodes),
            frames=frames,
            people=people,
            xy=xy[is_there] + HALF_PIXEL,
            # Points set by hand have no score, which SLEAP writes as NaN.
            scores=scores[is_there],
            person_names=tuple(
                names[i] if i < len(names) else f"Person {i + 1}" for i in range(num_tracks)
            ),
            format=FORMAT_ANALYSIS,
            num_frames=num_frames,
        )


def _dims(tracks: h5py.Dataset) -> tuple[str, ...]:
    if "dims" not in tracks.attrs:
        return _DIMS
    dims = tuple(json.loads(text_attribute(tracks, "dims")))
    if sorted(dims) != sorted(_DIMS):
        raise ValueError(f"its axes are {dims}")
    return dims


# --- slp --------------------------------------------------------------------------------------


def load_slp(path: Path, video: str = "") -> NamedKeypoints:
    """Read the people of one video of a project; what was set by hand goes before predictions.

    Parameters
    ----------
    path : Path
    video : str
        Name of the video's file, by which it is found where the project has several.

    Raises
    ------
    ExportError
        If it cannot be read, is damaged, or has several videos of which none has that name.
    """
    with open_hdf5(path) as file:
        metadata = member(file, "metadata", h5py.Group)
        names = _node_names(json.loads(text_attribute(metadata, "json")))
        is_middle = float(metadata.attrs.get("format_id", 1.0)) >= _FIRST_MIDDLE_FORMAT - 1e-6
        video_index, num_frames, size = _video(file, video)
        frames, people, xy, scores = _instances(file, video_index, len(names))
        track_names = [str(json.loads(text)[-1]) for text in read_texts(file, "tracks_json")]
        if (people >= len(track_names)).any():
            raise ValueError("a person is of a track that is not there")
        return NamedKeypoints(
            names=names,
            frames=frames,
            people=people,
            xy=xy + (HALF_PIXEL if is_middle else 0.0),
            scores=scores,
            person_names=tuple(track_names),
            format=FORMAT_SLP,
            num_frames=num_frames,
            picture_size=size,
        )


def _node_names(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Names of the nodes of the one skeleton, in the order of its points."""
    skeletons = metadata["skeletons"]
    if len(skeletons) != 1:
        raise ValueError(f"it has {len(skeletons)} skeletons, one is expected")
    names = [str(node["name"]) for node in metadata["nodes"]]
    order = [int(node["id"]) for node in skeletons[0]["nodes"]]
    if min(order, default=0) < 0:
        raise ValueError("a node is not there")
    return tuple(names[index] for index in order)


def _video(file: h5py.File, name: str) -> tuple[int, int | None, tuple[int, int] | None]:
    """Index of the video that is meant, its number of frames and picture size where known."""
    videos = [json.loads(text) for text in read_texts(file, "videos_json")]
    backends = [video.get("backend") or video for video in videos]
    # A project may have been made on another system.
    files = [PureWindowsPath(str(backend.get("filename", ""))).name for backend in backends]
    if len(videos) == 1:
        index = 0
    elif PurePath(name).name in files:
        index = files.index(PurePath(name).name)
    else:
        raise ExportError(
            f"The project has {len(videos)} videos: {', '.join(files)[:200]}.",
            f"None of them is called {name}." if name else "Say which one is meant.",
        )
    shape = backends[index].get("shape")
    if not shape or len(shape) < 3:
        return index, None, None
    num_frames, height, width = (int(number) for number in shape[:3])
    return index, num_frames, (width, height)


def _instances(
    file: h5py.File, video: int, num_nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, tracks (-1 for none), places and scores of the people of a video."""
    frames, instances = read_numbers(file, "frames"), read_numbers(file, "instances")
    points = {_USER: read_numbers(file, "points"), _PREDICTED: read_numbers(file, "pred_points")}
    # By frame and track; without a track, by the instance itself.
    rows: dict[tuple[int, int, int], np.ndarray] = {}
    frames = frames[frames["video"] == video]
    sizes = frames["instance_id_end"].astype(float) - frames["instance_id_start"].astype(float)
    if (sizes < 0).any() or sizes.sum() > len(instances):
        raise ValueError("its frames refer to more people than there are")
    for frame in frames:
        start, end = int(frame["instance_id_start"]), int(frame["instance_id_end"])
        replaced = {int(i) for i in instances[start:end]["from_predicted"]}
        for index in range(max(start, 0), min(end, len(instances))):
            if index in replaced:  # the user has corrected it
                continue
            instance = instances[index]
            track = max(int(instance["track"]), -1)
            key = int(frame["frame_idx"]), track, -1 if track >= 0 else index
            is_by_hand = int(instance["instance_type"]) == _USER
            if is_by_hand or key not in rows:
                rows[key] = _points(points, instance, num_nodes)
    values = np.array(list(rows.values())).reshape(-1, num_nodes, 3)
    keys = np.array(list(rows), dtype=np.int64).reshape(-1, 3)
    return keys[:, 0], keys[:, 1], values[..., :2], values[..., 2]


def _points(points: dict[int, np.ndarray], instance: np.void, num_nodes: int) -> np.ndarray:
    """Places and scores (N, 3) of one instance; what was set by hand has the score 1."""
    table = points[int(instance["instance_type"])]
    part = table[max(int(instance["point_id_start"]), 0) : int(instance["point_id_end"])]
    if len(part) != num_nodes:
        raise ValueError(f"a person has {len(part)} points for {num_nodes} nodes")
    scores = part["score"] if "score" in (part.dtype.names or ()) else np.ones(len(part))
    values = np.stack([part["x"], part["y"], scores], axis=-1).astype(np.float64)
    values[~part["visible"].astype(bool)] = math.nan
    return values
