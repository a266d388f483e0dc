"""The detector's landmarks as joints of Human3.6M: the shipped map, and how it is fitted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.detection.landmark_map import h36m_map, load_landmark_map
from pose_core.errors import DataError, WeightsError
from pose_core.resources import resource_path
from pose_core.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, joint_map
from pose_core.synthesis.detected import (
    DetectedPeople,
    detect_rendered,
    join,
    load_detected,
    people_of_split,
    save_detected,
)
from pose_core.training.landmark_map import (
    Samples,
    errors_of,
    fit_landmark_map,
    samples_of,
    save_landmark_map,
)

SHIPPED = resource_path("weights", "landmark_map.json")
LEFT_HIP, RIGHT_HIP = H36M_17.index("left_hip"), H36M_17.index("right_hip")


def test_the_shipped_map_keeps_sides_apart_and_moves_with_the_body():
    weights = h36m_map(BLAZEPOSE_33).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    mirrored = weights[H36M_17.mirror_index][:, BLAZEPOSE_33.mirror_index]
    np.testing.assert_allclose(weights, mirrored, atol=2e-4)  # written with four digits
    np.testing.assert_allclose(
        weights[H36M_17.index("pelvis")], weights[[LEFT_HIP, RIGHT_HIP]].mean(axis=0), atol=2e-4
    )
    # No joint shakes much more than the landmarks of which it is made.
    assert np.linalg.norm(weights, axis=1).max() < 2


def test_the_shipped_map_is_the_recipe_refined():
    shipped, recipe = h36m_map(BLAZEPOSE_33).weights, joint_map(BLAZEPOSE_33, H36M_17).weights
    by_joint = np.linalg.norm(shipped - recipe, axis=1)
    for joint in ("spine", "left_elbow"):
        assert by_joint[H36M_17.index(joint)] == 0
    for joint in ("thorax", "neck", "head_top", "left_shoulder", "right_hip"):
        assert 0.05 < by_joint[H36M_17.index(joint)] < 1.5


def test_other_detectors_keep_their_recipe():
    np.testing.assert_array_equal(h36m_map(COCO_17).weights, joint_map(COCO_17, H36M_17).weights)


def content() -> dict:
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


def lacking_a_joint() -> dict:
    return {"weights": {k: v for k, v in content()["weights"].items() if k != "spine"}}


def with_shares(**shares: float) -> dict:
    return {"weights": content()["weights"] | {"spine": shares}}


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        json.dumps(lacking_a_joint()),
        json.dumps(with_shares(left_hip=0.5, right_hip=0.4)),
        json.dumps(with_shares(left_hip=0.5, tail=0.5)),
        json.dumps({"weights": content()["weights"] | {"spine": [1.0]}}),
    ],
)
def test_a_damaged_map_is_refused(tmp_path, text):
    path = tmp_path / "map.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match="map"):
        load_landmark_map(path)
    path.write_text(json.dumps(content()), encoding="utf-8")
    load_landmark_map.cache_clear()
    load_landmark_map(path)


def made_samples(rng: np.random.Generator, num: int = 400, noise_px: float = 0.5) -> Samples:
    """People whose joints are a known map of random landmarks."""
    truth = joint_map(BLAZEPOSE_33, H36M_17).weights.copy()
    index = BLAZEPOSE_33.index
    truth[LEFT_HIP] = 0
    truth[LEFT_HIP, [index("left_hip"), index("right_hip")]] = 0.8, 0.1
    truth[LEFT_HIP, index("left_shoulder")] = 0.1
    truth[RIGHT_HIP] = truth[LEFT_HIP][BLAZEPOSE_33.mirror_index]
    landmarks = rng.normal(0, 100, (num, 33, 2)) + rng.uniform(0, 1000, (num, 1, 2))
    xy = np.einsum("jl,nld->njd", truth, landmarks) + rng.normal(0, noise_px, (num, 17, 2))
    return Samples(landmarks, xy, np.full(num, 100.0), np.full(num, 350.0))


def test_the_fit_finds_a_map_that_is_known(rng):
    samples = made_samples(rng)
    fitted = fit_landmark_map(samples).weights
    parts = {n: float(fitted[LEFT_HIP, BLAZEPOSE_33.index(n)])
             for n in ("left_hip", "right_hip", "left_shoulder")}  # fmt: skip
    expected = {"left_hip": 0.8, "right_hip": 0.1, "left_shoulder": 0.1}
    assert parts == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(
        fitted[RIGHT_HIP], fitted[LEFT_HIP][BLAZEPOSE_33.mirror_index], atol=1e-12
    )
    np.testing.assert_allclose(fitted[0], (fitted[LEFT_HIP] + fitted[RIGHT_HIP]) / 2)
    np.testing.assert_allclose(fitted.sum(axis=1), 1.0)


def test_the_fit_leaves_out_what_the_detector_got_wrong(rng):
    good = made_samples(rng)
    astray = rng.random(400) < 0.2
    landmarks = good.landmarks.copy()
    landmarks[astray, BLAZEPOSE_33.index("left_hip")] += 300
    landmarks[astray, BLAZEPOSE_33.index("right_hip")] += 300
    fitted = fit_landmark_map(replace(good, landmarks=landmarks)).weights
    assert fitted[LEFT_HIP, BLAZEPOSE_33.index("left_hip")] == pytest.approx(0.8, abs=0.03)


def test_errors_are_shares_of_the_trunk_and_pixels_of_a_tall_person():
    landmarks = np.zeros((1, 33, 2))
    samples = Samples(landmarks, np.tile([3.0, 4.0], (1, 17, 1)), np.array([50.0]), np.array([250]))
    percent, px = errors_of(samples, joint_map(BLAZEPOSE_33, H36M_17))
    np.testing.assert_allclose(percent, 10.0)  # 5 of 50 pixels
    np.testing.assert_allclose(px, 10.0)  # the person is half as tall as 500 pixels


def test_a_written_map_is_read_back(tmp_path, rng):
    fitted = fit_landmark_map(made_samples(rng))
    save_landmark_map(tmp_path / "map.json", fitted, 400)
    read = load_landmark_map(tmp_path / "map.json")
    np.testing.assert_allclose(read.weights, fitted.weights, atol=2e-4)
    np.testing.assert_allclose(read.weights.sum(axis=1), 1.0, atol=1e-12)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> DetectedPeople:
    """A few rendered people, as the detector sees them."""
    from pose_core.detection.blazepose import BlazePoseDetector  # noqa: PLC0415

    try:
        detector = BlazePoseDetector()
    except WeightsError as error:
        pytest.skip(f"the detector's weights are not here: {error.message}")
    folder: Path = tmp_path_factory.mktemp("mocap")
    write_walk(folder)
    source = people_of_split(folder, "all", frames=2)
    return join(list(detect_rendered(source, detector, range(10), seed=0)))


def write_walk(folder: Path) -> None:
    t = np.arange(200) / 50
    swing = 0.4 * np.sin(2 * np.pi * 0.9 * t)
    out = np.zeros((200, 17, 3))
    heights = {0: 0.95, 7: 1.19, 8: 1.45, 9: 1.57, 10: 1.72}
    for joint, height in heights.items():
        out[:, joint, 2] = height
    for side, (hip, shoulder) in {1: (4, 11), -1: (1, 14)}.items():
        out[:, hip : hip + 3, 1], out[:, shoulder : shoulder + 3, 1] = 0.11 * side, 0.18 * side
        for joint, height, ahead in ((hip, 0.95, 0), (hip + 1, 0.53, 0.42), (hip + 2, 0.1, 0.6)):
            out[:, joint, 2], out[:, joint, 0] = height, ahead * side * swing
        for joint, height, ahead in ((0, 1.42, 0), (1, 1.14, 0.28), (2, 0.92, 0.5)):
            out[:, shoulder + joint, 2] = height
            out[:, shoulder + joint, 0] = -ahead * side * swing + 0.1 * joint
    np.savez(
        folder / "walk.npz", positions=out.astype(np.float32), h36m17=np.arange(17),
        fps=np.float32(50), action="walking", subject="one", source="test",
    )  # fmt: skip


def test_the_detector_finds_rendered_people_where_they_are(people):
    assert people.found_mask.mean() > 0.7
    samples = samples_of(people)
    recipe, fitted = joint_map(BLAZEPOSE_33, H36M_17), h36m_map(BLAZEPOSE_33)
    before, after = (np.median(errors_of(samples, m)[0]) for m in (recipe, fitted))
    assert 1 < after < before < 15
    thorax = H36M_17.index("thorax")
    before, after = (np.median(errors_of(samples, m)[0][:, thorax]) for m in (recipe, fitted))
    assert after < 0.7 * before


def test_detected_people_are_kept_in_a_file(people, tmp_path):
    save_detected(tmp_path / "people.npz", people)
    read = load_detected(tmp_path / "people.npz")
    for name, values in vars(people).items():
        np.testing.assert_array_equal(getattr(read, name), values)
    (tmp_path / "other.npz").write_bytes((tmp_path / "people.npz").read_bytes()[:1000])
    with pytest.raises(DataError, match="other"):
        load_detected(tmp_path / "other.npz")


def test_pictures_with_exchanged_sides_are_left_out(people):
    mirrored = replace(people, landmarks=people.landmarks[:, :, BLAZEPOSE_33.mirror_index])
    num_kept, num_kept_mirrored = (len(samples_of(p).landmarks) for p in (people, mirrored))
    assert num_kept > 0.5 * people.found_mask.sum()
    assert num_kept + num_kept_mirrored == people.found_mask.sum()
