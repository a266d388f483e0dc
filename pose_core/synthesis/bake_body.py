"""Bakes the body model from Anny: ``python -m pose_core.synthesis.bake_body --out FILE.npz``.

Needs the optional packages of ``pip install posestage[bake]``, a few minutes and 3 GB of disk for
Anny's cache. Only Anny's own mesh is used (data CC0), never the topologies ``smpl`` and ``smplx``.

References
----------
R. Brégier et al., "Human Mesh Modeling for Anny Body", 2025.
"""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import DataError, PoseStageError
from pose_core.skeleton import H36M_17
from pose_core.synthesis.body_pack import BODY, EYE, HAIR, PUPIL, SKIRT
from pose_core.synthesis.segments import INDEX, SEGMENTS

NUM_COMPONENTS = 40
NUM_FITTED, NUM_HELD_OUT = 2048, 256
AGE_YEARS = (18.0, 80.0)
_BATCH = 64
_SIDE_OF = {".L": "left_", ".R": "right_"}
# Joints that are regressed from vertices, for heads of bones are 7-31 mm off there, and the segment
# that turns about each: about the joint itself, so that bones keep their length in every pose.
_FROM_VERTICES = {"knee": "shin", "ankle": "foot", "elbow": "forearm", "wrist": "hand"}
_HEAD_TOP_VERTEX = 881
# Where each segment turns: the head of this bone, unless `_FROM_VERTICES` says better.
_PIVOTS = {
    "pelvis": "root",
    "spine_low": "spine05",
    "spine_middle": "spine04",
    "chest": "spine02",
    "neck": "neck01",
    "head": "head",
    "clavicle": "clavicle",
    "upper_arm": "upperarm01",
    "forearm": "lowerarm01",
    "hand": "wrist",
    "thigh": "upperleg01",
    "shin": "lowerleg01",
    "foot": "foot",
}
# The segment that carries a bone, by the beginning of the bone's name; fingers are the hand.
_SEGMENT_OF_BONE = {
    "root": "pelvis",
    "pelvis": "pelvis",
    "spine05": "spine_low",
    "spine04": "spine_middle",
    "spine03": "spine_middle",
    "spine02": "chest",
    "spine01": "chest",
    "neck": "neck",
    "head": "head",
    "eye": "head",
    "clavicle": "clavicle",
    "shoulder": "clavicle",
    "upperarm": "upper_arm",
    "lowerarm": "forearm",
    "wrist": "hand",
    "metacarpal": "hand",
    "finger": "hand",
    "upperleg": "thigh",
    "lowerleg": "shin",
    "foot": "foot",
    "toe": "foot",
}


def segment_of_bone(bone: str) -> str:
    """Name of the segment that carries a bone of Anny."""
    side = _SIDE_OF.get(bone[-2:], "")
    for beginning, segment in _SEGMENT_OF_BONE.items():
        if bone.startswith(beginning):
            return segment if segment in INDEX else side + segment
    raise DataError(f"The bone {bone!r} of Anny is not known.", "Use anny 0.6.2.")


def pivot_bone(segment: str) -> str:
    """Name of the bone of Anny whose head is where a segment turns."""
    side, _, rest = segment.partition("_")
    return f"{_PIVOTS[rest]}.{side[0].upper()}" if rest in _PIVOTS else _PIVOTS[segment]


def sample_adults(model: Any, count: int) -> tuple[Tensor, Tensor]:
    """Vertices (N, V, 3) and heads of bones (N, bones, 3) of random adults in the rest pose."""
    low, high = (torch.tensor(years) for years in AGE_YEARS)
    ages = torch.distributions.Uniform(low, high)
    distributions = import_module("anny.shape_distribution")
    adults = distributions.SimpleShapeDistribution(model, morphological_age_distribution=ages)
    vertices, heads = [], []
    for _ in range(0, count, _BATCH):
        _, phenotypes = adults.sample(_BATCH)
        coefficients = model.get_phenotype_blendshape_coefficients(**phenotypes)
        rest = model.get_rest_model(coefficients)
        vertices.append(rest["rest_vertices"])
        heads.append(rest["rest_bone_heads"])
    return torch.cat(vertices)[:count], torch.cat(heads)[:count]


