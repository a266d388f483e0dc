"""The body model that PoseStage ships: adults, baked from Anny by `bake_body`.

The pack is one ``.npz`` of plain arrays. Its world is z up, metres, the body faces -y.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.errors import DataError
from pose_core.resources import resource_path
from pose_core.synthesis.segments import SEGMENTS

PACK_NAME = "adults.npz"
MAX_BYTES = 100_000_000

# What a face belongs to.
BODY, EYE, PUPIL, SKIRT, HAIR = range(5)
# Columns of `BodyPack.wardrobe`.
ARM, LEG, TRUNK, HEAD = range(4)


@dataclass(frozen=True, eq=False)
class BodyPack:
    """A statistical body of K shape components over P points, of which the first V are vertices.

    Parameters
    ----------
    template : (P, 3) ndarray
        Mean adult in the rest pose, metres. The last 20 points are where the segments turn.
    basis : (K, P, 3) ndarray
        Displacement of each point per unit of each shape coefficient.
    shapes : (N, K) ndarray
        Coefficients of N adults.
    skin_segments : (P, 4) int ndarray
        Segments that carry each point.
    skin_weights : (P, 4) ndarray
        Their shares; they sum to 1.
    faces : (F, 3) int ndarray
        Vertices of each triangle.
    face_kinds : (F,) int ndarray
        `BODY`, `EYE`, `PUPIL`, `SKIRT` or `HAIR`.
    joint_rows, joint_points : (M,) int ndarray
        Each joint of Human3.6M-17 is a weighted mean of points.
    joint_weights : (M,) ndarray
    wardrobe : (V, 4) ndarray
        Where a vertex is on the body, for clothes. `ARM`: 0 on the trunk, 0..1 along the upper
        arm, 1..2 along the forearm, 2..3 the hand. `LEG`: the same to the ankle, 3 the foot.
        `TRUNK`: height, 0 at the hip joints, 1 at the neck. `HEAD`: share of neck and head.
    """

    template: np.ndarray
    basis: np.ndarray
    shapes: np.ndarray
    skin_segments: np.ndarray
    skin_weights: np.ndarray
    faces: np.ndarray
    face_kinds: np.ndarray
    joint_rows: np.ndarray
    joint_points: np.ndarray
    joint_weights: np.ndarray
    wardrobe: np.ndarray

    @property
    def num_vertices(self) -> int:
        return len(self.template) - len(SEGMENTS)


@cache
def load_body_pack(path: Path | None = None) -> BodyPack:
    """Read the shipped pack, or another one.

    Raises
    ------
    DataError
        If the file is missing, damaged, or not a body pack.
    """
    path = path or resource_path("body", PACK_NAME)
    try:
        with path.open("rb") as handle:
            arrays = read_arrays(handle, MAX_BYTES)
    except (OSError, DamagedArrays) as exc:
        raise DataError(
            f"The body model {path} cannot be read: {exc}.", "Install PoseStage again."
        ) from exc
    if missing := [field.name for field in fields(BodyPack) if field.name not in arrays]:
        raise DataError(f"The body model {path} lacks {', '.join(missing)}.", "Bake it again.")
    pack = BodyPack(
        **{
            field.name: arrays[field.name].astype(
                np.float32 if arrays[field.name].dtype.kind == "f" else np.int64
            )
            for field in fields(BodyPack)
        }
    )
    # Half precision leaves the shares a little off 1, which would scale the body.
    weights = pack.skin_weights / pack.skin_weights.sum(axis=1, keepdims=True)
    return BodyPack(**{**vars(pack), "skin_weights": weights})
