"""People and sessions that several tests share, made by formula."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.data.mocap import Motion
from pose_core.poses import SOURCE_DETECTOR, SOURCE_NONE, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track, Truth
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
    truth_xy = Camera.assumed(640, 480).project(camera_xyz).astype(np.float32)
    truth = Truth(Poses3D(relative[None], root), truth_xy, "mocap.npz")
    return Session(clip, (first, second), 500.0, None, truth)


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


def world_walker(num_frames: int = 200, fps: float = 50.0, seed: int = 0) -> np.ndarray:
    """(T, 17, 3) world positions, z up, metres, of somebody who walks along x and turns."""
    rng = np.random.default_rng(seed)
    t = np.arange(num_frames) / fps
    phase = 2 * np.pi * (0.8 + 0.2 * rng.random()) * t + rng.random() * 6
    pelvis = np.stack([1.2 * t, 0.1 * np.sin(0.5 * t), 0.95 + 0.02 * np.sin(2 * phase)], -1)
    up, left, front = np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), np.array([1.0, 0, 0])
    out = np.zeros((num_frames, 17, 3))

    def swing(angle: np.ndarray, length: float) -> np.ndarray:
        return length * (np.sin(angle)[:, None] * front - np.cos(angle)[:, None] * up)

    out[:, 0] = pelvis
    for (hip, knee, ankle), side, shift in (((4, 5, 6), 1, 0.0), ((1, 2, 3), -1, np.pi)):
        thigh = 0.5 * np.sin(phase + shift)
        bend = 0.5 * (1 + np.cos(phase + shift))
        out[:, hip] = pelvis + 0.12 * side * left
        out[:, knee] = out[:, hip] + swing(thigh, 0.43)
        out[:, ankle] = out[:, knee] + swing(thigh - bend, 0.42)
    for joint, height in ((7, 0.24), (8, 0.5), (9, 0.6), (10, 0.78)):
        out[:, joint] = pelvis + height * up
    for (shoulder, elbow, wrist), side, shift in (((11, 12, 13), 1, np.pi), ((14, 15, 16), -1, 0)):
        arm = 0.4 * np.sin(phase + shift)
        out[:, shoulder] = out[:, 8] + 0.18 * side * left - 0.03 * up
        out[:, elbow] = out[:, shoulder] + swing(arm, 0.29)
        out[:, wrist] = out[:, elbow] + swing(arm + 0.4, 0.25)
    return out.astype(np.float32)


@pytest.fixture(scope="session")
def walking() -> np.ndarray:
    """(200, 17, 3) of `world_walker`, 50 frames per second."""
    return world_walker()


@pytest.fixture
def motion() -> Motion:
    return Motion("walk", world_walker(), 50.0, "walking", "one", "test")


@pytest.fixture
def motion_folder(tmp_path):
    """Three motions as files, one of them of an action that the default split holds out."""
    folder = tmp_path / "mocap"
    folder.mkdir()
    for i, action in enumerate(("walking", "running", "jumping")):
        np.savez(
            folder / f"m{i}.npz",
            positions=world_walker(seed=i, num_frames=150),
            h36m17=np.arange(17),
            fps=np.float32(50),
            action=action,
            subject="one",
            source="test",
        )
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are fastest on one thread, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