def shape_basis(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (P, 3), principal components (K, P, 3) and coefficients (N, K) of bodies (N, P, 3)."""
    mean = points.mean(0)
    flat = (points - mean).flatten(1)
    u, size, v = torch.svd_lowrank(flat, q=NUM_COMPONENTS + 10, niter=6)
    # Coefficients of unit variance, so that half precision serves all components alike.
    scale = size[:NUM_COMPONENTS] / len(flat) ** 0.5
    basis = (v[:, :NUM_COMPONENTS] * scale).T
    coefficients = u[:, :NUM_COMPONENTS] * len(flat) ** 0.5
    return mean, basis.unflatten(1, (-1, 3)), coefficients


def skinning(model: Any, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Four segments (P, 4) and their shares for the kept vertices and then the pivots.

    Bones of one segment turn together, so their shares are added up.
    """
    segments = torch.tensor([INDEX[segment_of_bone(bone)] for bone in model.bone_labels])
    dense = torch.zeros(len(model.template_vertices), len(SEGMENTS))
    dense.scatter_add_(1, segments[model.vertex_bone_indices], model.vertex_bone_weights)
    dense = torch.cat([dense[kept], torch.eye(len(SEGMENTS))])
    weights, index = dense.topk(4, dim=1)
    return index, weights / weights.sum(1, keepdim=True)


def move_pivots(vertices: Tensor, pivots: Tensor, coco: dict[str, Tensor]) -> Tensor:
    """Pivots (N, 20, 3) with those of shins, feet, forearms and hands at the regressed joints.

    Parameters
    ----------
    vertices : (N, V, 3) Tensor
        All of Anny's.
    pivots : (N, 20, 3) Tensor
    coco : dict of str to (V,) Tensor
        Shares of the vertices in each joint.
    """
    moved = pivots.clone()
    for side in ("left", "right"):
        for joint, segment in _FROM_VERTICES.items():
            shares = coco[f"{side}_{joint}"].float()
            moved[:, INDEX[f"{side}_{segment}"]] = torch.einsum("v,nvc->nc", shares, vertices)
    return moved


def joint_regressor(kept: Tensor) -> Tensor:
    """(17, P) weights that make the joints of Human3.6M-17 from kept vertices and pivots."""
    num_vertices = len(kept)
    rows = torch.zeros(H36M_17.num_joints, num_vertices + len(SEGMENTS))

    def pivots(joint: str, *segments: str) -> None:
        for segment in segments:
            rows[H36M_17.index(joint), num_vertices + INDEX[segment]] = 1 / len(segments)

    pivots("pelvis", "left_thigh", "right_thigh")
    pivots("spine", "chest")
    pivots("thorax", "left_clavicle", "right_clavicle")
    # As `pose_core.data.body_joints` takes it from motion capture: the joint of head and neck, half
    # way from the thorax to the top of the head. Human3.6M's "neck/nose" only has a nose's height.
    pivots("neck", "head")
    rows[H36M_17.index("head_top"), :num_vertices] = (kept == _HEAD_TOP_VERTEX).float()
    for side in ("left", "right"):
        pivots(f"{side}_hip", f"{side}_thigh")
        pivots(f"{side}_shoulder", f"{side}_upper_arm")
        for joint, segment in _FROM_VERTICES.items():
            pivots(f"{side}_{joint}", f"{side}_{segment}")
    if not torch.allclose(rows.sum(1), torch.ones(len(rows)), atol=1e-3):
        raise DataError("The top of the head is not drawn.", "Use anny 0.6.2.")
    return rows


def wardrobe(vertices: Tensor, pivots: Tensor, weights: Tensor) -> Tensor:
    """(V, 4) coordinates for clothes, see `BodyPack.wardrobe`.

    Parameters
    ----------
    vertices, pivots : (V, 3), (20, 3) Tensor
        Of the mean body at rest.
    weights : (V, 20) Tensor
        Shares of the segments.
    """

    def along(start: str, end: str) -> Tensor:
        a, b = pivots[INDEX[start]], pivots[INDEX[end]]
        return ((vertices - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)

    arm, leg = torch.zeros(len(vertices)), torch.zeros(len(vertices))
    for side in ("left", "right"):
        upper, lower, hand, thigh, shin, foot = (
            f"{side}_{name}" for name in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
        )
        arm += weights[:, INDEX[upper]] * along(upper, lower)
        arm += weights[:, INDEX[lower]] * (1 + along(lower, hand)) + 3 * weights[:, INDEX[hand]]
        leg += weights[:, INDEX[thigh]] * along(thigh, shin)
        leg += weights[:, INDEX[shin]] * (1 + along(shin, foot)) + 3 * weights[:, INDEX[foot]]
    low = (pivots[INDEX["left_thigh"], 2] + pivots[INDEX["right_thigh"], 2]) / 2
    trunk = (vertices[:, 2] - low) / (pivots[INDEX["neck"], 2] - low)
    head = weights[:, INDEX["head"]] + weights[:, INDEX["neck"]]
    return torch.stack([arm, leg, trunk, head], dim=1)


def faces_and_kinds(model: Any, groups: dict[str, Tensor], ranges: Any) -> tuple[Tensor, Tensor]:
    """Triangles (F, 3) of Anny's vertices and what each belongs to (F,)."""

    def inside(group: str) -> Tensor:
        mask = torch.zeros(len(model.template_vertices), dtype=torch.bool)
        for first, last in ranges[group]:
            mask[first : last + 1] = True
        return mask

    faces = model.faces.long()
    faces = faces[~inside("helper-tongue")[faces].any(1)]
    kinds = torch.full((len(faces),), BODY)
    vertices = model.template_vertices
    for group in ("helper-l-eye", "helper-r-eye"):
        ball = inside(group)
        centre = vertices[ball].mean(0)
        of_eye = ball[faces].all(1)
        kinds[of_eye] = EYE
        offset = vertices[faces].mean(1) - centre
        # The body faces -y: pupil and iris are the cap of the ball around that direction.
        is_front = -offset[:, 1] > 0.92 * offset.norm(dim=1)
        kinds[of_eye & is_front] = PUPIL
    for group, kind in (("helper-skirt", SKIRT), ("helper-hair", HAIR)):
        quads = groups[group]
        triangles = torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        faces = torch.cat([faces, triangles])
        kinds = torch.cat([kinds, torch.full((len(triangles),), kind)])
    return faces, kinds


def bake() -> tuple[dict[str, np.ndarray], float]:
    """Arrays of the pack, and the mean distance (mm) to the full model of adults not fitted."""
    try:
        anny = import_module("anny")
        obj_utils = import_module("anny.utils.obj_utils")
    except ImportError as exc:
        raise DataError(
            "The package anny is not installed.", "Run: pip install 'posestage[bake]'"
        ) from exc
    torch.manual_seed(0)
    data = Path(anny.__path__[0]) / "data"
    _, _, objects = obj_utils.load_obj_file(str(data / "mpfb2/3dobjs/base.obj"))
    groups = {
        name: torch.as_tensor(objects[name]["face_vertex_indices"])
        for name in ("helper-skirt", "helper-hair")
    }
    ranges = json.loads((data / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())
    coco = torch.load(data / "keypoints/coco.pth", weights_only=True)
    model = anny.Anny(
        topology="anny-full", phenotypes="all", phenotype_blendshapes="original"
    ).float()

    faces, kinds = faces_and_kinds(model, groups, ranges)
    kept, faces = faces.unique(return_inverse=True)
    pivots = [model.bone_labels.index(pivot_bone(segment)) for segment in SEGMENTS]
    vertices, heads = sample_adults(model, NUM_FITTED + NUM_HELD_OUT)
    turning = move_pivots(vertices, heads[:, pivots], coco)
    points = torch.cat([vertices[:, kept], turning], dim=1)
    template, basis, shapes = shape_basis(points[:NUM_FITTED])
    segments, weights = skinning(model, kept)
    dense = torch.zeros(len(weights), len(SEGMENTS)).scatter_(1, segments, weights)
    regressor = joint_regressor(kept).to_sparse().coalesce()
    num_vertices = len(kept)
    arrays = {
        "template": template.numpy().astype(np.float32),
        "basis": basis.numpy().astype(np.float16),
        "shapes": shapes.numpy().astype(np.float16),
        "skin_segments": segments.numpy().astype(np.uint8),
        "skin_weights": weights.numpy().astype(np.float16),
        "faces": faces.numpy().astype(np.uint16),
        "face_kinds": kinds.numpy().astype(np.uint8),
        "joint_rows": regressor.indices()[0].numpy().astype(np.uint8),
        "joint_points": regressor.indices()[1].numpy().astype(np.uint16),
        "joint_weights": regressor.values().numpy().astype(np.float32),
        "wardrobe": wardrobe(template[:num_vertices], template[num_vertices:], dense[:num_vertices])
        .numpy()
        .astype(np.float16),
    }
    return arrays, _mean_distance_mm(arrays, points[NUM_FITTED:])


def _mean_distance_mm(arrays: dict[str, np.ndarray], bodies: Tensor) -> float:
    """Mean distance of the pack's best fit to bodies (N, P, 3) of the full model."""
    basis = torch.from_numpy(arrays["basis"].astype(np.float32)).flatten(1)
    offset = (bodies - torch.from_numpy(arrays["template"])).flatten(1)
    coefficients = torch.linalg.lstsq(basis.T, offset.T).solution.T
    rest = (offset - coefficients @ basis).unflatten(1, (-1, 3))
    return 1000 * float(rest.norm(dim=-1).mean())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Bake the body model from Anny.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    out = parser.parse_args().out
    try:
        arrays, distance_mm = bake()
        make_folder(out.parent, DataError)
        with atomic_write(out, DataError) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except PoseStageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(
        f"{out}: {len(arrays['template'])} points, {len(arrays['faces'])} triangles, "
        f"{len(arrays['shapes'])} adults, {out.stat().st_size / 1e6:.1f} MB; "
        f"{distance_mm:.2f} mm mean distance to the full model, over adults not fitted\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
