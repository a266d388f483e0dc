"""A procedural walker: movement without any data set."""

import numpy as np
import pytest
import torch

from pose_core.data.mocap import Motion


def walker(num_frames: int = 200, fps: float = 50.0, seed: int = 0) -> np.ndarray:
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


@pytest.fixture
def motion() -> Motion:
    return Motion("walk", walker(), 50.0, "walking", "one", "test")


@pytest.fixture
def motion_folder(tmp_path):
    """Three motions as files, one of them of an action that the default split holds out."""
    folder = tmp_path / "mocap"
    folder.mkdir()
    for i, action in enumerate(("walking", "running", "jumping")):
        np.savez(
            folder / f"m{i}.npz",
            positions=walker(seed=i, num_frames=150),
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
