"""People and sessions that several tests share, made by formula."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.poses import SOURCE_DETECTOR, SOURCE_NONE, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.skeleton import H36M_17

FPS = 25.0
NUM_FRAMES = 60


def walker(num_frames: int = NUM_FRAMES, fps: float = FPS) -> np.ndarray:
    """(T, 17, 3) camera metres of a person who walks towards the camera, 6 m away at first.

    Bones are constant: thigh 0.45 m, shin 0.42, upper arm 0.3, forearm 0.25.
    """
    t = np.arange(num_frames) / fps
    phase = 2 * np.pi * t  # one stride per second
    zero = np.zeros_like(t)

    def point(x: float, y: float, z: float) -> np.ndarray:
        return np.stack([zero + x, zero + y, zero + z], axis=-1)

    def bone(length: float, forward_angle: np.ndarray) -> np.ndarray:
        """Hangs down, swung forward by an angle; x to the person's left, y up, z forward."""
        return length * np.stack([zero, -np.cos(forward_angle), np.sin(forward_angle)], axis=-1)

    joints = {
        "pelvis": point(0, 0, 0),
        "spine": point(0, 0.25, 0),
        "thorax": point(0, 0.5, 0),
        "neck": point(0, 0.6, 0.05),
        "head_top": point(0, 0.8, 0),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = sign * np.sin(phase)
        hip = point(sign * 0.12, 0, 0)
        knee = hip + bone(0.45, 0.17 + 0.4 * swing)
        bend = 0.35 + 0.3 * sign * np.cos(phase)
        joints[f"{side}_hip"], joints[f"{side}_knee"] = hip, knee
        joints[f"{side}_ankle"] = knee + bone(0.42, 0.17 + 0.4 * swing - bend)
        shoulder = point(sign * 0.17, 0.48, 0)
        elbow = shoulder + bone(0.3, -0.3 * swing)
        joints[f"{side}_shoulder"], joints[f"{side}_elbow"] = shoulder, elbow
        joints[f"{side}_wrist"] = elbow + bone(0.25, 0.5 - 0.3 * swing)
    person = np.stack([joints[name] for name in H36M_17.joint_names], axis=1)
    place = np.stack([zero, 0.95 + 0.01 * np.cos(2 * phase), 1.2 * t], axis=-1)
    y_up = person + place[:, None]
    # The camera stands 1.5 m high, 6 m in front of the start, and looks at the person.
    return np.stack([y_up[..., 0], 1.5 - y_up[..., 1], 6.0 - y_up[..., 2]], axis=-1)


@pytest.fixture
def walker_xyz() -> np.ndarray:
    """(60, 17, 3) camera metres at 25 frames/s: see `walker`."""
    return walker()


@pytest.fixture
def session(tmp_path: Path, walker_xyz: np.ndarray) -> Session:
    """Two people over 60 frames, one with two models, gaps, edits and undone swaps."""
    camera_xyz = walker_xyz.astype(np.float32)
    root = camera_xyz[:, 0]
    relative = camera_xyz - root[:, None]
    rng = np.random.default_rng(1)
    present = np.ones(NUM_FRAMES, dtype=bool)
    present[[0, 1, 20, 21, 59]] = False

    xy = Camera.assumed(640, 480).project(camera_xyz).astype(np.float32)
    xy[~present] = np.nan
    scores = rng.uniform(0.5, 1.0, xy.shape[:2]).astype(np.float32)
    scores[~present] = 0.0
    sources = np.where(np.isnan(xy[..., 0]), SOURCE_NONE, SOURCE_DETECTOR)
    sources[10:13, H36M_17.index("left_knee")] = SOURCE_USER

    def run(num_stages: int, name: str) -> ModelRun:
        noise = rng.normal(0, 0.02, (num_stages, *relative.shape)).astype(np.float32)
        noise[-1] = 0.0
        stages = np.where(present[:, None, None], relative + noise, np.float32(np.nan))
        meta = {"model": name, "weights_sha256": "ab" * 32, "version": "1", "settings": {"q": 1}}
        return ModelRun(Poses3D(stages, np.where(present[:, None], root, np.nan)), meta)

    swapped = np.zeros(NUM_FRAMES, dtype=bool)
    swapped[30:33] = True
    first = Track(
        1,
        "Ann",
        Keypoints2D(xy, scores, sources=sources),
        {"three": run(3, "three"), "temporal": run(1, "temporal")},
        swapped,
    )
    second = Track(4, "Björn", Keypoints2D(xy + 50, scores), {"temporal": run(1, "temporal")})
    clip = Clip(tmp_path / "walk.mp4", 640, 480, np.arange(NUM_FRAMES) / FPS, "f" * 64)
    return Session(clip, (first, second), 500.0, None, Poses3D(relative[None], root))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is opened for writing takes 1000 bytes and is then on a full disk."""
    real_open = io.open

    class FullDisk(io.FileIO):
        def write(self, data: bytes) -> int:
            if self.tell() + len(data) > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    def open_on_full_disk(file: str, mode: str = "r", *args: object, **options: object) -> object:
        if mode == "wb":
            return FullDisk(file, "w")
        return real_open(file, mode, *args, **options)

    monkeypatch.setattr(io, "open", open_on_full_disk)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
