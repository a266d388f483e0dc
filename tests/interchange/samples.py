"""A small intact file for every reader, and how it is read: what `fuzz_readers` begins with."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ezc3d
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import keypoint_files as files

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.data import coco
from pose_core.data.keypoint_import import import_keypoints
from pose_core.data.mocap_files import load_points
from pose_core.data.pickled_arrays import load_nested_arrays
from pose_core.data.recording import load_recording
from pose_core.data.truth import load_truth
from pose_core.interchange.bvh import save_bvh
from pose_core.interchange.coco_keypoints import save_coco
from pose_core.interchange.json_poses import load_json, save_json
from pose_core.interchange.keypoint_arrays import save_keypoint_arrays
from pose_core.interchange.keypoint_table import save_keypoint_table
from pose_core.interchange.named_keypoints import keypoints_of_session
from pose_core.interchange.npz import load_npz, save_npz
from pose_core.interchange.person import person_poses
from pose_core.interchange.retarget import bvh_motion
from pose_core.interchange.tables import load_csv, save_csv
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.session_io import load_session, save_session
from pose_core.skeleton import H36M_17

NUM_FRAMES, FPS, SIZE = 12, 25.0, (640, 480)
CLIP = Clip(Path("walk.mp4"), *SIZE, np.arange(NUM_FRAMES) / FPS, "f" * 64)

ASF = """:version 1.10
:name SMALL
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 10 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name femur
    direction 0 -1 0
    length 4
    axis 0 0 90  XYZ
    dof rx ry rz
    limits (-160.0 20.0) (-70.0 70.0) (-60.0 70.0)
  end
:hierarchy
  begin
    root femur
  end
"""
AMC = "#!OML:ASF small\n:FULLY-SPECIFIED\n:DEGREES\n" + "".join(
    f"{i}\nroot 0 {i} 0 10 20 {i}\nfemur {i}.5 -3 1e-2\n" for i in range(1, 5)
)


@dataclass(frozen=True)
class Reader:
    """A reader to be tried.

    Parameters
    ----------
    make : callable
        Writes an intact file into a folder; gives the path to mutate.
    read : callable
        Reads what lies there now.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def standing() -> np.ndarray:
    """(T, 17, 3) of somebody who stands, sways and bends the knees; metres, z up, looks along y."""
    t = np.arange(NUM_FRAMES) / FPS
    places = {"pelvis": (0, 0, 0.9), "spine": (0, 0, 1.15), "thorax": (0, 0, 1.4)}
    places |= {"neck": (0, 0.02, 1.5), "head_top": (0, 0, 1.72)}
    for side, x in (("left", -1), ("right", 1)):
        places |= {f"{side}_hip": (0.12 * x, 0, 0.9), f"{side}_knee": (0.12 * x, 0.04, 0.48)}
        places |= {f"{side}_ankle": (0.12 * x, 0, 0.08), f"{side}_shoulder": (0.17 * x, 0, 1.37)}
        places |= {f"{side}_elbow": (0.2 * x, 0, 1.1), f"{side}_wrist": (0.2 * x, 0.1, 0.88)}
    xyz = np.array([places[name] for name in H36M_17.joint_names])
    return xyz + 0.03 * np.sin(6 * t)[:, None, None] * xyz[:, 2:]


def session() -> Session:
    """Two people with 2D and 3D."""
    camera_xyz = np.stack(
        [standing()[..., 0], 1.0 - standing()[..., 2], 4.0 - standing()[..., 1]], axis=-1
    )
    xy = Camera.assumed(*SIZE).project(camera_xyz).astype(np.float32)
    scores = np.full(xy.shape[:2], 0.9, dtype=np.float32)
    relative = (camera_xyz - camera_xyz[:, :1]).astype(np.float32)
    run = ModelRun(Poses3D(relative[None], camera_xyz[:, 0].astype(np.float32)), {"model": "m"})
    tracks = tuple(
        Track(i + 1, name, Keypoints2D(xy + np.float32([150 * i - 60, 0]), scores), {"m": run})
        for i, name in enumerate(("ann", "bob"))
    )
    return Session(CLIP, tracks, 500.0, 1.7)


def _keypoints(kind: str) -> Reader:
    def make(folder: Path) -> Path:
        people = {t.name: t.keypoints.xy.astype(np.float64) for t in session().tracks}
        path = files.WRITERS[kind](folder, people, SIZE)
        return sorted(path.iterdir())[3] if path.is_dir() else path

    return Reader(make, lambda path: import_keypoints(path, CLIP))


def _written(name: str, save: Callable[[Path], object], read: Callable[[Path], object]) -> Reader:
    def make(folder: Path) -> Path:
        path = folder / name
        save(path)
        return path

    return Reader(make, read)


