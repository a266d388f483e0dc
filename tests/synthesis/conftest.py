"""One body model and one movement for all tests of rendered people."""

import numpy as np
import pytest
import torch

from pose_core.data.mocap import Motion
from pose_core.synthesis.acts import KNEE_LIFT, SQUAT, on_side
from pose_core.synthesis.body import Body
from pose_core.synthesis.movement import FPS
from pose_core.synthesis.people import PeopleConfig, PeopleSource
from pose_core.synthesis.puppet import build_of
from pose_core.synthesis.script import Script


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are handled fastest on one thread, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def body() -> Body:
    return Body()


@pytest.fixture(scope="session")
def walk_and_squat(body) -> np.ndarray:
    """(270, 17, 3) joints of a walk, a squat and a lifted left knee, z up, metres."""
    script = Script(build_of(body, torch.zeros(len(body.basis))), heading=np.pi)
    script.wait(0.3)
    script.walk(5, turn=np.pi / 2)
    script.wait(0.2)
    script.act(on_side(SQUAT, "right"))
    script.wait(3.1)
    script.act(on_side(KNEE_LIFT, "left"))  # highest in frames 230 to 240
    return script.movement(FPS, 9.0).positions.astype(np.float32)


@pytest.fixture(scope="session")
def motion(walk_and_squat) -> Motion:
    return Motion("walk", walk_and_squat, float(FPS), "walking", "one", "test")


@pytest.fixture(scope="session")
def source(motion) -> PeopleSource:
    return PeopleSource([motion], PeopleConfig(size=96))


@pytest.fixture
def motion_folder(tmp_path, walk_and_squat):
    folder = tmp_path / "mocap"
    folder.mkdir()
    np.savez(
        folder / "walk.npz",
        positions=walk_and_squat,
        h36m17=np.arange(17),
        fps=np.float32(FPS),
        action="walking",
        subject="one",
        source="test",
    )
    return folder
