"""Sensitivity: curves and map of a tiny TP-Net, what is chosen, and what does not apply."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer

from app.laboratory.joint_matrix import SHORT_NAMES
from app.laboratory.sensitivity import _reading
from pose_core.analysis.moved_joint import move_joint, strongest_direction
from pose_core.analysis.refiner_windows import prepare_refiner, sensitivity_of
from pose_core.analysis.sensitivity import (
    capped_diagonal,
    perturbation_sensitivity,
    random_directions,
)
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import base_network, seen_stretches
from pose_core.models.networks import NETWORKS
from pose_core.models.ray_input import normalise_rays
from pose_core.models.registry import build_network

PELVIS = 0
CONTEXT = 6
KINDS = {
    "online": ("tpnet", {"num_joints": 17, "context": CONTEXT, "hidden": 32}),
    "both ways": ("tpnet", {"num_joints": 17, "context": 4, "hidden": 16, "mode": "semi-online"}),
    "past": ("lstm_baseline", {"num_joints": 17, "hidden": 8}),
    "window": ("lstm_baseline", {"num_joints": 17, "hidden": 8, "context": 4,
                                 "bidirectional": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(add_model):
    add_model("frame", "temporal_conv", {"channels": 8, "kernel_sizes": [1, 1]})
    return {name: add_model(name, *kind, base="frame") for name, kind in KINDS.items()}


@pytest.fixture
def panel(models, lab, show_run):
    return show_run(models["online"]).open("sensitivity")


def prepared(lab, entry):
    clip = lab.session.clip
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    return prepare_refiner(entry, lab.track.keypoints, clip.times_s, camera)


def shown(panel):
    x, y = (each.reshape(17, -1) for each in panel._joint_curves.getData())
    assert np.isnan(y[:, -1]).all()  # between one joint and the next
    np.testing.assert_array_equal(x[:, :-1], np.tile(panel.result.sensitivity.steps, (17, 1)))
    return y[:, :-1].T


def test_curves_and_maps_are_those_measured_by_moving_joints_at_random(lab, panel, models):
    look = prepared(lab, models["online"])
    directions = random_directions(2000, look.poses, torch.Generator().manual_seed(0))
    for frame in (lab.state.frame, 20):
        lab.go_to(frame, panel)
        window = look.windows(np.array([frame]))
        measured = perturbation_sensitivity(
            look.network, window, directions, answer_index=CONTEXT - 1, size=1e-3
        )
        measured.response[:, PELVIS] = 0.0
        np.testing.assert_allclose(shown(panel), measured.over_time, rtol=0.05)
        steps = panel._mean_curve.getOriginalDataset()[0]
        np.testing.assert_array_equal(steps, range(1 - CONTEXT, 1))
        mean = panel._mean_curve.getOriginalDataset()[1]
        np.testing.assert_allclose(mean, measured.over_time.mean(axis=1), rtol=0.05)
        for step in (-1, 0):
            panel.time.set_value(step)
            lab.settle(panel)
            want = capped_diagonal(measured.at(step))
            np.testing.assert_allclose(panel.map._image.image, want, rtol=0.15, atol=1e-3)
            assert panel._line.value() == step


def test_the_level_before_training_is_that_of_first_weights(lab, panel, models):
    look, entry = prepared(lab, models["online"]), models["online"]
    torch.manual_seed(0)
    first = NETWORKS[entry.network].build(entry.config).eval()
    frame = np.flatnonzero(look.known_mask)[:1]
    directions = random_directions(2000, look.poses, torch.Generator().manual_seed(0))
    measured = perturbation_sensitivity(
        first.pose_of_window, look.windows(frame), directions, answer_index=CONTEXT - 1, size=1e-3
    )
    measured.response[:, PELVIS] = 0.0
    steps, levels = panel._untrained_curve.getOriginalDataset()
    assert steps.tolist() == [1 - CONTEXT, 0]
    np.testing.assert_allclose(levels, measured.over_time.mean(), rtol=0.05)
    look = panel.result
    mean = look.sensitivity.over_time.mean(axis=1)
    added = np.maximum(mean - mean.mean(), 0)
    share = 100 * added[-5:].sum() / added.sum()
    reading = _reading(replace(look, untrained_level=mean.mean()))
    assert f", {share:.0f} % of what training added" in reading
    for level in (np.nan, 2 * mean.max()):
        assert "training added" not in _reading(replace(look, untrained_level=level))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_window_gives_the_answer_of_the_network_for_its_frame(lab, models, name):
    entry, clip, known = models[name], lab.session.clip, lab.track.keypoints
    network, base, look = build_network(entry), base_network(entry), prepared(lab, models[name])
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    first, *_ = seen_stretches(known.xy, known.scores, clip.times_s, camera, entry.rate_hz)
    rays, scores = (torch.from_numpy(a).float() for a in (first.grid_rays, first.grid_scores))
    with torch.no_grad():
        poses = base(normalise_rays(rays[None], scores[None]).features)[-1]
        want = network(poses)[-1][0][first.nearest]
        windows = look.windows(first.frames)
        found = look.network(windows)
    # The LSTM of the panel begins with the window: what was before has next to no weight.
    atol, start = (1e-4, windows.shape[1]) if name == "past" else (1e-5, 0)
    np.testing.assert_allclose(found[start:], want[start:], atol=atol)
    assert want.std(dim=0).max() > 3 * atol
    response = sensitivity_of(look, int(first.frames[50]), int(first.frames[50]) + 1).response
    assert response.shape == (windows.shape[1], 17, 17)
    assert (response > 0).any()


def test_the_mean_over_a_range_is_that_of_its_frames(lab, panel, models):
    assert not panel.over_range.isEnabled()
    lab.state.set_range((50, 54))
    panel.over_range.click()
    lab.settle(panel)
    look = prepared(lab, models["online"])
    each = [sensitivity_of(look, frame, frame + 1).response for frame in range(50, 54)]
    response = panel.result.sensitivity.response
    np.testing.assert_allclose(response, np.mean(each, axis=0), rtol=1e-5)
    # The movement that is shown is one of a frame of the range, though the playhead is elsewhere.
    assert panel.result.experiment.frame == (53 if lab.state.frame > 53 else 50)
    assert not np.allclose(each[0], each[-1], rtol=1e-5)
    with pytest.raises(ConfigError, match="not in frames 3 to 4"):
        sensitivity_of(look, 3, 5)


def click_in_map(panel, cell, qtbot):
    at = panel.map.mapFromScene(panel.map.place_of(*cell))
    qtbot.mouseClick(panel.map.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_click_chooses_a_cell_and_the_reading_says_its_number(lab, panel, qtbot):
    click_in_map(panel, (4, 9), qtbot)
    lab.settle(panel)
    assert panel.cell == (4, 9)
    value = panel.result.sensitivity.at(0)[4, 9]
    assert f"{100 * value:.1f} mm on average" in panel.reading.text()
    curve = panel._chosen_curve.getOriginalDataset()[1]
    np.testing.assert_allclose(curve, panel.result.sensitivity.over_time[:, 4])
    panel.listening_button.click()
    lab.settle(panel)
    beside = panel.result.matrix[~np.eye(17, dtype=bool)]
    assert panel.result.matrix[panel.cell] == beside.max()


def test_a_click_moves_the_joint_of_the_input_and_shows_the_answer_of_the_network(
    lab, panel, models, qtbot
):
    look = prepared(lab, models["online"])
    panel.time.set_value(-2)
    panel.distance.set_value(150)
    frame, displacement = lab.state.frame, np.array([0, -0.15, 0])
    for way, cell in (("up", (13, 16)), ("the way that counts most", (2, 3))):
        panel.way.setCurrentText(way)
        click_in_map(panel, cell, qtbot)
        lab.settle(panel)
        if way != "up":
            displacement = 0.15 * strongest_direction(look, frame, -2, *cell)
        moved = move_joint(look, frame, -2, cell[0], displacement)
        influence, seen, answer = panel.strip.views
        np.testing.assert_allclose([seen.before, seen.xyz], moved.seen, atol=1e-6)
        np.testing.assert_allclose([answer.before, answer.xyz], moved.answer, atol=1e-6)
        mm = 1000 * moved.displacement
        assert answer.facts[0] == f"{SHORT_NAMES[cell[1]]} {mm[cell[1]]:.1f} mm"
        assert f"{np.delete(mm, cell[1]).max():.1f} mm" in answer.facts[1]
        assert seen.facts == (f"{SHORT_NAMES[cell[0]]} 150 mm",)
        matrix = capped_diagonal(sensitivity_of(look, frame, frame + 1).at(-2))
        np.testing.assert_allclose(influence.strengths, matrix[:, cell[1]] / matrix.max(), 1e-5)
        assert (influence.marked, seen.marked, answer.marked) == (cell[1], cell[0], cell[1])


def test_joints_are_chosen_on_the_skeletons_and_brighter_where_they_count(lab, panel, qtbot):
    strip = panel.strip
    for view, joint, cell in ((0, 16, (4, 16)), (1, 13, (13, 16)), (2, 3, (13, 3))):
        at = strip.place_of(view, joint).toPoint()
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=at)
        lab.settle(panel)
        assert panel.cell == cell
    shown = strip.views[0]
    order = np.argsort(shown.strengths)
    picture = strip.grab().toImage()
    ratio = picture.devicePixelRatio()

    def lightness(joint):
        at = strip.place_of(0, joint)
        return picture.pixelColor(round(at.x() * ratio), round(at.y() * ratio)).lightness()

    # Away from the other joints, so that none is painted over.
    points = np.array([strip.place_of(0, joint).toTuple() for joint in range(17)])
    apart = np.linalg.norm(points[:, None] - points, axis=-1) + 99 * np.eye(17)
    free = [joint for joint in order if apart[joint].min() > 9]
    assert lightness(free[-1]) > lightness(free[0])


def test_the_numbers_of_all_maps_are_exported_uncapped_and_the_picture_too(lab, panel, export_to):
    rows = list(csv.DictReader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert [row["t"] for row in rows[::17]] == [str(t) for t in range(1 - CONTEXT, 1)]
    numbers = [[float(row[key]) for key in list(row)[2:]] for row in rows]
    response = panel.result.sensitivity.response
    np.testing.assert_allclose(np.reshape(numbers, response.shape), response)
    assert QImage(str(export_to(panel, "png"))).size() == panel.body.size() * 2
    svg = QSvgRenderer(str(export_to(panel, "svg")))
    assert svg.isValid()
    assert svg.viewBox().size() == panel.body.size()


def test_other_models_and_frames_without_the_person_say_what_to_do(lab, panel):
    lab.go_to(3, panel)
    assert "is not in frame 3" in panel._message.text()
    lab.go_to(20, panel)
    assert panel.map.isVisible()
    lab.state.set_track(1, "fine", 3)
    assert "fine is not installed" in panel._message.text()
    assert "in the menu Models" in panel._message.text()
    panel.models.clear()
    lab.state.set_frame(21)
    assert "No model that does is trained yet" in panel._message.text()
    assert "recipe tp-net" in panel._message.text()


def test_the_pelvis_is_said_to_tell_nothing(lab, panel):
    panel.choose(PELVIS, 5)
    lab.settle(panel)
    assert "relative to the <b>pelvis</b>" in panel.reading.text()
    assert not panel.result.matrix[PELVIS].any()
    panel.choose_strongest()
    lab.settle(panel)
    assert panel.cell[0] != PELVIS
    assert "relative to" not in panel.reading.text()
