"""Image networks in training: what each loss teaches, real runs of small networks, resume."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.inference.lifter import lifter_of
from pose_core.losses.structure import (
    geometry_loss,
    illegal_angle_loss,
    illegal_joints,
    symmetry_loss,
)
from pose_core.losses.structure_training import SAPNET_STAGES
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import build_network
from pose_core.models.sapnet import limb_length
from pose_core.skeleton import COCO_17, H36M_17
from pose_core.training.crops import AS_THEY_ARE, CropData
from pose_core.training.engine import Engine
from pose_core.training.first_weights import first_weights
from pose_core.training.heatmap_pretraining import (
    PRETRAINING_HEAD,
    SIGMA_CELLS,
    both_ends,
    heatmap_term,
)
from pose_core.training.image_validation import HeldOutPeople, ImageAnswer
from pose_core.training.people_data import people_folders, stored_people
from pose_core.training.publish import _network, _packed, add_user_model
from pose_core.training.recipes import TASKS, load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train

NUM_LEARNT = 4
STILL = {f"task.data.augmentation.{name}": 0.0 for name in vars(AS_THEY_ARE)}
TINY = {
    "sap-net": {"task.network.channels": 16, "task.network.input_size": 64},
    "rpsm-image": {
        "task.network.width": 0.125,
        "task.network.image_size": 88,
        "task.network.clip_length": 3,
        "task.network.num_stages": 2,
        "task.network.adapted_size": 64,
        "task.network.hidden_size": 64,
    },
    "pose-machine-image": {
        "task.network.width": 0.125,
        "task.network.image_size": 88,
        "task.clip_length": 3,
        "task.network.adapted_size": 64,
        "task.network.hidden_size": 64,
        "task.network.projector_units": 64,
        "task.network.joint_dropout": 0.0,
    },
}


def tiny(name, **changes):
    return load_recipe(name, {**TINY[name], "task.data.validation_samples": 16, **changes})


def made(recipe, folder):
    """The task, with its data."""
    torch.manual_seed(0)
    kind = TASKS[recipe.kind]
    return kind.make(recipe.task, *kind.load(recipe.task, folder, SkipLog()))


def batch_of(task, num=4, seed=0):
    return task.data.draw(num, torch.Generator().manual_seed(seed))


def flat(batch):
    """The same people, with nothing but 2D."""
    nothing = torch.full_like(batch["pose"], torch.nan)
    return {**batch, "pose": nothing, "has_3d": torch.zeros_like(batch["has_3d"])}


def gradients(term, module):
    parameters = list(module.parameters())
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return sum(float(g.abs().sum()) for g in found if g is not None)


@pytest.fixture
def sapnet(people_folder):
    task = made(tiny("sap-net"), people_folder)
    task.network.eval()  # batch norm as it starts: maps with a clear maximum
    return task


def test_people_without_3d_teach_depth_through_the_structure_losses_alone(sapnet):
    batch = flat(batch_of(sapnet))
    terms = sapnet.loss_terms(sapnet.network, batch)
    depth = sapnet.network.depth
    assert gradients(terms["heatmap"] + terms["depth"], depth) == 0
    for name in ("symmetry", "geometry"):
        assert gradients(terms[name], depth) > 0, name
    # With 3D it is the other way round.
    known = batch_of(sapnet, seed=1)
    only_3d = {name: values[known["has_3d"]] for name, values in known.items()}
    terms = sapnet.loss_terms(sapnet.network, only_3d)
    assert gradients(terms["depth"], depth) > 0
    assert [float(terms[name].detach()) for name in ("angle", "symmetry", "geometry")] == [0] * 3


def test_structure_is_that_of_the_true_places_with_the_depths_of_the_network(sapnet):
    batch = flat(batch_of(sapnet))
    with torch.no_grad():
        terms = sapnet.loss_terms(sapnet.network, batch)
        depths = sapnet.network(batch["images"] / 255).depths
    expected = dict.fromkeys(("angle", "symmetry", "geometry"), 0.0)
    for person in range(4):
        points = torch.cat([batch["keypoints"][person, 0], depths[person, 0, :, None]], dim=-1)
        metres = points * sapnet.network.config.limb_length_m / limb_length(points, H36M_17)
        expected["angle"] += float(illegal_angle_loss(metres)) / 4
        expected["symmetry"] += float(symmetry_loss(metres)) / 4
        expected["geometry"] += float(geometry_loss(metres)) / 4
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name


def test_unlabelled_joints_leave_all_gradients_finite(sapnet):
    batch = flat(batch_of(sapnet))
    batch["keypoints"][:, :, [3, 10, 13]] = torch.nan
    sapnet.network.train()
    sum(sapnet.loss_terms(sapnet.network, batch).values()).backward()
    grads = [p.grad for p in sapnet.network.parameters() if p.grad is not None]
    assert grads
    assert all(bool(grad.isfinite().all()) for grad in grads)


def test_the_heatmap_term_by_hand():
    places = torch.tensor([[[0.0, 0.25], [torch.nan, 0.0], [1.2, 0.0]]])
    maps = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for row in range(16):
        for column in range(16):
            # Half sides to cells: 16 cells over -1..1, counted from the middle of the first.
            x, y = (0.0 + 1) * 8 - 0.5, (0.25 + 1) * 8 - 0.5
            gauss = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * SIGMA_CELLS**2))
            total += (float(maps[0, 0, row, column]) - gauss) ** 2
    assert float(heatmap_term(maps, places)) == pytest.approx(total, rel=1e-5)


def test_the_stages_of_the_recipes_are_the_papers():
    for name in ("sap-net", "sap-net-paper"):
        recipe = load_recipe(name)
        for stage, paper in zip(recipe.schedule.stages, SAPNET_STAGES, strict=True):
            factor = {"depth": 1.0, **stage.losses}
            assert stage.name == paper.name
            assert set(stage.trained or ("hourglass", "depth")) == set(paper.modules)
            for term in ("angle", "symmetry", "geometry"):
                assert factor[term] == getattr(paper.weights, term), (name, stage.name, term)
            assert (factor["depth"] > 0) == paper.supervises_depth
            if name == "sap-net-paper":
                assert paper.learning_rate in (None, stage.learning_rate)
                assert paper.iterations in (None, stage.steps)
    assert recipe.schedule.batch == 6
    assert recipe.task.data.share_2d == 0.5


def learn(name, people_folder, out, stages):
    """Train on four clips, and measure on the same ones; first and last figures, and mean pose.

    The mean pose is the best answer that does not look at the picture.
    """
    recipe = tiny(
        name, **STILL, **{"task.data.share_2d": 0.0, "task.data.share_3d_known": NUM_LEARNT / 16}
    )
    task = made(recipe, people_folder)
    _, frames, _, size, _ = batch_of(task, 1)["images"].shape
    folders = people_folders(people_folder)
    stored = stored_people(people_folder, folders, "training", frames, SkipLog())
    same = CropData(stored, size, AS_THEY_ARE, SkipLog(), range(NUM_LEARNT))
    task._held_out = HeldOutPeople(same, 16)
    schedule = replace(
        recipe.schedule,
        batch=NUM_LEARNT,
        checkpoint_every=1000,
        average_decay=0.9,
        stages=tuple(stages),
    )
    with torch.no_grad():
        before = task.validate(task.network.eval(), torch.device("cpu"))
    *_, last = Engine(task, schedule, RunFolder(out)).train()
    truth = torch.cat([b["pose"] for b in task._held_out.batches()]).flatten(0, 1)
    mean_pose = 1000 * (truth - truth.mean(0)).norm(dim=-1).mean()
    return before, last.validation, float(mean_pose), task


def staged(name, steps):
    """The recipe's stages with other lengths, and rates for so few steps."""
    stages = load_recipe(name).schedule.stages
    return [
        replace(stage, steps=n, learning_rate=rate, warmup_steps=5)
        for stage, (n, rate) in zip(stages, steps, strict=True)
    ]


