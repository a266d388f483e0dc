"""Real training of tiny networks: it learns, resumes exactly, and survives kills."""

import json

import numpy as np
import pytest
import torch

from pose_core.data.mocap import load_motions
from pose_core.errors import ConfigError, DataError
from pose_core.training.recipes import load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train

TINY = {
    "task.network": {"channels": 16, "kernel_sizes": [3, 3], "dropout": 0.1},
    "task.output_frames": 4,
    "task.data.validation_samples": 128,
    "schedule.batch": 4,
    "schedule.checkpoint_every": 4,
    "schedule.average_decay": 0.9,
    "schedule.stages": [{"steps": 12, "warmup_steps": 2}],
}


def tiny(**changes):
    return load_recipe("temporal", TINY | {k.replace("__", "."): v for k, v in changes.items()})


def run(recipe, data, out):
    return list(train(recipe, data, out))


def weights(out):
    return RunFolder(out).load_checkpoint()["network"]


def test_training_lowers_the_loss(motion_folder, tmp_path):
    stages = [{"steps": 240, "learning_rate": 3e-3}]
    recipe = tiny(schedule__stages=stages, schedule__checkpoint_every=40)
    progress = run(recipe, motion_folder, tmp_path / "run")
    assert progress[-1].terms["position"] < 0.7 * progress[0].terms["position"]
    events = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    assert json.loads(events[-1])["state"] == "finished"
    validation = [record.validation["MPJPE"] for record in progress if record.validation]
    assert validation[-1] < 0.8 * validation[0]


def test_a_stopped_run_resumes_to_the_same_weights(motion_folder, tmp_path):
    run(tiny(), motion_folder, tmp_path / "whole")
    for progress in train(tiny(), motion_folder, tmp_path / "parts"):
        if progress.step == 8:
            break  # as if the process had ended after the checkpoint
    run(tiny(), motion_folder, tmp_path / "parts")
    for a, b in zip(weights(tmp_path / "whole").values(), weights(tmp_path / "parts").values(),
                    strict=True):  # fmt: skip
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_another_configuration_is_not_mixed_into_a_run(motion_folder, tmp_path):
    run(tiny(), motion_folder, tmp_path / "run")
    with pytest.raises(ConfigError, match="schedule"):
        run(tiny(schedule__batch=5), motion_folder, tmp_path / "run")


def test_a_damaged_checkpoint_is_named(motion_folder, tmp_path):
    run(tiny(), motion_folder, tmp_path / "run")
    RunFolder(tmp_path / "run").checkpoint_path.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"last\.pt"):
        run(tiny(), motion_folder, tmp_path / "run")


def test_a_damaged_file_in_a_hundred_is_left_out_and_named(motion_folder, tmp_path):
    for i in range(100):
        (motion_folder / f"copy{i}.npz").write_bytes((motion_folder / "m0.npz").read_bytes())
    (motion_folder / "copy7.npz").write_bytes(b"PK but not really")
    run(tiny(), motion_folder, tmp_path / "run")
    first = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[0])
    assert [name.endswith("copy7.npz") for name in first["skipped"]] == [True]
    (motion_folder / "copy8.npz").write_bytes(b"nor this")
    with pytest.raises(DataError, match=r"2 of 103 samples.*copy8\.npz"):
        run(tiny(), motion_folder, tmp_path / "other")


def test_bad_motion_files_are_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK but not really")
    with pytest.raises(DataError, match=r"a\.npz"):
        load_motions(tmp_path)
    np.savez(tmp_path / "a.npz", positions=np.zeros((3, 21, 3)))
    with pytest.raises(DataError, match="h36m17"):
        load_motions(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        load_motions(tmp_path / "none")