def _own(name: str, save: Callable) -> Reader:
    """One of our own files of keypoints."""
    return _written(
        name,
        lambda path: save(path, keypoints_of_session(session()), CLIP),
        lambda path: import_keypoints(path, CLIP),
    )


def _person(name: str, save: Callable, read: Callable) -> Reader:
    return _written(name, lambda p: save(p, person_poses(session(), session().tracks[0])), read)


def save_trc(path: Path, world: np.ndarray | None = None, fps: float = FPS) -> None:
    """A table of markers in millimetres by the letter of the format."""
    world = standing() if world is None else world
    names = "\t\t\t".join(H36M_17.joint_names)
    lines = ["PathFileType\t4\t(X/Y/Z)\tx.trc", "DataRate\tNumFrames\tNumMarkers\tUnits"]
    lines += [f"{fps}\t{len(world)}\t17\tmm", f"Frame#\tTime\t{names}\t\t"]
    lines += ["\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, 18))]
    for i, frame in enumerate(1000 * world):
        fields = ["" if np.isnan(v) else f"{v:.3f}" for v in frame.ravel()]
        lines.append("\t".join([str(i + 1), f"{i / fps:.5f}", *fields]))
    path.write_text("\n".join(lines) + "\n")


def save_c3d(path: Path, world: np.ndarray | None = None, fps: float = FPS) -> None:
    """Points in millimetres, z up, by another library."""
    world = standing() if world is None else world
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [fps]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(H36M_17.joint_names)
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["data"]["points"] = np.concatenate(
        [1000 * world.transpose(2, 1, 0), np.ones((1, 17, len(world)))]
    )
    file.write(str(path))


def save_world_bvh(path: Path, world: np.ndarray | None = None, fps: float = FPS) -> None:
    """Centimetres, y up."""
    world = standing() if world is None else world
    save_bvh(
        path, bvh_motion(100 * np.stack([world[..., 0], world[..., 2], -world[..., 1]], -1), fps)
    )


def _save_amc(path: Path) -> None:
    path.with_suffix(".asf").write_text(ASF)
    path.write_text(AMC)


def _save_truth(path: Path) -> None:
    poses = session().tracks[0].runs["m"].poses
    np.savez(path, poses_3d=poses.xyz, root_3d=poses.root, joint_names=H36M_17.joint_names, fps=FPS)


def _save_mocap(path: Path) -> None:
    np.savez(path, positions=standing(), h36m17=np.arange(17), fps=FPS, action="sway")


def _save_coco_samples(path: Path) -> None:
    people = {t.name: t.keypoints.xy.astype(np.float64) for t in session().tracks}
    points = files.points_named(people["ann"][:2], files.COCO_17.joint_names)
    marks = np.full((*points.shape[:2], 1), 2.0)
    values = np.concatenate([points, marks], axis=-1).reshape(2, -1).tolist()
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in (0, 1)],
        "annotations": [{"id": i, "image_id": i, "keypoints": v} for i, v in enumerate(values)],
        "categories": [{"name": "person", "keypoints": files.COCO_17.joint_names}],
    }
    path.write_text(files.json.dumps(content))


def _save_nested(path: Path) -> None:
    nested = {"S1": {"walk": standing().astype(np.float32)}}
    np.savez(path, positions_3d=np.array(nested, dtype=object))


READERS: dict[str, Reader] = {
    **{kind: _keypoints(kind) for kind in files.WRITERS},
    "coco keypoints": _own("walk.coco.json", save_coco),
    "keypoint table": _own("walk.keypoints.csv", save_keypoint_table),
    "keypoint arrays": _own("walk.keypoints.npz", save_keypoint_arrays),
    "coco samples": _written(
        "people.json", _save_coco_samples, lambda path: list(coco.read_samples(path))
    ),
    "session": _written("s.posestage", lambda p: save_session(session(), p), load_session),
    "person npz": _person("p.npz", save_npz, load_npz),
    "person json": _person("p.json", save_json, load_json),
    "person csv long": _person("p.csv", save_csv, load_csv),
    "person csv wide": _person("w.csv", lambda p, person: save_csv(p, person, "wide"), load_csv),
    "truth npz": _written("w.truth.npz", _save_truth, lambda path: load_truth(path, CLIP)),
    "mocap npz": _written("m.npz", _save_mocap, load_recording),
    "bvh": _written("m.bvh", save_world_bvh, load_recording),
    "c3d": _written("m.c3d", save_c3d, load_recording),
    "trc": _written("m.trc", save_trc, load_recording),
    "amc": _written("m.amc", _save_amc, load_points),
    "asf": Reader(
        lambda folder: (_save_amc(folder / "m.amc"), folder / "m.asf")[1],
        lambda path: load_points(path.with_suffix(".amc")),
    ),
    "pickled npz": _written(
        "data_3d.npz", _save_nested, lambda path: load_nested_arrays(path, "positions_3d")
    ),
}