def test_sapnet_learns_from_rendered_people(people_folder, tmp_path):
    steps = [(80, 2e-2), (25, 1e-2), (15, 5e-3), (5, 1e-3)]
    stages = staged("sap-net", steps)
    before, after, _, _ = learn("sap-net", people_folder, tmp_path, stages)
    assert after["2D error %"] < 0.3 * before["2D error %"]
    assert after["PCKh %"] > before["PCKh %"] + 30
    assert after["MPJPE"] < 0.75 * before["MPJPE"]
    assert after["PA-MPJPE"] < after["MPJPE"]


def test_rpsm_learns_from_rendered_clips(people_folder, tmp_path):
    stages = staged("rpsm-image", [(10, 3e-3), (80, 1e-2)])
    _, after, mean_pose, _ = learn("rpsm-image", people_folder, tmp_path, stages)
    assert after["MPJPE"] < 0.95 * mean_pose
    assert after["MPJPE stage 1"] < 0.95 * mean_pose
    state = RunFolder(tmp_path).load_checkpoint()
    assert any(name.startswith(PRETRAINING_HEAD) for name in state["average"])
    # What is published is the network as it is built, without the head.
    config = load_recipe("rpsm-image", TINY["rpsm-image"]).to_dict()["task"]["network"]
    network = _network("rpsm", config, state["average"], tmp_path)
    assert network.state_dict().keys() == NETWORKS["rpsm"].build(config).state_dict().keys()


