"""Self-correction: numbers, settings, warnings, and that what is applied can be undone."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.commands import SetTracks
from app.document import Change
from app.laboratory import self_correction
from pose_core.analysis.correction import CorrectionStudy, prepare_correction, study
from pose_core.camera import Camera
from pose_core.inference.lifter import make_lifter
from pose_core.inference.self_correction import CorrectionConfig
from pose_core.skeleton import H36M_17

MACHINE = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
           "adapted_size": 16, "hidden_size": 16, "projector_units": 16}  # fmt: skip


@pytest.fixture(scope="module")
def machine(add_model):
    add_model("plain", "pose_machine", {**MACHINE, "has_projector": False})
    return add_model("machine", "pose_machine", MACHINE)


@pytest.fixture
def panel(machine, lab, show_run):
    return show_run(machine).open("self_correction")


def expected(lab, machine, frame, **settings):
    clip = lab.session.clip
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    prepared = prepare_correction(machine, lab.track.keypoints, clip.times_s, camera)
    return study(prepared, frame, CorrectionConfig(**settings))


def choose(lab, panel, **values):
    for name, value in values.items():
        getattr(panel, name).set_value(value)
    lab.settle(panel)


def arrays(lab):
    return {name: (r.poses.stages.tobytes(), np.asarray(r.poses.root).tobytes(), r.meta)
            for name, r in lab.track.runs.items()}  # fmt: skip


def test_numbers_and_pictures_are_those_of_the_analysis(lab, panel, machine, export_to):
    default = CorrectionConfig()
    assert panel.config == default
    for frame, settings in (
        (lab.state.frame, {}),
        (20, {}),
        (20, {"steps": 6, "learning_rate": 0.8, "epsilon_mm": 1.0, "tau_mm": 250.0}),
    ):
        names = {"learning_rate": "rate", "epsilon_mm": "epsilon", "tau_mm": "tau"}
        choose(lab, panel, **{names.get(k, k): v for k, v in reversed(settings.items())})
        lab.go_to(frame, panel)
        want = expected(lab, machine, frame, **settings)
        iterations, residual = panel._residual.getData()
        np.testing.assert_array_equal(iterations, range(len(want.residual)))
        np.testing.assert_allclose(residual, want.residual)
        for name, xy in (("given", want.seen), ("after", want.projected[-1])):
            ends = xy[np.array(H36M_17.bones)].reshape(-1, 2)
            np.testing.assert_allclose(np.stack(panel._skeletons[name].getData(), 1), ends)
        before, after = panel.strip.views
        np.testing.assert_allclose(before.xyz, want.poses[0])
        np.testing.assert_allclose(after.xyz, want.poses[-1])
        assert f"{want.total_mm:.1f} mm" in panel.verdict.text()
        assert ("is kept" if want.is_kept else "is discarded") in panel.verdict.text()
    assert want.residual[-1] < want.residual[0]
    rows = list(csv.DictReader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert [float(row["residual (person sizes^2)"]) for row in rows] == want.residual.tolist()
    panel.reset_button.click()
    assert panel.config == default


def test_the_regressed_pose_is_the_stage_of_the_lifter(lab, panel):
    """At 25 frames/s or less every frame of the video is a sample of the network."""
    stages, names = lab.run.poses.stages, list(lab.run.meta["stages"])
    assert names[1:4] == ["regressed", "corrected once", "corrected"]
    frame = lab.state.frame
    for stage, pose in (
        (1, panel.result.poses[0]),
        (2, panel.result.poses[1]),
        (3, panel.result.answer),
    ):
        np.testing.assert_allclose(pose - pose[:1], stages[stage, frame], atol=1e-5)


def test_the_rules_of_stopping_and_discarding_follow_their_sliders(lab, panel):
    choose(lab, panel, tau=300, steps=8, rate=1.0, epsilon=0)
    moved = panel.result.step_mm
    assert panel.result.steps_taken == 8
    assert moved[0] > 1
    choose(lab, panel, epsilon=min(int(moved[0]) + 1, 300))
    assert panel.result.steps_taken == 1
    assert f"moved the robust joints {moved[0]:.1f} mm" in panel.verdict.text()
    choose(lab, panel, tau=0)
    assert panel.epsilon.value == 0  # never more than tau
    assert not panel.result.is_kept
    np.testing.assert_array_equal(panel.result.answer, panel.result.poses[0])


@pytest.mark.parametrize("scope", [self_correction.FRAME, self_correction.RANGE])
def test_what_is_applied_is_that_of_the_lifter_and_undone_bit_by_bit(
    lab, panel, machine, qtbot, scope
):
    before = arrays(lab)
    panel.scope.setCurrentText(scope)
    frame = lab.state.frame
    start, end = frame, frame + 1
    if scope == self_correction.RANGE:
        assert not panel.apply_button.isEnabled()
        start, end = 40, 60
        lab.state.set_range((start, end))
    choose(lab, panel, tau=300, steps=6, rate=1.0, epsilon=0)
    revision = lab.context.document.revision
    panel.apply_button.click()
    qtbot.waitUntil(lambda: lab.context.document.revision > revision)
    clip, track = lab.session.clip, lab.track
    lifter = make_lifter(machine, correction=panel.config)
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    known = track.keypoints
    want = lifter.lift_person(known.xy, known.scores, clip.times_s, camera)
    old = np.frombuffer(before["machine"][0], np.float32).reshape(lab.run.poses.stages.shape)
    inside = np.zeros(clip.num_frames, dtype=bool)
    inside[start:end] = True
    np.testing.assert_array_equal(lab.run.poses.stages[:, inside], want.stages[:, inside])
    np.testing.assert_array_equal(lab.run.poses.stages[:, ~inside], old[:, ~inside])
    assert not np.array_equal(want.stages[2:, inside], old[2:, inside])
    assert lab.run.meta["correction"]["steps"][start] == 6
    assert lab.run.meta["edits"][0]["settings"]["steps"] == 6
    lab.window.actions_table["edit.undo"].trigger()
    assert arrays(lab) == before


def a_study(**changes):
    values = {
        "poses": np.zeros((2, 17, 3)), "seen": np.zeros((17, 2)),
        "projected": np.zeros((2, 17, 2)), "residual": np.array([2.0, 1.0]),
        "step_mm": np.array([10.0]), "total_mm": 10.0, "steps_taken": 1, "is_kept": True,
        "length_error_mm": np.array([5.0, 5.0]), "bend_deg": np.array([0.0, 0.0]),
    }  # fmt: skip
    return CorrectionStudy(**{**values, **changes})


def test_it_warns_where_the_body_gets_worse_as_the_2d_gets_better(lab, panel):
    longer, bent = np.array([5.0, 9.0]), np.array([0.0, 30.0])
    assert a_study().worse == ()
    assert a_study(length_error_mm=longer).worse == ("bone lengths",)
    assert a_study(length_error_mm=longer, bend_deg=bent).worse == ("bone lengths", "angles")
    assert a_study(length_error_mm=longer, residual=np.array([1.0, 2.0])).worse == ()
    subject = lab.window.laboratory._bench.focus.current
    panel.show_result(subject, a_study(length_error_mm=longer))
    assert panel.warning.isVisible()
    assert "5.0 mm off their median before, 9.0 mm after" in panel.warning.text()
    panel.show_result(subject, a_study())
    assert not panel.warning.isVisible()


def test_body_measures_are_of_the_corrected_poses(lab, panel):
    poses = torch.from_numpy(panel.result.poses)
    parents, children = np.array(H36M_17.bones).T
    lengths = (poses[:, children] - poses[:, parents]).norm(dim=-1).numpy()
    camera_lengths = panel._prepared[1].lengths_m
    want = 1000 * np.abs(lengths - camera_lengths).mean(axis=1)
    np.testing.assert_allclose(panel.result.length_error_mm, want)


def test_other_models_and_frames_without_the_person_say_what_to_do(lab, panel, machine):
    lab.go_to(3, panel)
    assert "is not in frame 3" in panel._message.text()
    lab.go_to(20, panel)
    lab.state.set_track(1, "fine", 3)
    assert "fine is not installed" in panel._message.text()
    assert "Choose Pose machine or machine in the menu Models" in panel._message.text()
    run = lab.track.runs["fine"]
    track = replace(lab.track, runs={**lab.track.runs, "temporal": run, "plain": run})
    document = lab.context.document
    after = lab.session.with_tracks((track,))
    document.undo_stack.push(SetTracks(document, "Others", after, Change("poses")))
    for name, title in (("temporal", "Temporal"), ("plain", "plain")):
        lab.state.set_track(1, name, 3)
        assert f"{title} does not correct itself" in panel._message.text()
    for name in ("machine", "pose-machine"):
        del panel.models[name]
    lab.state.set_frame(21)
    assert "No model that does is trained yet" in panel._message.text()
    assert "recipe pose-machine" in panel._message.text()
