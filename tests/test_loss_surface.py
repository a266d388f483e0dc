"""Loss surfaces against single poses, and the picture of the paper: Fig. 4."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.analysis.loss_surface import (
    AXES,
    SURFACES,
    TERMS,
    SurfaceWeights,
    loss_surface,
    losses_of,
)
from pose_core.errors import ConfigError
from pose_core.losses.structure import (
    StructureWeights,
    geometry_loss,
    illegal_angle_loss,
    symmetry_loss,
)
from pose_core.skeleton import H36M_17, MPII_16, joint_map

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures" / "loss_surfaces.py"
PAPER = SurfaceWeights(structure=StructureWeights())


@pytest.fixture(scope="module")
def figures():
    """The command that draws the pictures."""
    spec = importlib.util.spec_from_file_location("loss_surfaces", FIGURES)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pose(walker_xyz):
    return walker_xyz[7] - walker_xyz[7, 0]


@pytest.mark.parametrize(
    ("joint", "axes"),
    [("left_elbow", ("x", "z")), ("right_knee", ("z", "y")), ("neck", ("y", "x"))],
)
def test_equal_to_a_loop_over_the_grid(pose, rng, joint, axes):
    index = H36M_17.index(joint)
    truth = pose + rng.normal(0, 0.05, pose.shape)
    weights = SurfaceWeights(
        position=2.0, structure=StructureWeights(angle=3.0, symmetry=4.0, geometry=5.0)
    )
    surface = loss_surface(pose, truth, index, axes=axes, reach_m=0.6, steps=7, weights=weights)
    first, second = (AXES.index(axis) for axis in axes)
    np.testing.assert_allclose(surface.first_m, truth[index, first] + np.linspace(-0.6, 0.6, 7))
    np.testing.assert_allclose(surface.second_m, truth[index, second] + np.linspace(-0.6, 0.6, 7))
    for i, a in enumerate(surface.first_m):
        for k, b in enumerate(surface.second_m):
            moved = pose.copy()
            moved[index, first], moved[index, second] = a, b
            tensor = torch.from_numpy(moved)
            expected = {
                "position_2d": 2 * ((moved - truth)[:, :2] ** 2).sum(),
                "position_3d": 2 * ((moved - truth) ** 2).sum(),
                "angle": 3 * float(illegal_angle_loss(tensor)),
                "symmetry": 4 * float(symmetry_loss(tensor)),
                "geometry": 5 * float(geometry_loss(tensor)),
            }
            assert expected.keys() == set(TERMS)
            for name, value in expected.items():
                assert surface.terms[name][i, k] == pytest.approx(value, rel=1e-9), name
            for name, parts in SURFACES.items():
                total = sum(expected[part] for part in parts)
                assert surface.surfaces[name][i, k] == pytest.approx(total, rel=1e-9), name
    assert np.ptp(surface.surfaces["3d"]) > 0.1


def test_the_pose_is_left_as_it_was_and_the_true_place_is_in_the_middle(pose):
    before = pose.copy()
    surface = loss_surface(pose, pose, 12, steps=5)
    np.testing.assert_array_equal(pose, before)
    np.testing.assert_allclose(
        [surface.first_m[2], surface.second_m[2]], pose[12, [0, 2]], atol=1e-12
    )
    assert np.unravel_index(surface.surfaces["3d"].argmin(), (5, 5)) == (2, 2)
    assert surface.surfaces["3d"][2, 2] == pytest.approx(0, abs=1e-20)


def test_losses_of_stages_of_a_prediction(pose, rng):
    stages = pose + rng.normal(0, 0.1, (3, 4, 17, 3))
    terms, surfaces = losses_of(stages, pose)
    assert {value.shape for value in (*terms.values(), *surfaces.values())} == {(3, 4)}
    single, _ = losses_of(stages[2, 1], pose)
    assert float(single["symmetry"]) == pytest.approx(terms["symmetry"][2, 1])
    stages[0, 0, 12] = np.nan
    terms, _ = losses_of(stages, pose)
    assert np.isnan(terms["angle"][0, 0])
    assert np.isfinite(terms["angle"][1:]).all()


def test_joints_of_mpii(pose):
    mpii = joint_map(H36M_17, MPII_16).apply(pose)
    of_mpii = loss_surface(mpii, mpii, MPII_16.index("left_elbow"), steps=5, skeleton=MPII_16)
    of_h36m = loss_surface(pose, pose, H36M_17.index("left_elbow"), steps=5)
    for name in SURFACES:
        np.testing.assert_allclose(of_mpii.surfaces[name], of_h36m.surfaces[name], atol=1e-12)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"joint": 17}, "no joint 17"),
        ({"axes": ("x", "x")}, "two different axes"),
        ({"axes": ("x", "w")}, "two different axes"),
        ({"steps": 1}, "two steps"),
        ({"reach_m": 0.0}, "reach"),
    ],
)
def test_what_cannot_be_is_refused(pose, values, word):
    with pytest.raises(ConfigError, match=word):
        loss_surface(pose, pose, **({"joint": 12} | values))


def test_the_marked_poses_are_what_the_paper_says(figures):
    """Caption of Fig. 4, (f) to (h)."""
    marked = figures.marked_poses()
    shoulder, elbow, wrist = (H36M_17.index(f"left_{j}") for j in ("shoulder", "elbow", "wrist"))
    elsewhere = [j for j in range(17) if j != elbow]

    def lengths(pose):
        bones = pose[elbow] - pose[shoulder], pose[wrist] - pose[elbow]
        return [np.linalg.norm(bone) for bone in bones]

    for pose in marked.poses.values():
        np.testing.assert_array_equal(pose[elsewhere], marked.truth[elsewhere])
        np.testing.assert_array_equal(pose[elbow, :2], marked.truth[elbow, :2])
    one, two, three = (marked.poses[k] for k in (1, 2, 3))
    assert lengths(one) == pytest.approx(lengths(three))
    assert min(np.subtract(lengths(two), lengths(three))) > 0.1
    illegal = {k: float(illegal_angle_loss(torch.from_numpy(p))) for k, p in marked.poses.items()}
    assert illegal[1] > 0.005
    assert illegal[2] == illegal[3] == 0


@pytest.mark.parametrize("which", ["as drawn", "every term as it is", "the paper's lambdas"])
def test_the_marked_poses_are_ordered_as_the_paper_says(figures, which):
    """Fig. 4: equal but for the angle at (1) and (3), worse at (2), best at (3) in the end."""
    weights = {"as drawn": figures.WEIGHTS, "every term as it is": None}.get(which, PAPER)
    marked = figures.marked_poses()
    at = {k: losses_of(p, marked.truth, weights=weights)[1] for k, p in marked.poses.items()}
    flat, symmetric, legal, full = SURFACES
    assert at[1][flat] == at[2][flat] == at[3][flat] == 0
    assert at[1][symmetric] == pytest.approx(at[3][symmetric], abs=1e-12)
    assert at[2][symmetric] > at[3][symmetric] + 0.01
    assert at[1][legal] > at[3][legal] + 1e-4
    assert at[2][legal] > at[3][legal] + 0.01
    assert at[3][full] == 0
    assert min(at[1][full], at[2][full]) > 0.01


def test_surfaces_have_the_shapes_of_the_figure(figures):
    """(a) is a valley along z, (b) has two dips, (c) one, (d) is a bowl."""
    marked = figures.marked_poses()
    surface = loss_surface(marked.truth, marked.truth, figures.ELBOW, steps=81)
    valley = surface.surfaces["2d"]
    np.testing.assert_allclose(valley, valley[:, :1] + np.zeros_like(valley), atol=1e-12)

    def dips(name):
        line = surface.surfaces[name][40]  # at the true x
        inner = line[1:-1]
        return surface.second_m[1:-1][(inner < line[:-2]) & (inner < line[2:])]

    true_z = marked.truth[figures.ELBOW, 2]
    np.testing.assert_allclose(dips("2d + symmetry"), [-true_z, true_z], atol=0.013)
    np.testing.assert_allclose(dips("3d"), [true_z], atol=0.013)
    angle = surface.terms["angle"]
    assert (angle[:, surface.second_m > 0] == 0).all()
    assert (np.diff(angle[:, surface.second_m < 0], axis=1) < 0).all()


def test_the_command_writes_pictures(figures, tmp_path):
    pytest.importorskip("matplotlib")
    paths = figures.write_pictures(tmp_path / "images", ("poses",))
    assert [path.name for path in paths] == ["loss_surface_poses.png"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    shipped = FIGURES.parents[1] / "images"
    for name in figures.PICTURES:
        assert 10_000 < (shipped / f"loss_surface_{name}.png").stat().st_size < 200_000