def test_the_pose_machine_begins_with_the_convolutions_of_rpsm(people_folder, tmp_path, caplog):
    stages = staged("rpsm-image", [(2, 1e-3), (1, 1e-3)])
    learn("rpsm-image", people_folder, tmp_path, stages)
    stored = RunFolder(tmp_path).load_checkpoint()["average"]
    network = made(tiny("pose-machine-image"), people_folder).network
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(first_weights(tmp_path, network))
    shared = ("front_end.", f"{PRETRAINING_HEAD}.")
    for name, tensor in network.state_dict().items():
        expected = stored[name] if name.startswith(shared) else own[name]
        assert torch.equal(tensor, expected), name
    assert "lacks head, projector, transformer: begun anew" in caplog.text
    # The range of poses is alike in all networks, and nothing to begin with.
    every_part = {"width": 0.25, "adapted_size": 32, "hidden_size": 32}
    changes = {f"task.network.{name}": value for name, value in every_part.items()}
    for name in ("pose-machine-image", "rpsm-image"):
        other = made(tiny(name, **changes), people_folder).network
        with pytest.raises(DataError, match="of another network"):
            first_weights(tmp_path, other)


def test_heatmaps_are_learnt_from_both_ends_of_a_clip():
    clips = torch.arange(10).view(2, 5)
    assert both_ends(clips).tolist() == [[0, 4], [5, 9]]
    assert both_ends(clips[:, :2]).tolist() == [[0, 1], [5, 6]]
    assert both_ends(clips[:, :1]).tolist() == [[0], [5]]


def test_the_pose_machine_learns_from_rendered_clips(people_folder, tmp_path):
    stages = staged("pose-machine-image", [(60, 3e-3), (60, 1e-2), (80, 1e-2), (5, 3e-4)])
    before, after, mean_pose, _ = learn("pose-machine-image", people_folder, tmp_path, stages)
    # Intermediate, regressed and corrected pose.
    for name in ("MPJPE stage 1", "MPJPE stage 2", "MPJPE"):
        assert after[name] < mean_pose, name
        assert after[name] < 0.5 * before[name], name
    assert after["2D error %"] < 0.5 * before["2D error %"]


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_run_becomes_a_model_that_can_be_run_on_a_video(
    people_folder, tmp_path, monkeypatch, name
):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))
    short = {"schedule.batch": 2, "schedule.stages": [{"steps": 1}]}
    *_, _ = train(tiny(name, **short), people_folder, tmp_path / "run", device="cpu")
    measuring = add_user_model(tmp_path / "run", "mine")
    with pytest.raises(StopIteration) as end:
        next(measuring)  # the run's own validation counts: there is nothing to measure
    entry = end.value.value
    assert "MPJPE" in entry.metrics["validation"]
    assert entry.preprocessing == "crop"
    shipped, _ = _packed(tmp_path / "run", "mine", is_shipped=True)
    assert "rendered" in shipped.training_data
    assert "--data PEOPLE" in shipped.command
    assert lifter_of(entry).stage_names[-1] == "fitted skeleton"
    stored, trained = build_network(entry), RunFolder(tmp_path / "run").load_checkpoint(best=True)
    for key, parameter in stored.named_parameters():
        torch.testing.assert_close(parameter, trained["average"][key], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["rpsm-image", "pose-machine-image"])
def test_parts_that_a_stage_does_not_train_stay_as_they_are(people_folder, tmp_path, name):
    recipe = tiny(name)
    task = made(recipe, people_folder)
    schedule = replace(
        recipe.schedule,
        batch=2,
        stages=tuple(staged(name, [(1, 1e-2)] * len(recipe.schedule.stages))),
    )
    engine = Engine(task, schedule, RunFolder(tmp_path))
    before = {k: v.detach().clone() for k, v in task.network.named_parameters()}
    for record in engine.train():
        after = dict(task.network.named_parameters())
        changed = {k.split(".")[0] for k, v in after.items() if not torch.equal(v, before[k])}
        stage = next(s for s in schedule.stages if s.name == record.stage)
        assert changed <= set(stage.trained), record.stage
        assert changed, record.stage
        before = {k: v.detach().clone() for k, v in after.items()}


