"""A folder of rendered people that the tests of image training share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pose_core.synthesis import people_files
from pose_core.synthesis.people import PeopleConfig


def _one_thread(*, initializer, initargs, **_) -> ThreadPoolExecutor:
    """In place of processes, whose start takes longer than all the rest."""
    return ThreadPoolExecutor(1, initializer=initializer, initargs=initargs)


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory, walking) -> Path:
    """16 clips of three frames of 88 pixels to train on, and 8 held out. Read only."""
    mocap = tmp_path_factory.mktemp("mocap")
    for action in ("walking", "jumping"):  # the default split holds jumping out
        np.savez(
            mocap / f"{action}.npz",
            positions=walking,
            h36m17=np.arange(17),
            fps=np.float32(50),
            action=action,
            subject="one",
            source="test",
        )
    folder = tmp_path_factory.mktemp("people")
    config = PeopleConfig(size=88, frames=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people_files, "ProcessPoolExecutor", _one_thread)
        for split, count in (("training", 16), ("held-out", 8)):
            records = people_files.write_people(
                mocap, folder / split, config, num_samples=count, seed=5, split=split
            )
            assert list(records)[-1].done == count
    return folder