def test_the_pose_machine_takes_consistency_from_people_without_3d(people_folder):
    task = made(tiny("pose-machine-image"), people_folder)
    task._head.requires_grad_(False)  # as in all stages but the first
    terms = task.loss_terms(task.network.train(), flat(batch_of(task)))
    for name in ("intermediate", "regression", "projection"):
        assert float(terms[name].detach()) == 0, name
    assert gradients(terms["consistency"], task.network.projector) > 0
    assert gradients(terms["keypoints"], task.network.front_end) > 0


def coco_file(folder, num_people):
    """People with random keypoints in pictures of noise."""
    rng = np.random.default_rng(0)
    people, images = [], []
    for i in range(num_people):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (90, 80, 3), dtype=np.uint8))
        points = [v for x, y in rng.uniform(10, 70, (17, 2)) for v in (x, y, 2)]
        people.append({"id": i, "image_id": i, "keypoints": points, "bbox": [5, 5, 70, 70]})
        images.append({"id": i, "file_name": f"{i}.png"})
    names = [{"id": 1, "keypoints": list(COCO_17.joint_names)}]
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": names}))
    return path


def test_a_mixed_run_in_pieces_equals_the_whole_one(people_folder, tmp_path):
    changes = {
        "task.data.annotations": [str(coco_file(tmp_path, 5))],
        "schedule.batch": 4,
        "schedule.checkpoint_every": 2,
        "schedule.stages": [
            {"name": "2D", "steps": 2, "trained": ["hourglass"], "losses": {"depth": 0.0}},
            {"name": "all", "steps": 4, "losses": {"symmetry": 0.05}},
        ],
    }
    recipe = tiny("sap-net", **changes)
    options = {"device": "cpu"}
    assert list(train(recipe, people_folder, tmp_path / "whole", **options))[-1].step == 6
    for record in train(recipe, people_folder, tmp_path / "pieces", **options):
        if record.step == 4:
            break  # as if the process had ended
    list(train(recipe, people_folder, tmp_path / "pieces", **options))
    one, other = (RunFolder(tmp_path / name).load_checkpoint() for name in ("whole", "pieces"))
    assert one["step"] == other["step"] == 6
    for part in ("network", "average"):
        for name, value in one[part].items():
            torch.testing.assert_close(value, other[part][name], rtol=0, atol=0)
    with np.load(tmp_path / "whole" / "examples.npz") as examples:
        assert examples["predicted"].shape == (1, 8, 1, 17, 3)
        assert examples["true"].shape == (8, 1, 17, 3)


def test_a_run_names_what_it_skips(people_folder, tmp_path):
    path = coco_file(tmp_path, 120)
    (tmp_path / "11.png").unlink()
    recipe = tiny(
        "sap-net",
        **{
            "task.data.annotations": [str(path)],
            "schedule.batch": 2,
            "schedule.stages": [{"steps": 1}],
        },
    )
    list(train(recipe, people_folder, tmp_path / "run", device="cpu"))
    lines = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    (loaded,) = (event for event in map(json.loads, lines) if event["state"] == "loaded")
    assert list(loaded["skipped"]) == ["annotation 11 of 11.png"]
    (tmp_path / "12.png").unlink()
    with pytest.raises(DataError, match="of 120 samples"):
        list(train(recipe, people_folder, tmp_path / "other", device="cpu"))


def test_figures_of_known_answers(people_folder):
    """The truth itself, moved and bent: each figure says what was done."""
    stored = stored_people(people_folder, people_folders(people_folder), "held-out", 1, SkipLog())
    held_out = HeldOutPeople(CropData(stored, 64, AS_THEY_ARE, SkipLog()), 8)
    (batch,) = held_out.batches()

    def answer(_, images):
        assert images.shape == (8, 1, 3, 64, 64)
        moved = batch["pose"] + torch.tensor([0.03, 0.0, 0.04])  # 50 mm, but for the root
        moved[..., 0, :] = 0
        return ImageAnswer(
            torch.stack([moved, batch["pose"]]), batch["keypoints"] + torch.tensor([0.02, 0.0])
        )

    figures = held_out.figures(torch.nn.Identity(), answer, torch.device("cpu"))
    assert figures["MPJPE stage 1"] == pytest.approx(50 * 16 / 17, abs=0.01)
    assert figures["MPJPE"] == pytest.approx(0, abs=1e-3)
    assert figures["PA-MPJPE"] == pytest.approx(0, abs=0.1)
    assert figures["2D error %"] == pytest.approx(1.0, abs=1e-3)  # 0.02 of 2 half sides
    expected = 100 * illegal_joints(batch["pose"]).float().mean()
    assert figures["illegal angles %"] == pytest.approx(float(expected))
    assert 0 <= figures["left/right difference"] < 20
